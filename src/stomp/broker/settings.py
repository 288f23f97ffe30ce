"""The settings of a broker, and the information that it returns about its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stomp.broker.origin import OriginPolicy
from stomp.broker.store import Policy
from stomp.core.frames.limits import Limits
from stomp.core.session.heartbeat import TOLERANCE
from stomp.net.address import Address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

#: Default limits for frames from clients: bodies of 16 MiB. The limit for a header block is a little smaller than the
#: default of clients, and that for a header line much smaller: the broker adds headers to a MESSAGE and may have to
#: escape them for another STOMP version, and the result must not exceed the limits of the receiving client.
LIMITS = Limits(
    frame=17 * 1024 * 1024,
    body=16 * 1024 * 1024,
    head=1_000_000,
    header_line=64 * 1024,
    headers=4000,
    early_frames=10_000,
)


@dataclass(frozen=True)
class Settings:
    """The settings of a broker. The fields are described at `stomp.broker.Broker`."""

    listen: tuple[Address, ...] = (Address("127.0.0.1", 0),)
    users: Mapping[str, str] | None = field(default=None, repr=False)
    heartbeat: tuple[int, int] | None = None
    limits: Limits = LIMITS
    policy: Policy = field(default_factory=Policy)
    ssl_context: ssl.SSLContext | None = None
    versions: tuple[str, ...] = ("1.0", "1.1", "1.2")
    connect_timeout: float = 10.0
    tolerance: float = TOLERANCE
    origins: OriginPolicy = field(default_factory=OriginPolicy)


@dataclass(frozen=True)
class MessageInfo:
    """A message of a destination at the time of the call.

    Attributes:
        destination: the destination that it was sent to.
        headers: the headers of its sender.
        body: the body.
        redelivered: it was delivered before, and returned.
        waiting: no consumer has it; False if it is delivered and not acknowledged.
    """

    destination: str
    headers: Mapping[str, str]
    body: bytes
    redelivered: bool
    waiting: bool


@dataclass(frozen=True)
class ConnectionInfo:
    """The state of one connection at the time of the call.

    Attributes:
        number: the number of the connection, counted from 1.
        peer: the client's address as text.
        login: the login; None if the client gave none, or has not logged in yet.
        version: the STOMP version; None before it is negotiated.
        subscriptions: number of subscriptions.
    """

    number: int
    peer: str
    login: str | None
    version: str | None
    subscriptions: int
