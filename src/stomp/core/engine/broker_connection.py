"""`BrokerConnection`: one connection of a client, and the data that is dropped with it."""

from __future__ import annotations

from typing import Any

from stomp.core.engine.broker_profiles import GENERIC, BrokerProfile
from stomp.core.engine.effects import ClientLink


class BrokerConnection:
    """One connection of a client to a broker.

    Attributes:
        generation: the number of the connection, counted from 1.
        link: the link.
        address: the address of the broker.
        connected: CONNECTED was received.
        since: when CONNECTED was received, in seconds on the driver's clock.
        has_progress: a message that needs no ACK was delivered, or a transaction was committed.
        confirmed_before: how many sends of the client had been confirmed when this connection was made.
        profile: the profile of the broker; `GENERIC` until CONNECTED.
        max_decompressed_size: the largest size of a decompressed body, in bytes.
        owner: the client.
        reconnect_reason: why the client ends this connection in order to make a new one; "" if it does not.
    """

    __slots__ = (
        "address",
        "confirmed_before",
        "connected",
        "generation",
        "has_progress",
        "link",
        "max_decompressed_size",
        "owner",
        "profile",
        "reconnect_reason",
        "since",
    )

    def __init__(self, link: ClientLink, address: Any, max_decompressed_size: int, owner: object) -> None:
        self.generation: int = link.session.generation
        self.link: ClientLink = link
        self.address: Any = address
        self.connected: bool = False
        self.since: float = 0.0
        self.has_progress: bool = False
        self.confirmed_before: int = 0
        self.profile: BrokerProfile = GENERIC
        self.max_decompressed_size: int = max_decompressed_size
        self.owner: object = owner
        self.reconnect_reason: str = ""
