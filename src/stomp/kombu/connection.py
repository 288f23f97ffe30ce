"""`KombuConnection`: what the channels of a transport share: the client, the readers of queues, and the declarations.

Rules of this file:

- Messages stay in the queues of the client until Kombu takes them. An arriving message sets an event, for a waiting
  thread, and makes a socket readable, for Kombu's event loop.
- Exchanges, queues and bindings are known per process and broker, because STOMP has no commands that declare them.
"""

# Kombu has few annotations, and pyright infers types from its defaults, such as None.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from typing import TYPE_CHECKING

from kombu.transport import virtual

from stomp.client.sync.client import Client
from stomp.core.engine.status import ClientState
from stomp.core.errors import NotConnected, OutcomeUnknown
from stomp.kombu.destinations import QueueSettings, queue_destination, queue_headers, routing_headers
from stomp.kombu.payload import encode, send_options
from stomp.kombu.reader import DECLARES, QueueReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.core.engine.broker_profiles import BrokerProfile
    from stomp.kombu.payload import Payload
    from stomp.kombu.reader import Unsettled

#: Seconds for the broker's answer when a connection is closed.
CLOSE_TIMEOUT = 5.0
#: Seconds between the loss of the connection during a send, and its error.
LOSS_PAUSE = 0.5


class Declarations(virtual.BrokerState):
    """The exchanges, queues and bindings that this process has declared for one broker."""

    def __init__(self) -> None:
        super().__init__()
        self.queues: dict[str, QueueSettings] = {}


