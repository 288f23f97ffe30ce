"""The states of a session and the moves between them, as one table for both roles.

The table is the truth: `Session` makes no move that is not in it, and the diagram in the documentation is
drawn from it (`diagram`).
"""

from __future__ import annotations

import enum

from stomp.core.errors import NotConnected


class Role(enum.Enum):
    """Which end of the connection a session is."""

    __hash__ = object.__hash__  # that of an enumeration is a call, at each look into the table

    CLIENT = "client"
    SERVER = "server"


class State(enum.Enum):
    """How far a session has come."""

    __hash__ = object.__hash__

    IDLE = "idle"  #: nothing was sent or received
    CONNECTING = "connecting"  #: CONNECT is on its way, CONNECTED has not come
    CONNECTED = "connected"  #: frames flow
    DISCONNECTING = "disconnecting"  #: the client said DISCONNECT
    CLOSED = "closed"  #: over


class Transition(enum.Enum):
    """What can happen to a session."""

    __hash__ = object.__hash__

    CONNECT = "CONNECT"
    CONNECTED = "CONNECTED"
    FRAME = "frame"  #: any other frame of the client
    DELIVERY = "MESSAGE, RECEIPT"  #: any frame of the server but CONNECTED and ERROR
    ERROR = "ERROR"
    DISCONNECT = "DISCONNECT"
    END = "end of connection"


_IDLE, _CONNECTING, _CONNECTED, _DISCONNECTING, _CLOSED = State

#: (state, move) -> next state, where both roles agree.
_SHARED = {
    (_IDLE, Transition.CONNECT): _CONNECTING,
    (_CONNECTING, Transition.CONNECTED): _CONNECTED,
    # Frames that the client sends early are held back until CONNECTED, by the client or else by the server.
    (_CONNECTING, Transition.FRAME): _CONNECTING,
    (_CONNECTING, Transition.ERROR): _CLOSED,
    (_CONNECTED, Transition.FRAME): _CONNECTED,
    (_CONNECTED, Transition.DELIVERY): _CONNECTED,
    (_CONNECTED, Transition.DISCONNECT): _DISCONNECTING,
    (_DISCONNECTING, Transition.DELIVERY): _DISCONNECTING,
    (_IDLE, Transition.END): _CLOSED,
    (_CONNECTING, Transition.END): _CLOSED,
    (_CONNECTED, Transition.END): _CLOSED,
    (_DISCONNECTING, Transition.END): _CLOSED,
}

#: (role, state, move) -> next state. A move that is not here is an error of whoever made it.
TRANSITIONS: dict[tuple[Role, State, Transition], State] = {
    **{(role, state, move): after for (state, move), after in _SHARED.items() for role in Role},
    # Brokers answer an unsuitable first frame by ERROR.
    (Role.SERVER, _IDLE, Transition.ERROR): _CLOSED,
    (Role.CLIENT, _IDLE, Transition.ERROR): _CLOSED,
    # Leaving before CONNECTED came is allowed: the DISCONNECT is held back like any early frame.
    (Role.CLIENT, _CONNECTING, Transition.DISCONNECT): _CONNECTING,
    # A server that sends ERROR closes (STOMP 1.2, "ERROR"); clients meet brokers that do not.
    (Role.SERVER, _CONNECTED, Transition.ERROR): _CLOSED,
    (Role.SERVER, _DISCONNECTING, Transition.ERROR): _CLOSED,
    (Role.CLIENT, _CONNECTED, Transition.ERROR): _CONNECTED,
    (Role.CLIENT, _DISCONNECTING, Transition.ERROR): _DISCONNECTING,
}


def after(role: Role, state: State, move: Transition) -> State:
    """The state that a move leads to.

    Raises:
        NotConnected: the move is not possible in this state.
    """
    target = TRANSITIONS.get((role, state, move))
    if target is None:
        raise NotConnected(f"{move.value} is not possible while {state.value}", hint=_HINTS.get(state, ""))
    return target


_HINTS = {
    State.IDLE: "connect first",
    State.DISCONNECTING: "nothing may be sent after DISCONNECT",
    State.CLOSED: "connect again",
}


def diagram(role: Role) -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    edges: dict[tuple[State, State], list[str]] = {}
    for (whose, state, move), target in TRANSITIONS.items():
        if whose is role:
            edges.setdefault((state, target), []).append(move.value)
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [f"    {a.value} --> {b.value}: {' / '.join(moves)}" for (a, b), moves in edges.items()]
    return "\n".join([*lines, "    closed --> [*]"])
