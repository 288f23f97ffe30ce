"""stomp.core.session.state"""

from itertools import product

import pytest

from stomp.core.errors import NotConnected
from stomp.core.session.state import TRANSITIONS, Role, State, Transition, after, diagram


@pytest.mark.parametrize(("role", "state", "move"), list(product(Role, State, Transition)))
def test_only_transitions_of_the_table_are_allowed(role: Role, state: State, move: Transition) -> None:
    target = TRANSITIONS.get((role, state, move))
    if target is not None:
        assert after(role, state, move) is target
    else:
        with pytest.raises(NotConnected, match=f"not possible while {state.value}"):
            after(role, state, move)


def test_nothing_leads_out_of_closed() -> None:
    assert [key for key in TRANSITIONS if key[1] is State.CLOSED] == []


@pytest.mark.parametrize(
    ("role", "state"), [pair for pair in product(Role, State) if pair[1] is not State.CLOSED]
)
def test_every_connection_can_end(role: Role, state: State) -> None:
    assert after(role, state, Transition.END) is State.CLOSED


def test_refusal_has_a_hint() -> None:
    with pytest.raises(NotConnected, match="connect first"):
        after(Role.CLIENT, State.IDLE, Transition.FRAME)
    with pytest.raises(NotConnected) as caught:
        after(Role.CLIENT, State.CONNECTED, Transition.CONNECTED)
    assert caught.value.hint == ""


@pytest.mark.parametrize("role", Role)
def test_the_diagram_shows_every_transition(role: Role) -> None:
    lines = diagram(role).splitlines()
    assert lines[0] == "stateDiagram-v2"
    shown = set()
    for line in lines[2:-1]:
        edge, moves = line.strip().split(": ")
        source, target = edge.split(" --> ")
        shown |= {(source, move, target) for move in moves.split(" / ")}
    assert shown == {
        (state.value, move.value, target.value)
        for (whose, state, move), target in TRANSITIONS.items()
        if whose is role
    }
