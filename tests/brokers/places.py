"""A broker with clients and destinations for one test, and a connection that writes frames without the library."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import stomp
from stomp.core.engine.broker_profiles import BrokerProfile
from stomp.testing.servers import read_frame
from stomp.utils import Frame
from tests.brokers.conftest import RealBroker, new_queue, new_topic

PATIENCE = 30.0
SHORT = 0.3


class RawFrame(NamedTuple):
    """A frame as it was read. Values of headers are not unescaped."""

    command: str
    headers: dict[str, str]
    names: list[str]
    body: bytes


class RawConnection:
    """STOMP 1.2 over a socket, without the code under test."""

    def __init__(self, broker: RealBroker) -> None:
        self._sock = socket.create_connection(broker.address, timeout=PATIENCE)
        self._kept: list[RawFrame] = []
        head = {"accept-version": "1.2", "heart-beat": "0,0", "host": broker.vhost}
        self.write("CONNECT", b"", **head, login=broker.user, passcode=broker.password)
        assert self.read().command == "CONNECTED"

    def close(self) -> None:
        self._sock.close()

    def leave(self) -> None:
        """Disconnect. HornetQ may hold the messages of a connection that is only closed."""
        self.done("DISCONNECT")
        self.close()

    def write(self, command: str, body: bytes = b"", **headers: str) -> None:
        head = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self._sock.sendall(f"{command}\n{head}\n".encode() + body + b"\0")

    def done(self, command: str, body: bytes = b"", **headers: str) -> None:
        """Write a frame, and read its RECEIPT. A MESSAGE that comes before is kept."""
        receipt, early = uuid.uuid4().hex, []
        self.write(command, body, receipt=receipt, **headers)
        while (answer := self.read()).command == "MESSAGE":
            early.append(answer)
        self._kept = early
        assert (answer.command, answer.headers.get("receipt-id")) == ("RECEIPT", receipt), answer

    def read(self) -> RawFrame:
        frame = self.next(PATIENCE)
        assert frame is not None, "no frame came"
        return frame

    def next(self, timeout: float) -> RawFrame | None:
        """The next frame; None if there is none within this time."""
        if self._kept:
            return self._kept.pop(0)
        self._sock.settimeout(timeout)
        try:
            data = read_frame(self._sock)
        except TimeoutError:
            return None
        head, _, body = data[:-1].partition(b"\n\n")
        command, *lines = head.decode().split("\n")
        pairs = [(name, value) for name, _, value in (line.partition(":") for line in lines)]
        return RawFrame(command, dict(reversed(pairs)), [name for name, _ in pairs], body)

    def subscribe(self, queue: str) -> None:
        self.done("SUBSCRIBE", destination=queue, id="1", ack="client-individual")

    def message(self) -> RawFrame:
        """Read the next frame, which must be a MESSAGE."""
        frame = self.read()
        assert frame.command == "MESSAGE", frame
        return frame


class Place:
    """A broker, its clients and destinations, for one test.

    Attributes:
        broker: the broker.
        name: its name.
        profile: the profile of its kind.
        queue: an empty queue.
        topic: a topic.
    """

    def __init__(self, broker: RealBroker, stack: ExitStack) -> None:
        self.broker = broker
        self._stack = stack
        self.name = broker.name
        self.profile: BrokerProfile = self.client().broker
        self.queue = new_queue(broker)
        self.topic = new_topic(broker)

    def client(self, client_id: str | None = None) -> stomp.Client:
        """A client that is connected until the end of the test."""
        return self._stack.enter_context(self._new_client(client_id))

    def _new_client(self, client_id: str | None = None) -> stomp.Client:
        return stomp.Client(
            f"stomp://{self.broker.host}:{self.broker.port}",
            vhost=self.broker.vhost,
            login=self.broker.user,
            passcode=self.broker.password,
            client_id=client_id,
        )

    def web_client(self, kind: str | None = None) -> stomp.Client:
        """A client over a WebSocket, for a broker of this kind; None to recognise it."""
        assert self.broker.ws_url is not None
        return stomp.Client(
            self.broker.ws_url,
            broker=kind,
            vhost=self.broker.vhost,
            login=self.broker.user,
            passcode=self.broker.password,
            reconnect=False,
        )

    def raw(self) -> RawConnection:
        connection = RawConnection(self.broker)
        self._stack.callback(connection.close)
        return connection

    def put(self, body: str, *, persistent: bool = True, **headers: str) -> None:
        """Send a message to the queue."""
        with self._new_client() as client:
            client.send(self.queue, body, confirm=True, persistent=persistent, headers=headers)

    def rest(self, queue: str | None = None, selector: str | None = None, wait: float = 1.0) -> list[str]:
        """What is in the queue, which is empty then."""
        with self._new_client() as client:
            subscription = client.subscribe(queue or self.queue, selector=selector)
            return [message.text for message in subscription.messages(wait)]

    def error_of_subscribe(self, **headers: str) -> str:
        """The text of the ERROR that answers a SUBSCRIBE to the queue."""
        texts: list[str] = []
        answered = threading.Event()

        class Errors(stomp.ConnectionListener):
            def on_error(self, frame: Frame) -> None:
                texts.append(str(frame.headers["message"]) + str(frame.body))
                answered.set()

        conn = stomp.Connection12([self.broker.address], vhost=self.broker.vhost)
        conn.set_listener("errors", Errors())
        conn.connect(self.broker.user, self.broker.password, wait=True)
        conn.subscribe(self.queue, "1", headers=headers)
        assert answered.wait(PATIENCE)
        conn.disconnect()
        return texts[0]

    def fill(self, count: int) -> None:
        self.client().send_many([(self.queue, str(number)) for number in range(count)])

    def deliveries(self, subscription: stomp.Subscription, count: int) -> int:
        """The number of messages that arrive, at most this number, while none is acknowledged."""
        number = 0
        while number < count and subscription.receive(timeout=PATIENCE if number == 0 else 1.0) is not None:
            number += 1
        return number


#: A check of one field of a profile.
Check = Callable[[Place], None]
