"""`BrokerConnection`: one connection of a client, and the data that is dropped with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stomp.core.engine.broker_profiles import GENERIC, BrokerProfile
from stomp.core.engine.effects import ClientLink


@dataclass(slots=True, eq=False, repr=False)
class BrokerConnection:
    """One connection of a client to a broker.

    Attributes:
        link: the link.
        address: the address of the broker.
        max_decompressed_size: the largest size of a decompressed body, in bytes.
        owner: the client.
        generation: the number of the connection, counted from 1.
        connected: CONNECTED was received.
        since: when CONNECTED was received, in seconds on the driver's clock.
        has_progress: a message that needs no ACK was delivered, or a transaction was committed.
        confirmed_before: how many sends of the client had been confirmed when this connection was made.
        profile: the profile of the broker; `GENERIC` until CONNECTED.
        reconnect_reason: why the client ends this connection in order to make a new one; "" if it does not.
    """

    link: ClientLink
    address: Any
    max_decompressed_size: int
    owner: object
    generation: int = field(init=False)
    connected: bool = False
    since: float = 0.0
    has_progress: bool = False
    confirmed_before: int = 0
    profile: BrokerProfile = GENERIC
    reconnect_reason: str = ""

    def __post_init__(self) -> None:
        self.generation = self.link.session.generation
