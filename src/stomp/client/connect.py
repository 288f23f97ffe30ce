"""From a list of addresses to one open stream: the pure policy of `stomp.core.engine.failover`, carried out.

Asyncio has its own way of waiting; what both drivers share is `TlsSettings` and the order of things: socket,
keep-alive, TLS handshake, the caller's own check of the certificate, WebSocket handshake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from stomp.client.logging import connections as log
from stomp.core.callables import check_result
from stomp.core.engine.failover import Exhausted, Failover
from stomp.core.engine.losses import STABLE_AFTER
from stomp.core.errors import ConnectFailed
from stomp.core.session.events import Reason
from stomp.core.structs import dataclass, field
from stomp.net.dial import Deadline, keep_alive, open_by, open_socket, open_via_proxy, tls_handshake
from stomp.net.layer import StackedLayer
from stomp.net.serving import check_not_served_here

if TYPE_CHECKING:
    import socket
    import ssl

    from stomp.client.options import Options
    from stomp.core.session.client import ClientSession
    from stomp.net.address import Address
    from stomp.net.layer import Layer
    from stomp.net.tls import TlsLayer
    from stomp.net.websocket import WebSocketLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How to do TLS with one broker.

    Attributes:
        ca_certs: the authorities to trust, a PEM file; the system's if None.
        cert_file: the client's certificate, a PEM file.
        key_file: its key, where that is not in the same file.
        password: of the key.
        verify: False accepts any certificate.
        context: to use in place of all the above.
        validator: called with the broker's certificate and host name after the handshake; returns (accepted,
            reason if not).
    """

    ca_certs: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    password: Any = field(default=None, repr=False)
    verify: bool = True
    context: ssl.SSLContext | None = None
    validator: Callable[[Any, str], tuple[bool, str]] | None = None

    def layer(self, host: str) -> TlsLayer:
        """A new layer for a connection to this host.

        Raises:
            UsageError: a file cannot be used.
        """
        # Imported here: a connection without TLS does without the ssl module.
        from stomp.net.tls import TlsLayer, client_context

        context = self.context or client_context(
            ca_certs=self.ca_certs,
            cert_file=self.cert_file or self.key_file,
            key_file=self.key_file,
            password=self.password,
            verify=self.verify,
        )
        return TlsLayer(context, host)


class Stream(NamedTuple):
    """An open connection: the socket, and the layer that is on it."""

    sock: socket.socket
    layer: Layer | None


#: Called with (host, port), the timeout in seconds, and the (host, port) to connect from if there is one; returns a
#: connected socket. `socket.create_connection` is one.
Connect = Callable[..., "socket.socket"]


def open_stream(
    address: Address, options: Options, tls: TlsSettings | None, connect: Connect | None = None
) -> Stream:
    """Connect to one address.

    Args:
        address: where to. If its transport is "tls" or "wss", there is TLS with or without settings.
        options: the settings.
        tls: how to do TLS; None for not doing it, or with the authorities of the system.
        connect: opens TCP connections, where no proxy is asked for; None for `stomp.net.dial`.

    Raises:
        ConnectFailed: it did not work; says in which phase.
        UsageError: the settings for TLS, the WebSocket or the proxy cannot be used.
    """
    if tls is None and address.transport in ("tls", "wss"):
        tls = TlsSettings()
    # Settings that cannot work are the caller's mistake, and no reason to bother the broker.
    secure = tls.layer(address.host) if tls is not None else None
    web: WebSocketLayer | None = None
    if address.transport in ("ws", "wss"):
        from stomp.net.websocket import WebSocketLayer

        web = WebSocketLayer(address, options.websocket, options.limits)
    sock = _open_socket(address, options, connect)
    try:
        apply_socket_options(sock, options)
        check_not_served_here(sock)
        if tls is not None and secure is not None:
            tls_handshake(sock, secure, address, Deadline(options.connect_timeout))
            _validate(secure, tls, address)
        if web is not None:
            from stomp.net.websocket import open_websocket

            open_websocket(sock, web, secure, address, Deadline(options.connect_timeout))
    except BaseException:
        sock.close()
        raise
    if web is None:
        return Stream(sock, secure)
    return Stream(sock, StackedLayer(secure, web) if secure is not None else web)


def apply_socket_options(sock: socket.socket, options: Options) -> None:
    """Set what the options want of a connected socket."""
    if complaint := keep_alive(sock, options.keepalive):
        log.warning("%s", complaint)


def _open_socket(address: Address, options: Options, connect: Connect | None) -> socket.socket:
    deadline = Deadline(options.connect_timeout)
    if connect is not None and not options.proxy and address.transport != "unix":
        return open_by(connect, address, options.connect_timeout, bind=options.bind)
    # A Unix socket is on this machine: no proxy leads there.
    if not options.proxy or address.transport == "unix":
        return open_socket(address, deadline, bind=options.bind)
    from stomp.net.proxy import parse_proxy

    return open_via_proxy(parse_proxy(options.proxy), address, deadline, bind=options.bind)


