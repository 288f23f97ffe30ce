"""`Broker`: the embedded broker, run in a thread or on an event loop.

Rules of this file: the state of the broker (`Server`, `Engine`) is only used on its event loop. The methods of
`Broker` that read this state can be called from any thread; they run on that loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from dataclasses import replace
from ssl import VerifyMode
from typing import TYPE_CHECKING, TypeVar

from stomp.broker.dialects import dialect_by_name
from stomp.broker.endpoints import parse_endpoint
from stomp.broker.origin import OriginPolicy
from stomp.broker.permissions import Permissions
from stomp.broker.recording import FrameRecorder
from stomp.broker.request_headers import message_headers
from stomp.broker.server import Server
from stomp.broker.settings import LIMITS, ConnectionInfo, ConsumerInfo, MessageInfo, Settings
from stomp.broker.store import Policy
from stomp.core import arguments
from stomp.core.errors import NotConnected, UsageError
from stomp.core.frames.frame import headers_of, text_of
from stomp.core.session.heartbeat import TOLERANCE
from stomp.core.spellings import also_named
from stomp.net.address import Address
from stomp.net.serving import add_served, remove_served

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from stomp.core.frames.limits import Limits

_T = TypeVar("_T")
#: Seconds that starting, stopping and a call from another thread may take.
_CALL_TIMEOUT = 30.0


class Broker:
    """A STOMP broker for development and tests.

    It is not for production: messages are kept in memory and, without `store`, are lost when the broker stops.

    In synchronous code the broker runs in a separate thread:

    >>> with Broker() as broker:
    ...     print(broker.host, broker.port > 0, broker.depth("/queue/a"))
    127.0.0.1 True 0

    In asyncio code it runs on the running loop: ``async with Broker() as broker: ...``, or
    ``await broker.serve()`` to serve until cancelled.

    Args:
        host: the address to listen on; "" for all addresses of this machine.
        port: the port to listen on; 0 selects a free port, which the attribute `port` contains after the start.
        listen: the addresses to listen on, as URLs (or `stomp.net.address.Address`); replaces `host` and `port`.
            More than one can be given, also WebSockets (extra ``ws``) and Unix sockets. Port 0 selects a free
            port. "stomp+ssl" and "wss" need an `ssl_context`.
        users: passcodes by login; None accepts every login. A user whose passcode is None can log in by a client
            certificate only.
        permissions: the destinations that a user may read from and write to, by login; a user that is not in it may
            use all.
        user_from_certificate: the common name of the client certificate is the user, without a passcode. The
            `ssl_context` has to ask for certificates: ``verify_mode`` is ``ssl.CERT_REQUIRED`` or ``CERT_OPTIONAL``.
        heartbeat: milliseconds between the heart-beats that the broker can send, and that it wants to receive; 0
            for none. None agrees to what each client asks for, as RabbitMQ and ActiveMQ do, but at least to 100.
        limits: sizes that a client cannot exceed; None for bodies of at most 16 MiB, see `LIMITS`.
        policy: limits of the queues and rules for messages; None for the defaults of `Policy`.
        ssl_context: the TLS context of the server. Without `listen` it turns TLS on; with `listen` it is used for
            the "stomp+ssl" and "wss" addresses.
        versions: the STOMP versions that the broker accepts.
        connect_timeout: seconds within which a client has to send CONNECT (and to finish the TLS handshake).
        allow_origins: origins of web pages that may connect by WebSocket, as "https://app.example"; "*" for all.
            Pages of localhost and of the broker's own host always may, others get the HTTP status 403.
        tolerance: heart-beat intervals without data after which a client is disconnected. Tests on a machine that
            may stop for seconds need a large number: ``heartbeat=(50, 50), tolerance=1000``.
        store: a file (SQLite) for messages with ``persistent:true`` and for durable subscriptions; they survive the end
            of the broker, also when it is killed. A RECEIPT then confirms that they are on disk. The file is made if it
            does not exist, and one broker at a time can use it. None keeps everything in memory.
        dialect: the broker whose behaviour is imitated: "rabbitmq", "activemq", "artemis", "strict" for the
            specification without extensions, or "tolerant" for the extensions of all brokers that do not contradict
            each other.

    Raises:
        UsageError: a version is unknown, or there is none; a port is out of range; there is no address to listen on;
            there are permissions without users; `user_from_certificate` is given, and no certificate is asked for;
            an address needs TLS, and there is no `ssl_context`; an entry of `allow_origins` is no origin;
            there is no such dialect.
        AddressError: an address in `listen` is invalid.

    Attributes:
        host: the host of the first address.
        port: the port of the first address; the actual one after the start.
        urls: the URLs for clients, in the order of `listen`; they contain the actual ports after the start.

    >>> with Broker(listen=["stomp://127.0.0.1:0", "ws://127.0.0.1:0/ws"]) as broker:
    ...     [url.partition(":")[0] for url in broker.urls]
    ['stomp', 'ws']
    """

    @also_named
    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        listen: Iterable[str | Address] | None = None,
        users: Mapping[str, str | None] | None = None,
        permissions: Mapping[str, Permissions] | None = None,
        heartbeat: tuple[int, int] | None = None,
        limits: Limits | None = None,
        policy: Policy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        versions: Iterable[str] = ("1.0", "1.1", "1.2"),
        connect_timeout: float = 10.0,
        tolerance: float = TOLERANCE,
        dialect: str = "tolerant",
        allow_origins: Iterable[str] = (),
        store: str | os.PathLike[str] | None = None,
        user_from_certificate: bool = False,
    ) -> None:
        offered = arguments.versions("versions", versions)
        number = arguments.count("port", port, least=0, most=65535, hint="a port is a number from 0 to 65535")
        where: tuple[Address, ...] = (
            Address(arguments.text("host", host), number, "tcp" if ssl_context is None else "tls"),
        )
        if listen is not None:
            given = [listen] if isinstance(listen, str) else listen
            where = tuple(parse_endpoint(each) if isinstance(each, str) else each for each in given)
        _check_addresses(where, ssl_context)
        _check_logins(users, permissions, ssl_context, user_from_certificate=user_from_certificate)
        self.host: str = where[0].host
        self.port: int = where[0].port
        self._found = where
        self._settings = Settings(
            listen=where,
            users=None if users is None else _users(users),
            heartbeat=None if heartbeat is None else arguments.heartbeat("heartbeat", heartbeat),
            limits=limits or LIMITS,
            policy=policy or Policy(),
            ssl_context=ssl_context,
            versions=offered,
            connect_timeout=arguments.seconds("connect_timeout", connect_timeout, above_zero=True),
            tolerance=tolerance,
            dialect=dialect_by_name(dialect),
            origins=OriginPolicy(
                [allow_origins] if isinstance(allow_origins, str) else allow_origins,
                hosts=[each.host for each in where],
            ),
            permissions=dict(permissions or {}),
            user_from_certificate=user_from_certificate,
            store=None if store is None else os.fspath(store),
        )
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None

    def __repr__(self) -> str:
        state = "stopped" if self._server is None else f"{len(self._server.open_connections)} connections"
        return f"<Broker {' '.join(self.urls)}, {state}>"

    @property
    def url(self) -> str:
        """The first of `urls`."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        return [_client_address(each).url for each in self._found]

    # ------------------------------------------------------------------------------------- in a thread

    def start(self) -> Self:
        """Start the broker in a new thread; returns when it listens. Call `stop` to end it.

        Raises:
            UsageError: the broker is already running, or WebSockets are asked for without the extra ``ws``; another
                broker uses the store, or its file cannot be used.
            OSError: binding an address failed.
            TimeoutError: the broker did not start within 30 seconds.
        """
        self._must_be_stopped()
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(self._run(started)), name="stomp-broker", daemon=True
        )
        thread.start()
        try:
            started.result(_CALL_TIMEOUT)
        except BaseException:
            started.cancel()  # after a slow name resolution the broker must not start any more
            thread.join(_CALL_TIMEOUT)
            raise
        self._thread = thread
        return self

    def stop(self) -> None:
        """Close all connections, and end the thread that `start` made. Does nothing if the broker is stopped.

        Pending output is written first, for at most one second; then clients see the end of the stream.

        Raises:
            RuntimeError: the thread did not end within 30 seconds.
        """
        thread, self._thread = self._thread, None
        loop, stopping = self._loop, self._stopping
        if thread is None or loop is None or stopping is None:
            return
        loop.call_soon_threadsafe(stopping.set)
        thread.join(_CALL_TIMEOUT)
        if thread.is_alive():
            raise RuntimeError(f"the broker's thread did not end within {_CALL_TIMEOUT:g} seconds")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _run(self, started: concurrent.futures.Future[None]) -> None:
        try:
            await self._open()
        except BaseException as err:
            if started.set_running_or_notify_cancel():
                started.set_exception(err)
            return
        assert self._stopping is not None
        try:
            if started.set_running_or_notify_cancel():
                started.set_result(None)
                await self._stopping.wait()
        finally:
            await self._close()

    # ------------------------------------------------------------------------------------- on a loop

    async def serve(self) -> None:
        """Serve on the running event loop until cancelled.

        Raises:
            UsageError: the broker is already running, or WebSockets are asked for without the extra ``ws``; another
                broker uses the store, or its file cannot be used.
            OSError: binding an address failed.
        """
        async with self:
            await asyncio.Event().wait()

    async def __aenter__(self) -> Self:
        self._must_be_stopped()
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        server = Server(self._settings)
        await server.open()
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._server = server
        self._found = tuple(server.listen)
        add_served(self._loop, self._found)
        self.port = self._found[0].port

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.close()
            remove_served(self._loop, self._found)
        self._loop = self._stopping = None

    def _must_be_stopped(self) -> None:
        if self._server is not None:
            raise UsageError("the broker is already running", hint="stop it first")

    # ------------------------------------------------------------------------------------- questions

    @property
    def connections(self) -> list[ConnectionInfo]:
        """The open connections, oldest first; an empty list if the broker is stopped."""
        return self._ask(Server.connections) if self._server is not None else []

    def subscriptions(self) -> list[ConsumerInfo]:
        """The subscriptions of all connections; an empty list if the broker is stopped."""
        return self._ask(Server.subscriptions) if self._server is not None else []

    def depth(self, destination: str) -> int:
        """The number of messages of a destination: those waiting, and those delivered and not acknowledged.

        For a topic, the copy of each subscriber counts.

        Raises:
            NotConnected: the broker is stopped.
        """
        return self._ask(lambda server: server.engine.depth(destination))

    def destinations(self) -> dict[str, int]:
        """The depth of every destination that has messages or subscribers.

        Raises:
            NotConnected: the broker is stopped.
        """
        return self._ask(lambda server: server.engine.destinations())

    def messages(self, destination: str) -> list[MessageInfo]:
        """The messages of a destination, oldest first: those waiting, and those delivered and not acknowledged.

        For a topic, the copies of each subscriber.

        Raises:
            NotConnected: the broker is stopped.
        """
        return self._ask(lambda server: server.messages(destination))

    def wait_for(self, destination: str, count: int = 1, timeout: float = 10.0) -> list[MessageInfo]:
        """Wait until a destination has this number of messages; return them, see `messages`.

        Args:
            destination: the destination.
            count: the number of messages.
            timeout: seconds to wait.

        Raises:
            TimeoutError: there are fewer messages after `timeout` seconds.
            UsageError: it is called on the event loop of the broker, which must not wait.
            NotConnected: the broker is stopped.
        """
        if self._loop is not None and _running_loop() is self._loop:
            raise UsageError("wait_for would stop the event loop of the broker", hint="call it in a thread")
        found = self._ask(lambda server: server.when(lambda: server.engine.depth(destination) >= count))
        try:
            found.result(timeout)
        except concurrent.futures.TimeoutError:
            found.cancel()
            number = self.depth(destination)
            raise TimeoutError(
                f"{destination} has {number} of {count} messages after {timeout:g} seconds"
            ) from None
        return self.messages(destination)

    def frames(self, *, max_frames: int = 1000, body_bytes: int = 64 * 1024) -> FrameRecorder:
        """Record the frames of all connections from now on, until the recorder is closed.

        >>> with Broker() as broker, broker.frames() as frames:
        ...     broker.put("/queue/a", "x")
        ...     [frame.command for frame in frames]  # `put` needs no frame
        []

        Args:
            max_frames: maximum number of frames; the oldest ones are dropped.
            body_bytes: number of bytes of each body that are kept.

        Raises:
            NotConnected: the broker is stopped.
        """
        recorder = FrameRecorder(
            max_frames=max_frames,
            max_bytes=max_frames * (body_bytes + 4096),
            body_bytes=body_bytes,
            close=self._end_recording,
        )
        self._ask(lambda server: server.observe_frames(recorder))
        return recorder

    def _end_recording(self, recorder: FrameRecorder) -> None:
        if self._server is not None:
            self._ask(lambda server: server.ignore_frames(recorder))

    def put(self, destination: str, body: str | bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a message without a connection.

        Args:
            destination: the destination.
            body: the body; a `str` is encoded as UTF-8.
            headers: the headers of the message.

        Raises:
            RequestRefused: the message is invalid or exceeds a limit.
            StoreFailed: the message is persistent, and the store cannot be written.
            NotConnected: the broker is stopped.
        """
        data = body.encode() if isinstance(body, str) else bytes(body)
        named = message_headers(headers_of(dict(headers or {})))
        self._ask(lambda server: server.put(destination, data, named))

    def purge(self, destination: str) -> int:
        """Drop the waiting messages of a destination; return their number.

        Raises:
            NotConnected: the broker is stopped.
        """
        return self._ask(lambda server: server.purge(destination))

    def disconnect_all(self, *, abort: bool = True) -> int:
        """Close every connection, and continue to accept new ones; returns the number of closed connections.

        Args:
            abort: discard pending output, as if the broker had been killed. If False, it is written first, as when
                a broker is shut down. In both cases clients see the end of the stream.

        Raises:
            NotConnected: the broker is stopped.
        """
        return self._ask(lambda server: server.disconnect_all(abort=abort))

    def _ask(self, question: Callable[[Server], _T]) -> _T:
        """Call `question` on the loop of the server, from any thread; return its result."""
        server, loop = self._server, self._loop
        if server is None or loop is None:
            raise NotConnected("the broker is stopped", hint="start it first")
        if _running_loop() is loop:
            return question(server)
        answer: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def respond() -> None:
            try:
                answer.set_result(question(server))
            except BaseException as err:
                answer.set_exception(err)

        loop.call_soon_threadsafe(respond)
        return answer.result(_CALL_TIMEOUT)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _check_addresses(where: tuple[Address, ...], ssl_context: ssl.SSLContext | None) -> None:
    if not where:
        raise UsageError(
            "there is no address to listen on", hint='pass some, as listen=["stomp://127.0.0.1:0"]'
        )
    if not all(0 <= each.port <= 65535 for each in where):
        raise UsageError("a port is a number from 0 to 65535")
    if ssl_context is None and any(each.transport in ("tls", "wss") for each in where):
        raise UsageError("an address with TLS needs a certificate", hint="give ssl_context")


def _check_logins(
    users: Mapping[str, str | None] | None,
    permissions: Mapping[str, Permissions] | None,
    ssl_context: ssl.SSLContext | None,
    *,
    user_from_certificate: bool,
) -> None:
    if permissions and users is None and not user_from_certificate:
        # Any client could use the login of any user.
        raise UsageError("permissions need users", hint="give users as well")
    if user_from_certificate and (ssl_context is None or ssl_context.verify_mode == VerifyMode.CERT_NONE):
        raise UsageError(
            "user_from_certificate needs an ssl_context that asks for certificates",
            hint="set its verify_mode to ssl.CERT_REQUIRED",
        )


def _users(users: Mapping[str, str | None]) -> dict[str, str | None]:
    hint = 'pass a dictionary of passcodes by login, as in users={"admin": "secret"}'
    found = arguments.headers("users", users, hint=hint)
    return {
        text_of(login): None if passcode is None else text_of(passcode) for login, passcode in found.items()
    }


def _client_address(endpoint: Address) -> Address:
    """The address for clients on this machine: they cannot connect to "all addresses", so it becomes loopback."""
    anywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
    return (
        endpoint
        if endpoint.transport == "unix"
        else replace(endpoint, host=anywhere.get(endpoint.host, endpoint.host))
    )
