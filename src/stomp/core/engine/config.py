"""`ClientConfig`: the settings of `stomp.Client` and `stomp.AsyncClient` that do not concern sockets."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stomp.core.engine.broker_profiles import BrokerProfile, profile_for_server, web_message_check
from stomp.core.engine.failover import Backoff
from stomp.core.engine.message import INFLATED

if TYPE_CHECKING:
    from stomp.core.engine.hooks import Hooks

#: A credential: a string, or a function that returns one and is called at each attempt to connect.
Credential = str | Callable[[], Any] | None
#: Headers: a mapping, or a function that returns one and is called at each attempt to connect.
ConnectHeaders = Mapping[str, Any] | Callable[[], Any] | None


class OnUnknown(enum.Enum):
    """What to do with a confirmed send whose connection is lost before the answer."""

    RAISE = "raise"  #: report to the sender that the outcome is unknown
    RESEND = "resend"  #: send it again on the next connection, marked, until it is confirmed: at least once


#: Immutable, so all clients can share it.
_BACKOFF = Backoff(initial=0.1, increase=1.0, jitter=0.5, maximum=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """The settings of a client. Times are in seconds, except for `heartbeat`.

    Attributes:
        addresses: the addresses of the brokers, preferred first.
        login: the user.
        passcode: the password.
        vhost: the ``host`` header. "/" suits every broker seen: RabbitMQ's default virtual host has this
            name, and the others take any.
        client_id: the ``client-id`` header, which ActiveMQ and Artemis require for durable subscriptions.
        headers: further headers of CONNECT.
        heartbeat: milliseconds between heart-beats that the client can send, and that it wants; 0 for none.
        versions: the STOMP versions to offer.
        profile: the broker profile; None to choose it by the ``server`` header of CONNECTED.
        timeout: the default timeout of operations.
        connect_timeout: how long to wait for CONNECTED.
        attempts: attempts of the first connect; each tries all addresses.
        reconnect: connect again when the connection is lost.
        reattempts: attempts of a reconnect, each of all addresses; -1 for no limit.
        backoff: the waits between attempts.
        max_losses: a SUBSCRIBE, or a SEND that is to be sent again, is given up after this many connections
            in a row that were lost after it; -1 for no limit.
        shuffle: try the addresses in random order.
        on_unknown: what to do with confirmed sends whose outcome is unknown.
        window: maximum number of unanswered confirmed sends.
        window_bytes: maximum size of their bodies together.
        max_decompressed_size: maximum size of a body after decompression, in bytes.
        high_water: about how many bytes of messages may be queued for the program; then reading stops.
        recorded: how many of the last frames are kept for error reports.
        hooks: the hooks of the user, see `stomp.core.engine.hooks.Hooks`.
        nonce: a string that is unique to this client, for names that must be unique.
    """

    addresses: tuple[Any, ...] = ()
    login: Credential = None
    passcode: Credential = field(default=None, repr=False)
    vhost: str | None = "/"
    client_id: str | None = None
    headers: ConnectHeaders = field(default=None, repr=False)
    heartbeat: tuple[int, int] = (10_000, 10_000)
    versions: tuple[str, ...] = ("1.0", "1.1", "1.2")
    profile: BrokerProfile | None = None
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
        """Return True if an ERROR from the broker with this ``server`` header ends the connection.

        STOMP 1.2, "ERROR", demands that; some brokers keep the connection open.
        """
        # An unknown broker counts as one that ends it: frames that it does not read any more would be lost.
        return (self.profile or profile_for_server(server)).error_ends is not False

    def web_message_check(self, server: str | None) -> Callable[[bytes], None] | None:
        """Return the check for frames over a WebSocket to the broker with this ``server`` header, or None."""
        return web_message_check(server, self.profile)
