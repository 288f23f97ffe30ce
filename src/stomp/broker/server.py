"""The broker on an event loop: listening sockets, the connections accepted by them, and one `Engine` for all.

See `stomp.broker.connection` for the code of a connection.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import itertools
import logging
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from stomp.broker.administration import stall
from stomp.broker.connection import CLOSE_TIMEOUT, Connection
from stomp.broker.endpoints import file_identity, listen, listen_unix, remove_unix
from stomp.broker.engine import Engine
from stomp.broker.faults import Faults
from stomp.broker.persistence import RETRY_AFTER, Persistence
from stomp.broker.settings import ConnectionInfo, ConsumerInfo, MessageInfo, Settings
from stomp.broker.store_file import StoreFailed, StoreFile
from stomp.net.websocket_server import WebSocketServerLayer, require_websockets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stomp.broker.model import Client
    from stomp.broker.recording import FrameObserver
    from stomp.net.address import Address

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Iterations of the event loop after which `Connection.connection_made` was called for an accepted socket.
_TURNS = 5


class Server:
    """The listening sockets and the connections of one broker, on one event loop.

    Args:
        settings: the settings of the broker.

    Raises:
        UsageError: the store of the settings cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        file = None if settings.store is None else StoreFile(settings.store)
        name, first = (secrets.token_hex(3), 0) if file is None else (file.name, file.first_number)
        self.engine: Engine = Engine(
            settings.policy, name=name, clock=time.time, first_number=first, dialect=settings.dialect
        )
        self._persistence: Persistence | None = None
        self._commit_due = False  # `_commit_and_flush` will be called
        if file is not None:
            self._persistence = Persistence(file, self._commit_soon)
            try:
                self._persistence.restore(self.engine)
            except BaseException:
                file.close()
                raise
        self.open_connections: dict[int, Connection] = {}
        self.listen: list[Address] = []
        self.faults: Faults = Faults()
        self.frame_observers: list[FrameObserver] = []
        self._of_client: dict[int, Connection] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[asyncio.Server] = []
        self._files: list[tuple[str, tuple[int, int]]] = []  # path and identity of the Unix sockets
        self._closing = False
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None  # calls `Engine.run_due` at `_due`
        self._conditions: list[tuple[Callable[[], bool], concurrent.futures.Future[None]]] = []
        self._continuing = False  # `_continue` will be called
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_closing(self) -> bool:
        """True after `close` was called."""
        return self._closing

    async def open(self) -> None:
        """Listen on all addresses; the attribute `listen` then contains the actual ports.

        Raises:
            OSError: binding an address failed. Then the broker listens on none.
            UsageError: an address is for WebSockets, and the package for these is not installed.
        """
        try:
            for endpoint in self.settings.listen:
                await self._open(endpoint)
        except BaseException:
            await self.close()
            raise

    async def _open(self, endpoint: Address) -> None:
        if endpoint.transport in ("ws", "wss"):
            require_websockets()
        try:
            if endpoint.transport == "unix":
                sockets = [listen_unix(endpoint.path)]
                self._files.append((endpoint.path, file_identity(endpoint.path)))
            else:
                sockets = await listen(endpoint.host, endpoint.port)
                endpoint = replace(endpoint, port=int(sockets[0].getsockname()[1]))
        except OSError as err:
            # The error for a path that is too long has no errno.
            raise OSError(
                err.errno or errno.EINVAL, f"cannot listen on {endpoint}: {err.strerror or err}"
            ) from err
        settings = self.settings
        tls = settings.ssl_context if endpoint.transport in ("tls", "wss") else None
        loop = asyncio.get_running_loop()
        create = loop.create_unix_server if endpoint.transport == "unix" else loop.create_server
        with contextlib.ExitStack() as unused:
            for sock in sockets:
                unused.callback(sock.close)
            for sock in sockets:
                listener = await create(
                    lambda: Connection(self, next(self._numbers), self._layer(endpoint)),
                    sock=sock,
                    backlog=1024,
                    ssl=tls,
                    ssl_handshake_timeout=settings.connect_timeout if tls else None,
                    ssl_shutdown_timeout=CLOSE_TIMEOUT if tls else None,
                )
                self._listeners.append(listener)
            unused.pop_all()
        self.listen.append(endpoint)
        logger.info("listening on %s, for development and tests only", endpoint.url)

    def _layer(self, endpoint: Address) -> WebSocketServerLayer | None:
        if endpoint.transport in ("ws", "wss"):
            return WebSocketServerLayer(
                endpoint.path, self.settings.limits.frame, self.settings.origins.accepts
            )
        return None

    async def close(self, grace: float = 1.0) -> None:
        """Stop listening, write the pending output for at most `grace` seconds, and close all connections."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        # An accepted socket gets its `Connection` some iterations of the loop later. Until Python 3.12, it stays open
        # for ever if the listener is closed before that. So: stop accepting, wait for these sockets, then close.
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            for sock in listener.sockets:
                with contextlib.suppress(NotImplementedError):  # the proactor loop of Windows
                    loop.remove_reader(sock.fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for path, identity in self._files:
            remove_unix(path, identity)
        self._files.clear()
        self._flush()
        self.disconnect_all(abort=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._empty.wait()
        self.disconnect_all(abort=True)
        await self._empty.wait()
        if self._persistence is not None:
            self._persistence.close()
            self._persistence = None

    def disconnect_all(self, *, abort: bool) -> int:
        """Close all connections; see `stomp.broker.Broker.disconnect_all`."""
        connections = list(self.open_connections.values())
        for connection in connections:
            connection.close(abort=abort)
        return len(connections)

    def connections(self) -> list[ConnectionInfo]:
        """The open connections, without those that are closing."""
        return [connection.info() for connection in self.open_connections.values() if not connection.closing]

    def subscriptions(self) -> list[ConsumerInfo]:
        """The subscriptions of all connections."""
        return [each for connection in self.open_connections.values() for each in connection.subscriptions()]

    def login_of_client(self, number: int) -> str | None:
        """The login of the client with this number in the engine; None if there is none."""
        connection = self._of_client.get(number)
        return None if connection is None else connection.info().login

    def stall(self, number: int, key: str, *, stalled: bool) -> bool:
        """Deliver nothing to a subscription, or deliver again; False if there is no such subscription.

        Args:
            number: the number of the connection.
            key: the ``id`` of the SUBSCRIBE.
            stalled: deliver nothing.
        """
        connection = self.open_connections.get(number)
        client = None if connection is None else connection.client
        consumer = None if client is None else client.consumers.get(key)
        if consumer is None:
            return False
        stall(self.engine, consumer, stalled=stalled)
        return True

    def stalled_subscriptions(self) -> list[tuple[Connection, str]]:
        """The connection and the ``id`` of each subscription to which nothing is delivered, see `stall`."""
        return [
            (connection, key.lstrip("\0"))
            for connection in self.open_connections.values()
            if connection.client is not None
            for key, consumer in connection.client.consumers.items()
            if consumer.is_stalled
        ]

    def observe_frames(self, observer: FrameObserver) -> None:
        """Call this observer for every frame from now on."""
        self.frame_observers.append(observer)
        for connection in self.open_connections.values():
            connection.observers_changed()

    def ignore_frames(self, observer: FrameObserver) -> None:
        """Do not call this observer any more."""
        if observer in self.frame_observers:
            self.frame_observers.remove(observer)
        for connection in self.open_connections.values():
            connection.observers_changed()

    def messages(self, destination: str) -> list[MessageInfo]:
        """See `stomp.broker.Broker.messages`."""
        return [
            MessageInfo(
                each.destination,
                dict(each.headers),
                each.body,
                each.redelivered,
                each.waiting,
                each.number,
                each.refusals,
                each.expires,
            )
            for queue in self.engine.queues(destination)
            for each in queue.messages()
        ]

    def purge(self, destination: str) -> int:
        """See `stomp.broker.Broker.purge`."""
        count = self.engine.purge(destination)
        self.commit()
        return count

    def put(self, destination: str, body: bytes, headers: Mapping[str, str]) -> None:
        """See `stomp.broker.Broker.put`."""
        self.engine.put(destination, body, headers)
        if (failure := self.commit()) is not None:
            raise failure
        self.flush()

    def when(self, condition: Callable[[], bool]) -> concurrent.futures.Future[None]:
        """A future that is done as soon as a condition holds; it is checked after each change."""
        found: concurrent.futures.Future[None] = concurrent.futures.Future()
        if condition():
            found.set_result(None)
        else:
            self._conditions.append((condition, found))
        return found

    def _check_conditions(self) -> None:
        waiting, self._conditions = self._conditions, []
        for condition, found in waiting:
            if found.cancelled():
                continue
            if condition():
                found.set_result(None)
            else:
                self._conditions.append((condition, found))

    # ------------------------------------------------------------------------------------- for the connections

    def connection_opened(self, connection: Connection) -> None:
        """See `ConnectionOwner.connection_opened`. A connection that is made while the broker closes is aborted."""
        self.open_connections[connection.number] = connection
        self._empty.clear()
        if self.engine.observer is not None:
            self.engine.observer.connection_opened(connection.info())
        if self._closing:
            connection.close(abort=True)

    def client_connected(self, connection: Connection, client: Client) -> None:
        """See `ConnectionOwner.client_connected`."""
        self._of_client[client.number] = connection
        if self.engine.observer is not None:
            self.engine.observer.connection_authenticated(connection.info(), client)

    def client_disconnected(self, client: Client) -> None:
        """See `ConnectionOwner.client_disconnected`."""
        self.engine.close(client)
        self._of_client.pop(client.number, None)

    def connection_closed(self, connection: Connection) -> None:
        """See `ConnectionOwner.connection_closed`."""
        self.open_connections.pop(connection.number, None)
        if self.engine.observer is not None:
            self.engine.observer.connection_closed(connection.info())
        if not self.open_connections:
            self._empty.set()

    def flush(self) -> None:
        """See `ConnectionOwner.flush`. Repeats until no client has new frames.

        If there are changes to commit, the frames are written after the commit, with those of the other connections
        that are read in this turn of the event loop.
        """
        if not self._commit_due:
            self._flush()

    def _flush(self) -> None:
        while has_output := self.engine.take_clients_with_output():
            for client in has_output:
                connection = self._of_client.get(client.number)
                if connection is not None:
                    connection.write()
        if self._conditions:
            self._check_conditions()
        engine = self.engine
        while engine.slow_clients:
            connection = self._of_client.get(engine.slow_clients.pop().number)
            if connection is not None:
                connection.too_slow()
        due = engine.deadline
        if due is not None and (self._due is None or due < self._due):
            self._set_timer(due)
        if engine.has_unfinished_work and not self._continuing:
            self._continuing = True
            asyncio.get_running_loop().call_soon(self._continue)

    def commit(self) -> StoreFailed | None:
        """See `ConnectionOwner.commit`."""
        if self._persistence is not None and self._persistence.has_changes:
            try:
                self._persistence.commit()
            except StoreFailed as err:
                return err
        return None

    def _commit_soon(self) -> None:
        if not self._commit_due:
            self._commit_due = True
            asyncio.get_running_loop().call_soon(self._commit_and_flush)

    def _commit_and_flush(self) -> None:
        self._commit_due = False
        if self.commit() is not None and not self._closing:
            asyncio.get_running_loop().call_later(RETRY_AFTER, self._commit_soon)
        self._flush()

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        wait = max(due - time.time(), 0.001)
        self._timer = asyncio.get_running_loop().call_later(wait, self._on_timer)

    def _on_timer(self) -> None:
        self._due = self._timer = None
        self.engine.run_due()
        self.flush()

    def _continue(self) -> None:
        self._continuing = False
        self.engine.continue_work()
        self.flush()
