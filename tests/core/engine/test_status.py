from __future__ import annotations

import pytest

from stomp.core.engine.status import ClientState, StateChange, StateChangeQueue


def test_some_states_are_the_end() -> None:
    assert [state.name for state in ClientState if state.over] == ["CLOSED", "FAILED"]


def test_a_log_fires_and_forgets_what_is_too_old() -> None:
    log = StateChangeQueue()
    fired: list[int] = []
    log.add_callback(lambda: fired.append(1))
    change = StateChange(ClientState.CONNECTING, ClientState.NEW, "connecting")
    for _ in range(2000):
        log.note(change)
    assert len(log.changes) == 1000
    assert len(fired) == 2000
    with pytest.raises(AttributeError):
        change.reason = "x"  # type: ignore[misc]
