"""`Transport`, the network side of the listener API: it connects, owns the `Link`, and calls the listeners.

`conn.transport` is a `Transport`. Programs configure TLS and threads on it, and read the current address.
"""

from __future__ import annotations

import importlib.util
import operator
import os
import socket
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stomp import log
from stomp.classic import patches
from stomp.classic.base_transport import BaseTransport as BaseTransport
from stomp.classic.callbacks import NO_ON_SEND
from stomp.classic.deprecated import DeprecatedTransport, apply_deprecated_arguments
from stomp.classic.frames import ReceiptFrame
from stomp.classic.reexports import resolve_reexport
from stomp.client.connect import TlsSettings, dial_any
from stomp.client.options import options_of, start_daemon
from stomp.client.threads.link import Link
from stomp.client.threads.timer_thread import kind_of_threads
from stomp.core.callables import check_function, check_result
from stomp.core.connect_errors import login_failed
from stomp.core.engine.broker_profiles import error_surely_ends, web_message_check
from stomp.core.errors import ConnectFailed, NotConnected, StompError, UsageError
from stomp.core.frames.frame import text_of
from stomp.core.frames.limits import Lenient, Limits
from stomp.core.session.client import ClientSession
from stomp.core.session.events import Closed, Connected, Reason
from stomp.core.session.state import State
from stomp.net.address import Address, in_order, pairs_of, usable_pairs
from stomp.utils import Frame, default_create_thread, encode, is_eol_default

#: The default of stomp.py 9.0, for the signature only; the size of reads is not a setting.
_RECV_BYTES = 16384


