"""What a client wants from its broker: everything that `stomp.Client` is told and that is not about sockets."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stomp.core.engine.broker_profiles import BrokerProfile, profile_for_server
from stomp.core.engine.failover import Backoff
from stomp.core.engine.message import INFLATED
from stomp.core.structs import dataclass, field

if TYPE_CHECKING:
    from stomp.core.engine.hooks import Hooks

#: A credential: a text, or a function that returns one and is asked at each connect.
Credential = str | Callable[[], Any] | None
#: Headers: a mapping, or a function that returns one and is asked at each connect.
ConnectHeaders = Mapping[str, Any] | Callable[[], Any] | None


class OnUnknown(enum.Enum):
    """What to do with a confirmed send whose connection is lost before the answer."""

    RAISE = "raise"  #: tell the sender that the outcome is unknown
    RESEND = "resend"  #: send it again on the next connection, marked, until it is confirmed: at least once


#: Nobody can change it, so one will do.
_BACKOFF = Backoff(initial=0.1, increase=1.0, jitter=0.5, maximum=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """See the module. Times are seconds.

    Attributes:
        addresses: the brokers, most wanted first.
        login: the user.
        passcode: the password.
        vhost: the ``host`` header. "/" suits every broker seen: RabbitMQ's default virtual host has this name, and the
            others take any.
        client_id: the ``client-id`` header, which both ActiveMQs want for durable subscriptions.
        headers: further headers of CONNECT.
        heartbeat: milliseconds between the beats that we can send, and that we want; 0 for none.
        versions: the STOMP versions to offer.
        vendor: the kind of broker; None to find out.
        timeout: how long anything is waited for unless the call says otherwise.
        connect_timeout: for the broker's CONNECTED.
        attempts: rounds over all addresses of the first connect.
        reconnect: connect again when the connection is lost.
        reattempts: rounds over all addresses of a reconnect; -1 for no limit.
        backoff: the waits between rounds.
        max_losses: a SUBSCRIBE, or a SEND that is to be sent again, is given up after this many connections in a row
            that were lost after it; -1 for no limit.
        shuffle: try the addresses in random order.
        on_unknown: what to do with confirmed sends whose outcome is unknown.
        window: confirmed sends that may wait for their answers.
        window_bytes: bytes of their bodies.
        inflated: what a body may become when it is inflated.
        high_water: about how many bytes of messages may wait to be taken; then reading stops.
        recorded: how many of the last frames are kept for error reports.
        hooks: who is told what happens.
        nonce: a text that no other client has, for names that must be unique.
    """

    addresses: tuple[Any, ...] = ()
    login: Credential = None
    passcode: Credential = field(default=None, repr=False)
    vhost: str | None = "/"
    client_id: str | None = None
    headers: ConnectHeaders = field(default=None, repr=False)
    heartbeat: tuple[int, int] = (10_000, 10_000)
    versions: tuple[str, ...] = ("1.0", "1.1", "1.2")
    vendor: BrokerProfile | None = None
    timeout: float = 30.0
    connect_timeout: float = 30.0
    attempts: float = 3
    reconnect: bool = True
    reattempts: float = 60
    max_losses: int = 5
    backoff: Backoff = _BACKOFF
    shuffle: bool = False
    on_unknown: OnUnknown = OnUnknown.RAISE
    window: int = 1000
    window_bytes: int = 16 * 1024 * 1024
    max_decompressed_size: int = INFLATED
    high_water: int = 16 * 1024 * 1024
    recorded: int = 32
    hooks: tuple[Hooks, ...] = ()
    nonce: str = "0"

    def error_ends(self, server: str | None) -> bool:
        """True if the broker with this ``server`` header ends a connection by an ERROR (STOMP 1.2, "ERROR")."""
        # Only a broker that is known to go on is sent more: what another one does not read any more is lost.
        return (self.vendor or profile_for_server(server)).error_ends is not False
