from __future__ import annotations

from stomp.core.engine.effects import Signal


def test_signal_calls_its_callbacks() -> None:
    signal = Signal()
    calls: list[str] = []

    def once() -> None:
        calls.append("once")
        signal.remove_callback(once)

    signal.add_callback(once)
    signal.add_callback(lambda: calls.append("always"))
    signal.notify()
    signal.notify()
    assert calls == ["once", "always", "always"]
