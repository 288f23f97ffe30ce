"""Opens connections: sockets with their TLS and WebSocket layers, and failover over several addresses.

Rules of this file: the policy of failover, without I/O, is `stomp.core.engine.failover`. The steps of a connection are
in this order: socket, keep-alive, TLS handshake, the user's validator of the certificate, WebSocket handshake.
`stomp.client.aio.connect` uses this module on a thread for everything but plain TCP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from stomp.client.logging import connections as log
from stomp.core.callables import check_result
from stomp.core.engine.failover import Exhausted, Failover
from stomp.core.engine.losses import STABLE_AFTER
from stomp.core.errors import ConnectFailed
from stomp.core.session.events import Reason
from stomp.net.dial import Deadline, open_by, open_socket, open_via_proxy, set_keepalive, tls_handshake
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
    """TLS settings for one broker.

    Attributes:
        ca_certs: a PEM file with the certificate authorities to trust; None: those of the system.
        cert_file: a PEM file with the client's certificate.
        key_file: a PEM file with the key of the certificate, if it is not in `cert_file`.
        password: the password of the key.
        verify: False accepts any certificate.
        context: an `ssl.SSLContext` to use instead of all of the above.
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
        """Create a layer for a connection to this host.

        Raises:
            UsageError: a file cannot be used.
        """
        # Imported here, so that connections without TLS do not load the ssl module.
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
    """An open connection: the socket and its layer."""

    sock: socket.socket
    layer: Layer | None


#: A function such as `socket.create_connection`: called with (host, port), the timeout in seconds, and the (host, port)
#: to bind to if there is one. Returns a connected socket.
Connect = Callable[..., "socket.socket"]


def open_stream(
    address: Address, options: Options, tls: TlsSettings | None, connect: Connect | None = None
) -> Stream:
    """Connect to one address.

    Args:
        address: the address. With the transports "tls" and "wss", TLS is used with or without settings.
        options: the settings.
        tls: the TLS settings. None: no TLS, or for "tls" and "wss" the default settings.
        connect: opens TCP connections that use no proxy; None: `stomp.net.dial`.

    Raises:
        ConnectFailed: connecting failed; `phase` is the step.
        UsageError: the settings for TLS, the WebSocket or the proxy cannot be used.
    """
    if tls is None and address.transport in ("tls", "wss"):
        tls = TlsSettings()
    # Created before connecting: settings that cannot work are the caller's mistake, so do not contact the broker.
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
    """Apply the options to a connected socket."""
    if complaint := set_keepalive(sock, options.keepalive):
        log.warning("%s", complaint)


def _open_socket(address: Address, options: Options, connect: Connect | None) -> socket.socket:
    deadline = Deadline(options.connect_timeout)
    if connect is not None and not options.proxy and address.transport != "unix":
        return open_by(connect, address, options.connect_timeout, bind=options.bind)
    # A Unix socket is local and cannot be reached through a proxy.
    if not options.proxy or address.transport == "unix":
        return open_socket(address, deadline, bind=options.bind)
    from stomp.net.proxy import parse_proxy

    return open_via_proxy(parse_proxy(options.proxy), address, deadline, bind=options.bind)


def _validate(layer: TlsLayer, tls: TlsSettings, address: Address) -> None:
    """Call the user's validator with the broker's certificate."""
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
    """The history of a transport's connections, so that `dial_any` delays the next one after an unstable one.

    See `stomp.core.engine.losses.is_stable` for which connections are stable.

    Attributes:
        rounds: how many rounds of attempts were made since the last stable connection.
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
        """The connection has ended."""
        closed, since = session.closed, self._since
        ours = closed is not None and closed.reason in (Reason.CLEAN, Reason.ABORTED)
        automatic = any(not each.acknowledges for each in session.ledger.subscriptions.values())
        progress = self.confirmed or session.has_acked or (self.received and automatic)
        if ours or (since is not None and (progress or now - since >= STABLE_AFTER)):
            self.rounds = 0
        if not self.rounds or (closed is not None and closed.reason is Reason.REFUSED):
            self._policy = None  # start with the first address
        self.received = self.confirmed = False
        self._since, self._ended = None, now

    def policy(self, addresses: Sequence[Address], options: Options) -> Failover[Address]:
        """The failover policy for the next series of attempts."""
        policy, rounds = self._policy, self.rounds
        # Reset until `opened`: failed attempts are not a connection.
        self._policy, self.rounds = None, 0
        if policy is not None and policy.has_addresses(addresses):
            policy.go_on()
            return policy
        return Failover(
            addresses,
            backoff=options.backoff,
            attempts=options.attempts,
            shuffle=options.shuffle,
            random=options.random,
            earlier=rounds,
        )

    def opened(self, policy: Failover[Address]) -> None:
        """A connection is open; CONNECT is sent next."""
        self._policy, self.rounds = policy, policy.rounds

    def left_to_wait(self, seconds: float, now: float) -> float:
        """How many seconds are left of a delay that started at the end of the last connection."""
        return max(0.0, self._ended + seconds - now)


def dial_any(
    addresses: Sequence[Address],
    options: Options,
    tls_for: Callable[[Address], TlsSettings | None],
    stopped: Callable[[float], bool],
    history: ConnectHistory,
    connect: Connect | None = None,
) -> tuple[Address, Stream]:
    """Connect to the first address that accepts the connection, with as many rounds as the options allow.

    After a connection that was not stable, the first round is delayed as if it followed the rounds before it.

    Args:
        addresses: the addresses in order of preference.
        options: the number of rounds and the delays between them.
        tls_for: returns the TLS settings of an address, or None.
        stopped: waits this many seconds; returns True if connecting was cancelled.
        history: the previous connections.
        connect: see `open_stream`.

    Raises:
        ConnectFailed: no address accepted; `failures` has an error for each attempt.
        UsageError: the settings for TLS, the WebSocket or the proxy cannot be used.
    """
    policy = history.policy(addresses, options)
    failures: list[ConnectFailed] = []
    while True:
        step = policy.next(failures[-1] if failures else None)
        if isinstance(step, Exhausted):
            raise _all_failed(step, failures)
        # Time that has passed since the last connection counts as part of the delay.
        wait = step.after if failures else history.left_to_wait(step.after, options.clock())
        if stopped(wait):
            raise _all_failed(Exhausted("stopped"), failures)
        try:
            stream = open_stream(step.address, options, tls_for(step.address), connect)
            history.opened(policy)
            return step.address, stream
        except ConnectFailed as err:
            failures.append(err)
            log.warning(
                "could not connect to host %s, port %s: %s", step.address.host, step.address.port, err.message
            )


def _all_failed(end: Exhausted, failures: list[ConnectFailed]) -> ConnectFailed:
    if not failures:
        return ConnectFailed(f"no connection: {end.why}")
    last = failures[-1]
    return ConnectFailed(
        end.text_after(last.message),
        address=last.address,
        phase=last.phase,
        failures=failures,
        hint=last.hint,
    )
