"""One connection of a conversation, and what belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stomp.core.engine.broker_profiles import GENERIC, BrokerProfile
from stomp.core.engine.effects import Link, Signal

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage
    from stomp.core.errors import StompError


class BrokerConnection:
    """One connection of a conversation.

    Attributes:
        generation: its number, counted from 1.
        link: its link.
        address: where it goes.
        connected: the broker has let us in.
        since: when the broker sent CONNECTED, on the driver's clock.
        has_progress: a message was delivered that needs no ACK, or a transaction was committed.
        confirmed_before: how many sends of the client were confirmed before this connection.
        vendor: the kind of broker.
        inflated: what a body may become when it is inflated.
        owner: the client.
        parting: why the client itself ends it, to connect again; "" if it does not.
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
        "parting",
        "since",
        "vendor",
    )

    def __init__(self, link: Link, address: Any, max_decompressed_size: int, owner: Any) -> None:
        self.generation: int = link.session.generation
        self.link: Link = link
        self.address: Any = address
        self.connected: bool = False
        self.since: float = 0.0
        self.has_progress: bool = False
        self.confirmed_before: int = 0
        self.vendor: BrokerProfile = GENERIC
        self.max_decompressed_size: int = max_decompressed_size
        self.owner: Any = owner
        self.parting: str = ""


class PendingReply(Signal):
    """A request of the user's that waits for its reply."""

    __slots__ = ("error", "message")

    def __init__(self) -> None:
        super().__init__()
        self.message: BaseMessage | None = None
        self.error: StompError | None = None

    @property
    def done(self) -> bool:
        """True when it is answered, or cannot be any more."""
        return self.message is not None or self.error is not None
