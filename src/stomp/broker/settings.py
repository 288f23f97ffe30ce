"""The settings of a broker, and the information that it returns about its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stomp.broker.dialects.dialect import Dialect
from stomp.broker.origin import OriginPolicy
from stomp.broker.store import Policy
from stomp.core.frames.limits import Limits
from stomp.core.session.heartbeat import TOLERANCE
from stomp.net.address import Address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from stomp.broker.permissions import Permissions

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
    users: Mapping[str, str | None] | None = field(default=None, repr=False)
    permissions: Mapping[str, Permissions] = field(default_factory=dict[str, "Permissions"])
    user_from_certificate: bool = False
    heartbeat: tuple[int, int] | None = None
    limits: Limits = LIMITS
    policy: Policy = field(default_factory=Policy)
    ssl_context: ssl.SSLContext | None = None
    versions: tuple[str, ...] = ("1.0", "1.1", "1.2")
    connect_timeout: float = 10.0
    tolerance: float = TOLERANCE
    dialect: Dialect = field(default_factory=Dialect)
    origins: OriginPolicy = field(default_factory=OriginPolicy)
    store: str | None = None


@dataclass(frozen=True)
class MessageInfo:
    """A message of a destination at the time of the call.

    Attributes:
        destination: the destination that it was sent to.
        headers: the headers of its sender.
        body: the body.
        redelivered: it was delivered before, and returned.
        waiting: no consumer has it; False if it is delivered and not acknowledged.
        number: identifies the message in its broker.
        refusals: how often it was refused by NACK.
        expires: expiry time in seconds since 1970; None if it does not expire.
    """

    destination: str
    headers: Mapping[str, str]
    body: bytes
    redelivered: bool
    waiting: bool
    number: int = 0
    refusals: int = 0
    expires: float | None = None


@dataclass(frozen=True)
class ConnectionInfo:
    """The state of one connection at the time of the call.

    Attributes:
        number: the number of the connection, counted from 1.
        peer: the client's address as text.
        login: the login; None if the client gave none, or has not logged in yet.
        version: the STOMP version; None before it is negotiated.
        subscriptions: number of subscriptions.
        heartbeat: milliseconds between the heart-beats that the broker sends, and that it expects; 0 for none.
        client_id: the ``client-id`` of its CONNECT, or None.
        client_name: what the client calls itself (``user-agent``, of CONNECT or of the WebSocket), or None.
        connected_at: seconds since 1970.
        frames_received: number of frames that the broker has received.
        frames_sent: number of frames that the broker has sent.
        bytes_received: number of bytes that the broker has received.
        bytes_sent: number of bytes that the broker has sent.
        unacknowledged: number of messages that it has and has not settled.
    """

    number: int
    peer: str
    login: str | None
    version: str | None
    subscriptions: int
    heartbeat: tuple[int, int] = (0, 0)
    client_id: str | None = None
    client_name: str | None = None
    connected_at: float = 0.0
    frames_received: int = 0
    frames_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    unacknowledged: int = 0


@dataclass(frozen=True)
class ConsumerInfo:
    """The state of one subscription at the time of the call.

    Attributes:
        connection: the number of its connection.
        key: the ``id`` of its SUBSCRIBE; without one (STOMP 1.0) the destination.
        destination: the destination.
        ack: "auto", "client" or "client-individual".
        prefetch: maximum number of unacknowledged messages.
        unacknowledged: number of messages that are delivered and not settled.
        waiting: number of messages that wait for this subscription, for a topic; for a queue, 0.
        selector: the text of the selector, or None.
        durable: True for a durable subscription.
        stalled: True if the broker delivers no messages to it, because an operator has asked for that.
    """

    connection: int
    key: str
    destination: str
    ack: str
    prefetch: int
    unacknowledged: int
    waiting: int
    selector: str | None
    durable: bool
    stalled: bool
