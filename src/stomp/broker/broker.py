"""`Broker`: a broker of one's own, in a thread or on an event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, TypeVar

from stomp.broker.endpoints import door
from stomp.broker.server import Server
from stomp.broker.settings import LIMITS, ConnectionInfo, Settings
from stomp.broker.store import Policy
from stomp.core import arguments
from stomp.core.errors import NotConnected, UsageError
from stomp.core.frames.frame import text_of
from stomp.core.session.heartbeat import TOLERANCE
from stomp.core.structs import replace
from stomp.net.address import Address
from stomp.net.serving import add_served, remove_served

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from stomp.core.frames.limits import Limits

_T = TypeVar("_T")
#: Seconds that starting, stopping and asking may take.
_PATIENCE = 10.0


class Broker:
    """A STOMP broker for trying things out, developing and testing.

    It is not for production: messages are in memory, and gone when it stops.

    From ordinary code it runs in a thread of its own:

    >>> with Broker() as broker:
    ...     print(broker.host, broker.port > 0, broker.depth("/queue/a"))
    127.0.0.1 True 0

    From asyncio it runs on the running loop: ``async with Broker() as broker: ...``, or
    ``await broker.serve()`` to serve until cancelled.

    Args:
        host: the address to listen on; "" for all.
        port: the port to listen on, 0 for one that is free: see the attribute after the start.
        doors: where to listen in place of that, as URLs (or `stomp.net.address.Address`): several at once, with
            WebSockets (extra ``ws``) and Unix sockets among them. Port 0 is a free one. "stomp+ssl" and "wss"
            need an `ssl_context`.
        users: passcodes by login; None lets everybody in.
        heartbeat: milliseconds between the beats that the broker can send, and that it wants; 0 for none.
        limits: what a client may make the broker hold; None for bodies of 16 MiB at most.
        policy: how messages are treated and how many are kept; None for the defaults of `Policy`.
        ssl_context: speak TLS, with this context; at those doors that say so, if there are `listen`.
        versions: the STOMP versions to agree to.
        connect_timeout: seconds until a client must have said CONNECT.
        tolerance: heart-beat intervals of silence after which a client is dropped. A large number is for tests on a
            machine that may stop for seconds: ``heartbeat=(50, 50), tolerance=1000``.

    Raises:
        UsageError: for a version that does not exist, or none; for a port that cannot be one; for a door with TLS
            and no context.
        AddressError: a door cannot be understood.

    Attributes:
        host: the address that its first door listens on.
        port: the port of that, once it is started.
        urls: where clients find it, in the order of its doors; complete once it is started.

    >>> with Broker(listen=["stomp://127.0.0.1:0", "ws://127.0.0.1:0/ws"]) as broker:
    ...     [url.partition(":")[0] for url in broker.urls]
    ['stomp', 'ws']
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        listen: Iterable[str | Address] | None = None,
        users: Mapping[str, str] | None = None,
        heartbeat: tuple[int, int] = (10_000, 10_000),
        limits: Limits | None = None,
        policy: Policy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        versions: Iterable[str] = ("1.0", "1.1", "1.2"),
        connect_timeout: float = 10.0,
        tolerance: float = TOLERANCE,
    ) -> None:
        offered = arguments.versions("versions", versions)
        number = arguments.count("port", port, least=0, most=65535, hint="a port is a number from 0 to 65535")
        where: tuple[Address, ...] = (
            Address(arguments.text("host", host), number, "tcp" if ssl_context is None else "tls"),
        )
        if listen is not None:
            given = [listen] if isinstance(listen, str) else listen
            where = tuple(door(each) if isinstance(each, str) else each for each in given)
        if not where:
            raise UsageError("the broker has no door", hint='give some, as listen=["stomp://127.0.0.1:0"]')
        if not all(0 <= each.port <= 65535 for each in where):
            raise UsageError("a port is a number from 0 to 65535")
        if ssl_context is None and any(each.transport in ("tls", "wss") for each in where):
            raise UsageError("a door with TLS needs a certificate", hint="give ssl_context")
        self.host: str = where[0].host
        self.port: int = where[0].port
        self._found = where
        self._settings = Settings(
            listen=where,
            users=None if users is None else _users(users),
            heartbeat=arguments.heartbeat("heartbeat", heartbeat),
            limits=limits or LIMITS,
            policy=policy or Policy(),
            ssl_context=ssl_context,
            versions=offered,
            connect_timeout=arguments.seconds("connect_timeout", connect_timeout, above_zero=True),
            tolerance=tolerance,
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
        return [_reachable(each).url for each in self._found]

    # ------------------------------------------------------------------------------------- in a thread

    def start(self) -> Self:
        """Start in a thread of its own; return when it listens.

        Raises:
            UsageError: it runs already.
            OSError: the address cannot be listened on.
        """
        self._must_be_stopped()
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(self._run(started)), name="stomp-broker", daemon=True
        )
        thread.start()
        try:
            started.result(_PATIENCE)
        except BaseException:
            started.cancel()  # a name server that answers too late must not start it after all
            thread.join(_PATIENCE)
            raise
        self._thread = thread
        return self

    def stop(self) -> None:
        """End all connections and the thread that `start` made. Stopping what is stopped does nothing.

        What waits to be written is written first, for a second at most; then clients see the stream end.
        """
        thread, self._thread = self._thread, None
        loop, stopping = self._loop, self._stopping
        if thread is None or loop is None or stopping is None:
            return
        loop.call_soon_threadsafe(stopping.set)
        thread.join(_PATIENCE)
        if thread.is_alive():
            raise RuntimeError(f"the broker's thread did not end within {_PATIENCE:g} seconds")

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
            UsageError: it runs already.
            OSError: the address cannot be listened on.
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
            raise UsageError("the broker runs already", hint="stop it first")

    # ------------------------------------------------------------------------------------- questions

    @property
    def connections(self) -> list[ConnectionInfo]:
        """The open connections, oldest first; an empty list when the broker is stopped."""
        return self._ask(Server.connections) if self._server is not None else []

    def depth(self, destination: str) -> int:
        """How many messages a destination holds: those that wait, and those delivered and not acknowledged.

        The copies of a topic count for each of its subscribers.

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

    def disconnect_all(self, *, abort: bool = True) -> int:
        """Drop every connection and go on serving; return how many there were.

        Args:
            abort: as if the broker had been killed: what waits to be written is lost. Otherwise it is
                written first, as when a broker is shut down. Either way clients see the stream end.

        Raises:
            NotConnected: the broker is stopped.
        """
        return self._ask(lambda server: server.disconnect_all(abort=abort))

    def _ask(self, question: Callable[[Server], _T]) -> _T:
        """Ask the server on its own loop, from whichever thread."""
        server, loop = self._server, self._loop
        if server is None or loop is None:
            raise NotConnected("the broker is stopped", hint="start it first")
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is loop:
            return question(server)
        answer: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def respond() -> None:
            try:
                answer.set_result(question(server))
            except BaseException as err:
                answer.set_exception(err)

        loop.call_soon_threadsafe(respond)
        return answer.result(_PATIENCE)


def _users(users: Mapping[str, str]) -> dict[str, str]:
    hint = 'pass a dictionary of passcodes by login, as in users={"admin": "secret"}'
    found = arguments.headers("users", users, hint=hint)
    return {text_of(login): text_of(passcode) for login, passcode in found.items()}


def _reachable(door: Address) -> Address:
    """A door as clients on this machine find it: they cannot connect to "every address"."""
    anywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
    return door if door.transport == "unix" else replace(door, host=anywhere.get(door.host, door.host))