class Transport(DeprecatedTransport, BaseTransport):
    """One broker connection at a time, to the first of `host_and_ports` that accepts it.

    Args:
        host_and_ports: (host, port) pairs to try in turn; localhost:61613 if None.
        prefer_localhost: try the pairs of this machine first.
        try_loopback_connect: for a pair with the host name of this machine, try 127.0.0.1 first.
        reconnect_sleep_initial: seconds to wait after the first round, and after a connection that was not stable.
        reconnect_sleep_increase: each delay is longer than the one before by this fraction.
        reconnect_sleep_jitter: up to this fraction is added to a delay at random.
        reconnect_sleep_max: the longest delay, in seconds.
        reconnect_attempts_max: how many rounds over all pairs; -1 for no limit.
        timeout: seconds for each of TCP, TLS and the broker's CONNECTED; not a timeout of idle connections. None: 30.
        keepalive: TCP keep-alive, see `stomp.net.dial.Keepalive`.
        vhost: the virtual host; the ``host`` header.
        auto_decode: message bodies are text (UTF-8); with False they are bytes.
        encoding, recv_bytes, is_eol_fc: not used; bodies and headers are UTF-8.
        bind_host_port: the local (host, port) to connect from.
        limits: limits on what the broker can make the client store; None: the defaults of `stomp.Limits`.
        lenient: how frames are read that break a rule of STOMP: True (the default), False or "trim", see
            `stomp.core.frames.limits.Leniency`.
        **older: constructor arguments of stomp.py 4, see `stomp.classic.deprecated`.
    """

    #: For `HeartbeatListener`, which does nothing on such a transport: the session sends the heart-beats.
    beats_by_itself = True

    def __init__(
        self,
        host_and_ports: Any = None,
        prefer_localhost: bool = True,
        try_loopback_connect: bool = True,
        reconnect_sleep_initial: float = 0.1,
        reconnect_sleep_increase: float = 0.5,
        reconnect_sleep_jitter: float = 0.1,
        reconnect_sleep_max: float = 60.0,
        reconnect_attempts_max: float = 3,
        timeout: float | None = None,
        keepalive: Any = None,
        vhost: str | None = None,
        auto_decode: bool = True,
        encoding: str | None = "utf-8",
        recv_bytes: int = _RECV_BYTES,
        is_eol_fc: Callable[[bytes], bool] = is_eol_default,
        bind_host_port: tuple[str, int] | None = None,
        *,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        **older: Any,
    ) -> None:
        super().__init__(auto_decode, encoding, is_eol_fc)
        self.vhost = vhost
        # Only `connect` rejects addresses, as in stomp.py: programs create connections before they know the address.
        self._pairs, self._unusable = usable_pairs(host_and_ports or [("localhost", 61613)])
        self._prefer_localhost = prefer_localhost
        self._try_loopback = try_loopback_connect
        self._timeout = timeout
        growth = reconnect_sleep_increase, reconnect_sleep_jitter, reconnect_sleep_max
        backoff = reconnect_sleep_initial, *growth
        settings = timeout, backoff, reconnect_attempts_max, keepalive, bind_host_port, limits, lenient
        try:
            #: The settings of the next connection.
            self._options = options_of(*settings)
        except TypeError:  # a list is not hashable, so the cache cannot be used
            self._options = options_of.__wrapped__(*settings)
        self._tls: dict[tuple[str, int] | None, dict[str, Any]] = {}
        self._link: Link | None = None
        self._dialed: Address | None = None  # the address of the last connection
        self._dialing = 0  # ident of the thread that opens a connection
        #: Links whose `Closed` was not dispatched yet, with an event that is set before the listeners get CONNECTED, or
        #: the end.
        self._undispatched: dict[Link, threading.Event] = {}
        self._make_locks()
        _TRANSPORTS.add(self)
        if recv_bytes != _RECV_BYTES:
            older["recv_bytes"] = recv_bytes
        if older:
            apply_deprecated_arguments(self, older)

    # ------------------------------------------------------------------------------------- life

    def start(self) -> Link | None:
        """Open a connection to one of the brokers, unless there is one.

        Returns:
            The link.

        Raises:
            ConnectFailed: no broker could be reached.
        """
        if self._kind is not kind_of_threads():
            self._make_locks()
        if self._dialing == threading.get_ident():
            raise UsageError(
                "connect() was called from a callback that connect() waits for",
                hint="do not connect in a cert_validator or in a log handler of the same connection",
            )
        with self._connecting:
            link = self._link
            if link is not None and link.alive:
                return link
            self._stopping.clear()
            self.connection_error = False
            self._declared = None
            self._dialing = threading.get_ident()
            try:
                link = self._dial()
            finally:
                self._dialing = 0
            self._undispatched[link] = threading.Event()
            self._link = link
        link.start()
        self.registry.notify("on_connecting", self.current_host_and_port)
        return link

    def is_callback_thread(self) -> bool:
        """See `BaseTransport.is_callback_thread`."""
        return any(link.is_receiving_thread() for link in list(self._undispatched))

    def connect(self, send_connect: Callable[[], object], *, wait: bool) -> None:
        """Open a connection, send CONNECT on it, and wait for the broker's answer.

        Args:
            send_connect: sends the CONNECT frame. It is called when the address of the broker is known, and not called
                if CONNECT was sent on this connection already.
            wait: return only after the broker has answered CONNECTED.

        Raises:
            ConnectFailed: no broker could be reached; with `wait`, also if the login failed.
        """
        # The link is kept: another thread may open the next connection before this one waits, perhaps in
        # on_disconnected.
        link = self.start() or self._link
        if link is None or not link.claim_connect():
            log.warning("connect() ignored: already connected")
        else:
            try:
                send_connect()
            except BaseException as err:
                link.release_connect()
                if isinstance(err, NotConnected):
                    # The broker has closed before CONNECT was sent, as it does when it rejects the client's
                    # certificate. The session knows the reason, if the receiving thread was faster.
                    closed = link.session.closed
                    raise self._connect_error((closed.error if closed else None) or err) from err
                raise
        if wait:
            self._wait_connected(link)

    def stop(self) -> None:
        """Close the connection, or stop connecting. Waits until the listeners were called."""
        self._stopping.set()
        link = self._link
        if link is not None:
            link.close()
            link.join(self._options.disconnect_timeout)

    def stop_waiting(self) -> None:
        """Cancel a `start` that waits on another thread; it raises `ConnectFailed`."""
        self._stopping.set()

    def attempt_connection(self) -> None:
        """See `start`."""
        self.start()

    def disconnect_socket(self) -> None:
        """Close the connection at once, without DISCONNECT. The listeners get on_disconnected."""
        if self._link is not None:
            self._link.close()

    @property
    def is_open(self) -> bool:
        """True from the open socket to the end of the connection."""
        return self._link is not None and self._link.alive

    def is_connected(self) -> bool:
        """True from the broker's CONNECTED until the connection ends."""
        if self._declared is not None:
            return self._declared
        link = self._link
        return link is not None and link.session.state in (State.CONNECTED, State.DISCONNECTING)

    @property
    def socket(self) -> socket.socket | None:
        """The socket of the connection, for reading its addresses; None without a connection."""
        link = self._link
        return link.sock if link is not None and link.alive else None

    @property
    def heartbeat(self) -> tuple[int, int]:
        """The negotiated heart-beats: milliseconds between (the client's, the broker's)."""
        return self._link.session.heartbeat if self._link is not None else (0, 0)

    @property
    def heart_beat_receive_scale(self) -> float:
        """How many heart-beat intervals without data are allowed on the next connection."""
        return self._options.tolerance

    @heart_beat_receive_scale.setter
    def heart_beat_receive_scale(self, scale: float) -> None:
        if scale != self._options.tolerance:
            self._options = replace(self._options, tolerance=float(scale))

    def wait_for_connection(self, timeout: float | None = None) -> None:
        """Wait for the broker's CONNECTED.

        Args:
            timeout: seconds; None waits as long as connecting may take.

        Raises:
            ConnectFailed: the login failed. Contains the address, the phase and the broker's error.
        """
        self._wait_for(self._link, timeout)

    def _wait_connected(self, link: Link | None) -> None:
        """`wait_for_connection` for this link, not for a later connection of another thread."""
        try:
            if link is self._link:
                self.wait_for_connection()
            else:
                self._wait_for(link, None)
        except ConnectFailed:
            # Connected, and lost before this thread could check it: on_disconnected reports that.
            if link is None or not link.was_connected:
                raise

    def _wait_for(self, link: Link | None, timeout: float | None) -> None:
        # The session has the connect timeout itself; this limit is only for a receiving thread that never ran.
        limit = self._options.connect_timeout + 5.0 if timeout is None else timeout
        # on_connected has mostly been called when `connect` returns, and programs rely on that. So wait for the
        # receiving thread, which sets the event before it calls the listeners.
        if not self._is_connected(link) or (self._declared is None and self.registry.targets("on_connected")):
            dispatched = self._undispatched.get(link) if link is not None else threading.Event()
            if dispatched is not None:
                dispatched.wait(limit)
        if self._is_connected(link):
            return
        closed = link.session.closed if link is not None and self._is_closed(link) else None
        if closed is None:
            raise self._connect_error(None)
        error = closed.error or StompError(closed.reason.value)
        raise self._connect_error(error)

    def _is_connected(self, link: Link | None) -> bool:
        if link is self._link:
            return self.is_connected()
        return link is not None and link.session.state is State.CONNECTED

    def _is_closed(self, link: Link | None) -> bool:
        """True if the link has ended, and its `Closed` is being dispatched or was dispatched."""
        return link is not None and link not in self._undispatched

    def _connect_error(self, why: StompError | None) -> ConnectFailed:
        """The exception for a connection that was opened, and ended before CONNECTED."""
        address = self._dialed
        if address is None:
            return login_failed(self._address_text(), why)
        return login_failed(address, why, tls=self._tls_for(address) is not None)

    def join(self) -> None:
        """Wait, for a limited time, until the connection has ended and the listeners were called."""
        link = self._link
        if link is not None and not link.join(self._options.disconnect_timeout + 1.0):
            log.debug("the connection did not end in time")

    # ------------------------------------------------------------------------------------- frames

    def transmit(self, frame: Frame) -> None:
        """Send a frame whose headers are already escaped, after calling on_send of the listeners.

        Raises:
            NotConnected: there is no connection.
            FrameError: the frame cannot be encoded safely.
        """
        for _, listener in self.registry.ordered:
            on_send = getattr(listener, "on_send", None)
            # The check of `dispatch.is_noop`, inlined: each connection has at least one listener, the protocol.
            if on_send is not None and getattr(on_send, "__func__", None) is not NO_ON_SEND:
                # As in stomp.py, a listener can prevent the send by raising.
                result = on_send(frame)
                if result is not None:
                    check_result("on_send", result)
        link = self._link
        if link is None:
            raise NotConnected("not connected", hint="call connect first")
        if type(frame.body) is not str and type(frame.body) is not bytes:
            frame = Frame(frame.cmd, frame.headers, encode(frame.body) if frame.body else b"")
        command = frame.cmd if type(frame.cmd) is str else text_of(frame.cmd)
        deadline = None
        if (timeout := _TIMEOUTS.get(command)) is not None:
            deadline = self._options.clock() + timeout(self._options)
        link.transmit(frame, escaped=True, deadline=deadline)

    def send(self, encoded_frame: bytes) -> None:
        """Write bytes as they are."""
        if self._link is None:
            raise NotConnected("not connected", hint="call connect first")
        self._link.send_raw(encoded_frame)

    # ------------------------------------------------------------------------------------- TLS

    def set_ssl(
        self,
        for_hosts: Any = (),
        key_file: str | None = None,
        cert_file: str | None = None,
        ca_certs: str | None = None,
        cert_validator: Callable[[Any, str], tuple[bool, str]] | None = None,
        ssl_version: Any = None,
        password: Any = None,
        verify: bool = True,
        *,
        ssl_context: Any = None,
    ) -> None:
        """Use TLS. Call it before `connect`.

        Args:
            for_hosts: the (host, port) pairs to use TLS for; all if it is empty.
            key_file: a PEM file with the key of the certificate, if it is not in `cert_file`.
            cert_file: a PEM file with the client's certificate.
            ca_certs: a PEM file with the certificate authorities to trust; None: those of the system.
            cert_validator: called with the broker's certificate and its host name after the handshake; returns
                (True, "") or (False, reason).
            ssl_version: not used; the minimum is TLS 1.2.
            password: the password of the key.
            verify: False accepts any certificate.
            ssl_context: an `ssl.SSLContext` to use instead of all the other settings.

        Raises:
            UsageError: none of `for_hosts` is a host of this connection, which would be unencrypted. Or this Python
                was built without TLS. Or a function among the settings is a coroutine function.
        """
        for name, function in (("cert_validator", cert_validator), ("password", password)):
            if callable(function):
                check_function(name, function)
        # Checked, not imported: the ssl module is loaded only when it is used.
        if importlib.util.find_spec("_ssl") is None:
            raise UsageError("this Python has no ssl module", hint="install one that was built with OpenSSL")
        settings = {
            "key_file": key_file,
            "cert_file": cert_file,
            "ca_certs": ca_certs,
            "cert_validator": cert_validator,
            "ssl_version": ssl_version,
            "password": password,
            "verify": verify,
            "ssl_context": ssl_context,
        }
        if not verify:
            log.warning(
                "TLS certificates are not verified: an attacker on the network can read and change everything"
            )
        if not for_hosts:
            self._tls[None] = settings
            return
        pairs = pairs_of(for_hosts)
        mine = {_normalized(pair) for pair in self._pairs}
        if mine and not any(_normalized(pair) in mine for pair in pairs):
            raise UsageError(
                f"set_ssl names {pairs}, but this connection goes to {self._pairs}: nothing would be encrypted",
                hint="give the same host names and ports, or leave for_hosts out",
            )
        for pair in pairs:
            self._tls[_normalized(pair)] = settings

    def get_ssl(self, host_and_port: Any = None) -> dict[str, Any] | None:
        """The TLS settings for a pair, or for the current connection; None if it has none."""
        pair = host_and_port or self.current_host_and_port or next(iter(self._pairs), None)
        everywhere = self._tls.get(None)
        return self._tls.get(_normalized((pair[0], int(pair[1]))), everywhere) if pair else everywhere

    # ------------------------------------------------------------------------------------- dialing

    def _dial(self) -> Link:
        for error in self._unusable:
            if not self._pairs:
                raise ConnectFailed(
                    error.message, phase="resolve", failures=[error], hint=error.hint
                ) from error
            log.warning("%s: it is not used", error.message)
        options = self._options
        create = self.create_thread_fc
        start = start_daemon if create is default_create_thread else create
        if options.start_thread is not start:
            options = replace(options, start_thread=start)
        try:
            how = self._tls_for, self._wait_or_stopped, self._history, patches.create_connection(socket)
            address, stream = dial_any(self._ordered(), options, *how)
        except ConnectFailed as err:
            if log.verbose:
                for failure in err.failures:
                    log.warning("a failed attempt to connect, in detail", exc_info=failure)
            raise
        self.current_host_and_port = address.pair
        self._dialed = address
        session = ClientSession(
            limits=options.limits,
            lenient=options.lenient,
            tolerance=options.tolerance,
            message_class=self._message_class,
            receipt_class=ReceiptFrame,
            error_ends=error_surely_ends,
        )
        session.frame_check_for = web_message_check
        return Link(stream.sock, session, self.registry.dispatch, options, stream.layer)

    def _wait_or_stopped(self, seconds: float) -> bool:
        """Wait this many seconds. True if connecting was cancelled."""
        return self._stopping.wait(seconds) if seconds else self._stopping.is_set()

    def _tls_for(self, address: Address) -> TlsSettings | None:
        settings = self.get_ssl(address.pair)
        if settings is None:
            return None
        return TlsSettings(
            ca_certs=settings["ca_certs"],
            cert_file=settings["cert_file"],
            key_file=settings["key_file"],
            password=settings["password"],
            verify=settings["verify"],
            context=settings["ssl_context"] or patches.tls_context(globals().get("ssl"), settings),
            validator=settings["cert_validator"],
        )

    def _ordered(self) -> list[Address]:
        # With TLS the certificate is for the host name, so 127.0.0.1 cannot replace it.
        loopback = self._try_loopback and not self._tls
        return in_order(self._pairs, prefer_local=self._prefer_localhost, loopback=loopback)

    # ------------------------------------------------------------------------------------- inside

    def _make_locks(self) -> None:
        #: The kind of threads of these locks. If a program installs green threads later, native locks would block all
        #: of them, so `start` makes new ones.
        self._kind = kind_of_threads()
        self._connecting = threading.Lock()
        self._stopping = threading.Event()

    def _on_connected(self, event: Connected) -> None:
        self._history.connected(self._options.clock())
        for link, dispatched in list(self._undispatched.items()):
            if link.is_receiving_thread():
                link.was_connected = True
                dispatched.set()

    def _login_error(self, event: Closed) -> ConnectFailed | None:
        closed_links = [link for link in list(self._undispatched) if link.session.closed is event]
        return None if not closed_links or closed_links[0].was_connected else self._connect_error(event.error)

    def _on_closed(self, event: Closed) -> None:
        self.connection_error = event.reason is Reason.REFUSED
        for link in [each for each in list(self._undispatched) if each.session.closed is event]:
            self._history.received, self.registry.has_dispatched = self.registry.has_dispatched, False
            self._history.ended(link.session, self._options.clock())
            if (dispatched := self._undispatched.pop(link, None)) is not None:
                dispatched.set()


_TRANSPORTS: weakref.WeakSet[Transport] = weakref.WeakSet()


def _reset_after_fork() -> None:
    """In a forked child: replace the locks, as the threads of the parent that held them do not exist there."""
    for transport in list(_TRANSPORTS):
        transport._undispatched.clear()
        transport._make_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


#: The option with the timeout of the answer to each command.
_TIMEOUTS = {
    "CONNECT": operator.attrgetter("connect_timeout"),
    "STOMP": operator.attrgetter("connect_timeout"),
    "DISCONNECT": operator.attrgetter("disconnect_timeout"),
}


def _normalized(pair: tuple[str, int]) -> tuple[str, int]:
    return pair[0].lower(), int(pair[1])


def __getattr__(name: str) -> Any:
    return resolve_reexport(__name__, name)