def _validate(layer: TlsLayer, tls: TlsSettings, address: Address) -> None:
    """Ask the caller what he thinks of the broker's certificate."""
    if tls.validator is None:
        return
    verdict = tls.validator(layer.peer_certificate(), address.host)
    accepted, reason = check_result("the validator of TLS certificates", verdict)
    if not accepted:
        raise ConnectFailed(
            f"TLS with {address} failed: certificate not accepted: {reason}",
            address=str(address),
            phase="tls",
        )


class ConnectHistory:
    """The connections of a transport in a row, so that `dial_any` waits after one that was lost at once.

    See `stomp.core.engine.losses.is_stable` for which connections are stable.

    Attributes:
        rounds: how many rounds of attempts there were since the last stable connection.
        received: a message was received on this connection.
        confirmed: a SEND was confirmed on this connection.
    """

    def __init__(self) -> None:
        self.rounds = 0
        self.received = self.confirmed = False
        self._policy: Failover[Address] | None = None
        self._since: float | None = None
        self._ended = 0.0

    def connected(self, now: float) -> None:
        """The broker sent CONNECTED."""
        self._since = now

    def ended(self, session: ClientSession, now: float) -> None:
        """The connection is over."""
        closed, since = session.closed, self._since
        ours = closed is not None and closed.reason in (Reason.CLEAN, Reason.ABORTED)
        automatic = any(not each.acknowledges for each in session.ledger.subscriptions.values())
        progress = self.confirmed or session.has_acked or (self.received and automatic)
        if ours or (since is not None and (progress or now - since >= STABLE_AFTER)):
            self.rounds = 0
        if not self.rounds or (closed is not None and closed.reason is Reason.REFUSED):
            self._policy = None  # begin with the first address
        self.received = self.confirmed = False
        self._since, self._ended = None, now

    def policy(self, addresses: Sequence[Address], options: Options) -> Failover[Address]:
        """What decides on the next series of attempts."""
        policy, rounds = self._policy, self.rounds
        # Until `opened` they are forgotten: attempts that fail are not a connection.
        self._policy, self.rounds = None, 0
        if policy is not None and policy.has_addresses(addresses):
            policy.go_on()
            return policy
        return Failover(
            addresses,
            backoff=options.backoff,
            attempts=options.attempts,
            shuffle=options.shuffle,
            dice=options.dice,
            earlier=rounds,
        )

    def opened(self, policy: Failover[Address]) -> None:
        """There is a connection, and the broker is about to be asked to log in."""
        self._policy, self.rounds = policy, policy.rounds

    def left_to_wait(self, seconds: float, now: float) -> float:
        """How much is left of a wait that began at the end of the last connection."""
        return max(0.0, self._ended + seconds - now)


def dial_any(
    addresses: Sequence[Address],
    options: Options,
    tls_for: Callable[[Address], TlsSettings | None],
    stopped: Callable[[float], bool],
    history: ConnectHistory,
    connect: Connect | None = None,
) -> tuple[Address, Stream]:
    """Connect to the first address that answers, as often as the options allow.

    After a connection that was not stable, the first round waits as if it were the one after those before.

    Args:
        addresses: most wanted first.
        options: how often, and how long to wait in between.
        tls_for: the TLS settings of an address, None for none.
        stopped: waits so many seconds; True if nobody wants the connection any more.
        history: the connections before.
        connect: see `open_stream`.

    Raises:
        ConnectFailed: none did; `failures` has an error for each try.
        UsageError: the settings for TLS, the WebSocket or the proxy cannot be used.
    """
    policy = history.policy(addresses, options)
    failures: list[ConnectFailed] = []
    while True:
        step = policy.next(failures[-1] if failures else None)
        if isinstance(step, Exhausted):
            raise _all_failed(step.why, failures)
        # A program that has waited by itself since the last connection need not wait once more.
        wait = step.after if failures else history.left_to_wait(step.after, options.clock())
        if stopped(wait):
            raise _all_failed("stopped", failures)
        try:
            stream = open_stream(step.address, options, tls_for(step.address), connect)
            history.opened(policy)
            return step.address, stream
        except ConnectFailed as err:
            failures.append(err)
            log.warning(
                "could not connect to host %s, port %s: %s", step.address.host, step.address.port, err.message
            )


def _all_failed(why: str, failures: list[ConnectFailed]) -> ConnectFailed:
    if not failures:
        return ConnectFailed(f"no connection: {why}")
    last = failures[-1]
    return ConnectFailed(
        f"{last.message}; {why}", address=last.address, phase=last.phase, failures=failures, hint=last.hint
    )
