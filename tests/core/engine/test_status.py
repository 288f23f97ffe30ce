from __future__ import annotations

import pytest

from stomp.core.engine.status import ClientState, StateChange, StateChangeQueue


def test_final_states_are_known() -> None:
    assert [state.name for state in ClientState if state.over] == ["CLOSED", "FAILED"]


def test_state_queue_notifies_and_drops_old_changes() -> None:
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
