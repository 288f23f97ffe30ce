from __future__ import annotations

import pytest

from stomp.core.engine.status import ClientState, StateChange, StateChangeQueue, is_loss


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


@pytest.mark.parametrize(
    ("before", "state", "warning"),
    [
        (ClientState.NEW, ClientState.CONNECTING, False),
        (ClientState.CONNECTING, ClientState.CONNECTED, False),
        (ClientState.CONNECTING, ClientState.FAILED, False),  # `connect` raises the error
        (ClientState.CONNECTED, ClientState.RECONNECTING, True),
        (ClientState.CONNECTED, ClientState.FAILED, True),
        (ClientState.RECONNECTING, ClientState.CONNECTED, False),
        (ClientState.RECONNECTING, ClientState.FAILED, True),
        (ClientState.CLOSING, ClientState.CLOSED, False),
    ],
)
def test_losses_are_warnings(before: ClientState, state: ClientState, warning: bool) -> None:
    assert is_loss(before, state) is warning
