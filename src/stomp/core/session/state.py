"""The states of a session and the transitions between them: one table for both roles.

Rules of this file: `Session` makes no transition that is not in the table, and the state diagrams in the documentation
are generated from it (`diagram`).
"""

from __future__ import annotations

import enum

from stomp.core.errors import NotConnected


class Role(enum.Enum):
    """The end of the connection that a session implements."""

    __hash__ = object.__hash__  # Enum.__hash__ is a Python call, and each look-up in the table needs a hash

    CLIENT = "client"
    SERVER = "server"


class State(enum.Enum):
    """The state of a session."""

    __hash__ = object.__hash__

    IDLE = "idle"  #: no frame was sent or received
    CONNECTING = "connecting"  #: after CONNECT and before CONNECTED
    CONNECTED = "connected"  #: all frames may be sent
    DISCONNECTING = "disconnecting"  #: the client sent DISCONNECT
    CLOSED = "closed"  #: the session has ended


class Transition(enum.Enum):
    """The causes of a change of state."""

    __hash__ = object.__hash__

    CONNECT = "CONNECT"
    CONNECTED = "CONNECTED"
    FRAME = "frame"  #: any frame of the client except CONNECT, STOMP and DISCONNECT
    DELIVERY = "MESSAGE, RECEIPT"  #: any frame of the server except CONNECTED and ERROR
    ERROR = "ERROR"
    DISCONNECT = "DISCONNECT"
    END = "end of connection"


_IDLE, _CONNECTING, _CONNECTED, _DISCONNECTING, _CLOSED = State

#: (state, transition) -> next state, for both roles.
_SHARED = {
    (_IDLE, Transition.CONNECT): _CONNECTING,
    (_CONNECTING, Transition.CONNECTED): _CONNECTED,
    # Frames that the client sends before CONNECTED are queued until then, by `ClientSession` or by `ServerSession`.
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

#: (role, state, transition) -> next state. Any other transition is an error of the side that causes it.
TRANSITIONS: dict[tuple[Role, State, Transition], State] = {
    **{(role, state, move): after for (state, move), after in _SHARED.items() for role in Role},
    # Brokers answer an invalid first frame with ERROR.
    (Role.SERVER, _IDLE, Transition.ERROR): _CLOSED,
    (Role.CLIENT, _IDLE, Transition.ERROR): _CLOSED,
    # A client may send DISCONNECT before CONNECTED: it is queued like any other early frame.
    (Role.CLIENT, _CONNECTING, Transition.DISCONNECT): _CONNECTING,
    # A server closes the connection after ERROR (STOMP 1.2, "ERROR"), but some brokers do not.
    (Role.SERVER, _CONNECTED, Transition.ERROR): _CLOSED,
    (Role.SERVER, _DISCONNECTING, Transition.ERROR): _CLOSED,
    (Role.CLIENT, _CONNECTED, Transition.ERROR): _CONNECTED,
    (Role.CLIENT, _DISCONNECTING, Transition.ERROR): _DISCONNECTING,
}


def after(role: Role, state: State, move: Transition) -> State:
    """Return the state after a transition.

    Raises:
        NotConnected: the transition is not possible in this state.
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
    """Return the table as a Mermaid state diagram, for the documentation."""
    edges: dict[tuple[State, State], list[str]] = {}
    for (whose, state, move), target in TRANSITIONS.items():
        if whose is role:
            edges.setdefault((state, target), []).append(move.value)
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [f"    {a.value} --> {b.value}: {' / '.join(moves)}" for (a, b), moves in edges.items()]
    return "\n".join([*lines, "    closed --> [*]"])
