"""What a broker can be told, and what it tells about its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stomp.broker.store import Policy
from stomp.core.frames.limits import Limits
from stomp.core.session.heartbeat import TOLERANCE
from stomp.net.address import Address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

#: What a client may make the broker hold, unless told otherwise: bodies of 16 MiB. Heads are a little smaller than
#: what clients take by default, and lines much shorter: a MESSAGE has headers that its SEND had not, and for another
#: version they may have to be escaped; it must not be too large for them then.
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
    """How a broker meets its clients. See `stomp.broker.Broker` for what each field means."""

    listen: tuple[Address, ...] = (Address("127.0.0.1", 0),)
    users: Mapping[str, str] | None = field(default=None, repr=False)
    heartbeat: tuple[int, int] = (10_000, 10_000)
    limits: Limits = LIMITS
    policy: Policy = field(default_factory=Policy)
    ssl_context: ssl.SSLContext | None = None
    versions: tuple[str, ...] = ("1.0", "1.1", "1.2")
    connect_timeout: float = 10.0
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class ConnectionInfo:
    """One connection, as it was when asked for.

    Attributes:
        number: counts connections from 1.
        peer: the client's address as text.
        login: who it is; None if it did not say, or is not let in yet.
        version: the STOMP version; None before it is agreed on.
        subscriptions: how many it has.
    """

    number: int
    peer: str
    login: str | None
    version: str | None
    subscriptions: int
