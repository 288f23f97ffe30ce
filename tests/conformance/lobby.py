"""Connections with a recording listener (`Guest`), and their clean-up after the test (`Lobby`)."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import stomp
from stomp.utils import Frame
from tests.conformance.venues import Venue, numbers
from tests.listening import RecentFrames, stomp_threads, wait_until

CLASSES: dict[str, Any] = {
    "1.0": stomp.Connection10,
    "1.1": stomp.Connection11,
    "1.2": stomp.Connection12,
}
#: The numbers of the queues of each pool.
_numbers = functools.cache(numbers)


class Guest:
    """A connection to a broker, with a listener that records all callbacks.

    Attributes:
        conn: the connection.
        recorder: the listener with the recorded callbacks.
        blunders: True if the test expects an ERROR.
    """

    def __init__(
        self, venue: Venue, version: str, listener: RecentFrames | None = None, **options: Any
    ) -> None:
        if version != "1.0" and venue.vhost is not None:
            options.setdefault("vhost", venue.vhost)
        options.setdefault("timeout", 10)
        self.venue = venue
        self.version = version
        self.blunders = False
        self.recorder = listener or RecentFrames()
        make: Any = stomp.WSConnection if venue.web else CLASSES[version]
        self.conn = make([venue.address], **options)
        if venue.tls is not None:
            self.conn.set_ssl(**venue.tls)
        self.conn.set_listener("guest", self.recorder)

    def enter(self) -> Guest:
        self.conn.connect(self.venue.user, self.venue.password, wait=True)
        return self

    def leave(self) -> None:
        """Disconnect; the connection must be closed when `disconnect` returns."""
        self.conn.disconnect()
        assert not self.conn.is_connected()
        self.recorder.wait_for_method("on_disconnected", self.recorder.methods.count("on_connected"))

    def cut(self) -> None:
        """Close the socket without DISCONNECT."""
        self.conn.transport.disconnect_socket()
        self.recorder.wait_for_method("on_disconnected", self.recorder.methods.count("on_connected"))

    # ------------------------------------------------------------------------------------- verbs

    def confirmed(self, receipt: str) -> None:
        """Wait for a RECEIPT."""
        self.recorder.wait_for(lambda: ("on_receipt", receipt) in self.recorder.notes)

    def subscribe(self, destination: str, id: str = "1", ack: str = "auto", **headers: str) -> None:
        """Subscribe, and wait for the RECEIPT."""
        receipt = f"subscribed-{uuid.uuid4().hex}"
        self.conn.subscribe(destination, id, ack, self.headers_for(destination, headers), receipt=receipt)
        self.confirmed(receipt)

    def unsubscribe(self, destination: str, id: str = "1") -> None:
        """Unsubscribe, and wait for the RECEIPT."""
        receipt = f"unsubscribed-{uuid.uuid4().hex}"
        if self.version == "1.0":
            self.conn.unsubscribe(destination, id, receipt=receipt)
        else:
            self.conn.unsubscribe(id, receipt=receipt)
        self.confirmed(receipt)

    def send(self, destination: str, body: str | bytes, **headers: str) -> None:
        self.conn.send(destination, body, headers=self.headers_for(destination, headers))

    def send_surely(self, destination: str, body: str | bytes, **headers: str) -> None:
        """Send, and wait for the RECEIPT."""
        receipt = f"sent-{uuid.uuid4().hex}"
        self.send(destination, body, receipt=receipt, **headers)
        self.confirmed(receipt)

    def accept(self, frame: Frame, transaction: str | None = None) -> None:
        """Send ACK, and wait for the RECEIPT."""
        receipt = f"accepted-{uuid.uuid4().hex}"
        if self.version == "1.1":
            headers = frame.headers
            self.conn.ack(headers["message-id"], headers["subscription"], transaction, receipt)
        else:
            self.conn.ack(
                frame.headers["ack" if self.version == "1.2" else "message-id"], transaction, receipt
            )
        self.confirmed(receipt)

    def refuse(self, frame: Frame, **headers: str) -> None:
        """Send NACK, and wait for the RECEIPT."""
        receipt = f"refused-{uuid.uuid4().hex}"
        if self.version == "1.1":
            names = [frame.headers["message-id"], frame.headers["subscription"]]
        else:
            names = [frame.headers["ack"]]
        self.conn.nack(*names, receipt=receipt, **headers)
        self.confirmed(receipt)

    def headers_for(self, destination: str, headers: dict[str, str]) -> dict[str, str]:
        if destination.startswith("/queue/"):
            return {**self.venue.habits.queue_headers, **headers}
        return headers

    # ------------------------------------------------------------------------------------- what came

    @property
    def frames(self) -> list[Frame]:
        """All received messages, oldest first."""
        return [detail for method, detail in self.recorder.notes if method == "on_message"]

    def messages(self, count: int) -> list[Frame]:
        """Wait for this number of messages, and return all."""
        self.recorder.wait_for_method("on_message", count)
        return self.frames

    def message(self, body: str | bytes) -> Frame:
        """Wait for a message with this body, and return the latest one."""
        self.recorder.wait_for(lambda: body in self.recorder.bodies)
        return [frame for frame in self.frames if frame.body == body][-1]


class Lobby:
    """Makes connections and unique destinations; `close` disconnects all and checks that nothing is left over."""

    def __init__(self, venue: Venue, version: str) -> None:
        self.venue = venue
        self.version = version
        self.guests: list[Guest] = []
        self.queues: list[str] = []

    def guest(self, version: str | None = None, **options: Any) -> Guest:
        """A connection that is not open yet."""
        guest = Guest(self.venue, version or self.version, **options)
        self.guests.append(guest)
        return guest

    def enter(self, version: str | None = None, **options: Any) -> Guest:
        """An open connection."""
        return self.guest(version, **options).enter()

    def queue(self) -> str:
        """An empty queue."""
        pool = self.venue.habits.pool
        if pool:
            queue = f"/queue/pool-{next(_numbers(pool))}"
            self.take_all(queue)  # another run may have left messages
        else:
            queue = f"/queue/conformance-{uuid.uuid4().hex}"
        self.queues.append(queue)
        return queue

    def topic(self) -> str:
        return f"{self.venue.habits.topic_prefix}conformance-{uuid.uuid4().hex}"

    def take_all(self, queue: str) -> list[str]:
        """Consume all messages of a queue; return their bodies."""
        end = f"end of {queue}"
        guest = self.enter()
        guest.subscribe(queue)
        guest.send(queue, end)
        guest.message(end)
        # HornetQ delivers to a consumer that only disconnects, also after the RECEIPT of that, and then once more.
        guest.unsubscribe(queue)
        guest.leave()
        *bodies, last = guest.recorder.bodies
        assert last == end
        return bodies

    def close(self) -> None:
        for guest in self.guests:
            guest.leave()
        if not self.venue.habits.queue_headers:
            for queue in self.queues:
                self.take_all(queue)
        for guest in self.guests:
            methods = guest.recorder.methods
            for end in ("on_disconnected", "on_receiver_loop_completed"):
                assert methods.count(end) == methods.count("on_connecting"), methods
            errors = [detail for method, detail in guest.recorder.notes if method == "on_error"]
            assert bool(errors) == guest.blunders, [(error.headers, error.body) for error in errors]
        wait_until(lambda: not stomp_threads())


class Suite:
    """Base class of the test classes. `spread` provides `venue` and `version`."""

    @pytest.fixture
    def lobby(self, venue: Venue, version: str) -> Iterator[Lobby]:
        lobby = Lobby(venue, version)
        yield lobby
        lobby.close()