class Wakeup:
    """A socket that becomes readable when messages have arrived, for an event loop."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        self._is_set = False

    def set(self) -> None:
        """Make the socket readable."""
        if not self._is_set:
            self._is_set = True
            with contextlib.suppress(OSError):  # full, so it is readable, or closed
                self._writer.send(b"\0")

    def clear(self) -> None:
        """Read the socket."""
        with contextlib.suppress(BlockingIOError):
            self.reader.recv(4096)
        self._is_set = False

    def close(self) -> None:
        """Close both ends."""
        self.reader.close()
        self._writer.close()


#: The declarations of each broker. The keys have no credentials.
_DECLARATIONS: dict[tuple[str, ...], Declarations] = {}


def _declarations(stomp: Client) -> Declarations:
    config = stomp._settings.config
    key = (*map(str, config.addresses), config.vhost or "")
    return _DECLARATIONS.setdefault(key, Declarations())


class KombuConnection:
    """A connection to a broker.

    Args:
        connect: makes a connected client.
        delays: let the broker delay tasks with ``eta`` or ``countdown``, if it can.

    Attributes:
        client: the client.
        profile: the broker profile.
        state: the declarations.
        readers: what is received, by the name of the queue.
        unsettled: the messages that the broker waits for, by their delivery tag.
        closing: the connection is being closed, so the broker gives back what is unsettled.
        paused: a channel has as many unsettled messages as it may have.
        arrived: set when messages may have arrived, or the connection was lost.
        wakeup: the same for an event loop, or None.
    """

    def __init__(self, connect: Callable[[], Client], *, delays: bool) -> None:
        self._connect = connect
        self._clients: list[Client] = []  # those that have one queue
        self.wakeup: Wakeup | None = None
        self.arrived = threading.Event()
        self.client = self._new_client()
        self.profile: BrokerProfile = self.client.broker
        self.state = _declarations(self.client)
        self.readers: dict[str, QueueReader] = {}
        self.unsettled: dict[str, Unsettled] = {}
        self.closing = False
        self.paused = False
        self._delays = delays
        self._declared: set[str] = set()  # transient queues that were declared on this connection
        self._tags = itertools.count(1)

    def _new_client(self) -> Client:
        client = self._connect()
        with client._lock:
            client._engine.state_changed.add_callback(self.wake)
        return client

    @property
    def is_usable(self) -> bool:
        """True until the connection is lost or closed."""
        return all(client.state is ClientState.CONNECTED for client in (self.client, *self._clients))

    def check(self) -> None:
        """Check that the connection can be used.

        Raises:
            NotConnected: it is closed, or was lost.
        """
        for client in (self.client, *self._clients):
            if client.state.over:
                error = client.error
                if isinstance(error, NotConnected):
                    raise error
                raise NotConnected(
                    f"the connection was lost: {error}" if error else "the connection is closed"
                )

    def open_for_queue(self) -> Client:
        """The client for the subscriptions to a queue: see `stomp.kombu.reader`."""
        if not self.profile.holds_unacked_until_disconnect:
            return self.client
        client = self._new_client()
        self._clients.append(client)
        return client

    def close_for_queue(self, client: Client) -> bool:
        """Close that client, if it is not used for anything else. Returns False otherwise."""
        if client is self.client:
            return False
        self._clients.remove(client)
        client.close(CLOSE_TIMEOUT)
        return True

    def close(self) -> None:
        """Disconnect. The broker delivers unsettled messages again."""
        self.closing = True
        for client in (*self._clients, self.client):
            client.close(CLOSE_TIMEOUT)
        self._clients.clear()
        for name, reader in self.readers.items():
            if reader.settings.transient:
                self._forget_bindings(name)
        self.readers.clear()
        self.unsettled.clear()

    # ------------------------------------------------------------------------------------- declaring

    def declare(self, settings: QueueSettings) -> None:
        """Remember how a queue is declared, and declare a transient one on RabbitMQ.

        Other brokers make a queue for the first message. RabbitMQ needs the settings of its owner, but a result may be
        sent by another process first. A message that has expired declares it.
        """
        self.state.queues[settings.name] = settings
        if settings.transient and settings.name not in self._declared and self.profile.name == "rabbitmq":
            self._declared.add(settings.name)
            headers = {**queue_headers(self.profile, settings), DECLARES: "true", "expiration": 0}
            destination = queue_destination(self.profile, settings.name)
            self.client.send(destination, b"", confirm=True, headers=headers)

    def settings_of(self, queue: str) -> QueueSettings:
        """How a queue is declared; the defaults if that is not known."""
        return self.state.queues.get(queue) or QueueSettings(queue)

    def forget(self, queue: str) -> None:
        """Forget a queue that was deleted."""
        self.state.queues.pop(queue, None)
        self._declared.discard(queue)
        reader = self.readers.pop(queue, None)
        if reader is not None:
            reader.close()

    def _forget_bindings(self, queue: str) -> None:
        self.state.queues.pop(queue, None)
        for exchange, _key, _arguments in list(self.state.queue_bindings(queue)):
            table = self.state.exchanges.get(exchange, {}).get("table", [])
            table[:] = [meta for meta in table if meta[2] != queue]
        self.state.queue_bindings_delete(queue)

    # ------------------------------------------------------------------------------------- sending

    def send_to_queue(self, queue: str, message: Payload, *, timeout: float | None = None) -> None:
        """Send a message to a queue. Returns when the broker has confirmed it."""
        profile = self.profile
        settings = self.state.queues.get(queue)
        options = send_options(message, profile, delays=self._delays)
        declares = {} if settings is None else queue_headers(profile, settings)
        options["headers"] = {**declares, **routing_headers(profile, shared=True, subscribes=False)}
        destination = queue_destination(profile, queue, declared=settings is not None)
        try:
            self.client.send(destination, encode(message), confirm=True, timeout=timeout, **options)
        except OutcomeUnknown:
            # While a quorum queue elects its leader (up to a second), each node of RabbitMQ accepts connections, and
            # closes them at the first message. Kombu pauses only after a refused connection: without this pause, the
            # three retries of Celery are over in 30 ms.
            time.sleep(LOSS_PAUSE)
            raise

    def send_to_topic(self, destination: str, message: Payload) -> None:
        """Send a message to a topic. Not confirmed: without a subscriber the broker discards it anyway."""
        profile = self.profile
        options = send_options(message, profile, delays=False)
        options["headers"] = routing_headers(profile, shared=False, subscribes=False)
        self.client.send(destination, encode(message), **options)

    # ------------------------------------------------------------------------------------- receiving

    def reader(self, queue: str) -> QueueReader:
        """The reader of a queue; made when it is first needed."""
        reader = self.readers.get(queue)
        if reader is None:
            reader = self.readers[queue] = QueueReader(self, self.settings_of(queue))
        return reader

    def next_tag(self) -> str:
        """A delivery tag that no other message of this connection has."""
        return str(next(self._tags))

    def purge(self, queue: str, timeout: float) -> int:
        """Remove the messages of a queue. Returns their number.

        Args:
            queue: the name of the queue.
            timeout: seconds without a message after which the queue counts as empty.
        """
        reader = QueueReader(self, self.settings_of(queue))
        reader.consume(no_ack=False, prefetch=0)
        count = 0
        try:
            while (taken := reader.receive(timeout)) is not None:
                if (message := taken[1]) is not None:
                    message.ack()
                    reader.settled()
                    count += 1
        finally:
            reader.close()
        return count

    def wake(self) -> None:
        """Have the waiting thread, or the event loop, check for messages. It does not block."""
        self.arrived.set()
        if self.wakeup is not None:
            self.wakeup.set()

    def resume(self) -> None:
        """Deliver again after a channel has settled messages."""
        if self.paused:
            self.paused = False
            self.wake()
