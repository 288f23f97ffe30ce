from __future__ import annotations

from stomp.core.engine.effects import Signal


def test_a_signal_tells_who_watches() -> None:
    signal = Signal()
    calls: list[str] = []

    def once() -> None:
        calls.append("once")
        signal.unwatch(once)

    signal.watch(once)
    signal.watch(lambda: calls.append("always"))
    signal.fire()
    signal.fire()
    assert calls == ["once", "always", "always"]
