from __future__ import annotations

from stomp.core.engine.effects import Signal


def test_a_signal_tells_who_watches() -> None:
    signal = Signal()
    told: list[str] = []

    def once() -> None:
        told.append("once")
        signal.unwatch(once)

    signal.watch(once)
    signal.watch(lambda: told.append("always"))
    signal.fire()
    signal.fire()
    assert told == ["once", "always", "always"]
