"""A broker process that is killed again and again while clients send and consume; what they know is checked.

A producer knows which messages the broker has confirmed by a RECEIPT, and a consumer which acknowledgements. Then

- no confirmed message may be missing in the end, unless a consumer has acknowledged it,
- no message may be delivered after its acknowledgement was confirmed,
- a message that was delivered before must have ``redelivered:true``,
- of the messages of one transaction, all arrive or none.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from stomp.core.frames.frame import Frame
from tests.broker.rawclient import Ended, RawClient

SRC = Path(__file__).parents[2] / "src"
#: Milliseconds until a scheduled message is delivered, at most.
LONGEST_DELAY = 500
QUEUE = "/queue/kept"
TOPIC = "/topic/kept"
DURABLE = {
    "id": "d",
    "destination": TOPIC,
    "durable": "true",
    "auto_delete": "false",
    "ack": "client-individual",
}
#: Number of messages of a transaction.
GROUP = 3
#: Seconds until the broker must have started, and until all messages must have been consumed in the end.
PATIENCE = 60.0
_LOST = (OSError, Ended)  # the connection has ended, because the broker was killed


class Place:
    """The address of the broker; the port changes with each start."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.is_up = threading.Event()


class Book:
    """What the clients know; used by several threads.

    Attributes:
        confirmed: bodies of messages whose RECEIPT has arrived.
        sent: bodies of all messages.
        delivered: bodies of messages that were delivered.
        acknowledged: bodies of messages for which an ACK was sent.
        settled: bodies of messages whose ACK was confirmed.
        faults: what must not happen, in words.
        redelivered: number of messages that were delivered more than once.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.confirmed: set[str] = set()
        self.sent: set[str] = set()
        self.delivered: set[str] = set()
        self.acknowledged: set[str] = set()
        self.settled: set[str] = set()
        self.faults: list[str] = []
        self.redelivered = 0

    def note_delivery(self, body: str, *, redelivered: bool) -> None:
        with self.lock:
            if body not in self.sent:
                self.faults.append(f"{body} was never sent")
            if body in self.settled:
                self.faults.append(f"{body} was delivered after its confirmed acknowledgement")
            if body in self.delivered:
                self.redelivered += 1
                if not redelivered:
                    self.faults.append(f"{body} was delivered again without redelivered:true")
            self.delivered.add(body)

    def check(self) -> list[str]:
        """The faults, in the end, when the queues are empty and all connections have ended."""
        missing = self.confirmed - self.acknowledged
        groups: dict[str, int] = {}
        for body in self.delivered:
            if body.startswith("group "):
                name = body.rpartition(" ")[0]
                groups[name] = groups.get(name, 0) + 1
        return [
            *self.faults,
            *(f"{body} was confirmed, and is lost" for body in sorted(missing)),
            *(f"{name} has {count} of {GROUP} messages" for name, count in groups.items() if count != GROUP),
        ]


class Restarts:
    """The broker process and its clients.

    Args:
        path: the file of the store.
        seed: for the moments at which the broker is killed, and for what the clients do.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.book = Book()
        self._random = random.Random(seed)
        self._place = Place()
        self._ending = threading.Event()  # the producers stop
        self._stopping = threading.Event()  # the consumers stop
        self._process: subprocess.Popen[str] | None = None
        self._failures: list[BaseException] = []

    def run(self, restarts: int, on_restart: Callable[[int], object] = lambda number: None) -> list[str]:
        """Kill the broker this number of times while four clients use it; return the faults."""
        self._start()
        with RawClient(self._place) as client:
            client.connect()
            client.send("SUBSCRIBE", receipt="r", **DURABLE)
            client.expect("RECEIPT")
        seeds = [self._random.random() for _ in range(4)]
        producers = [
            self._thread(self._produce, QUEUE, "q", seeds[0]),
            self._thread(self._produce, TOPIC, "t", seeds[1]),
        ]
        consumers = [
            self._thread(
                self._consume, {**DURABLE, "id": "q", "destination": QUEUE, "durable": "false"}, seeds[2]
            ),
            self._thread(self._consume, DURABLE, seeds[3]),
        ]
        try:
            for number in range(restarts):
                time.sleep(self._random.uniform(0, 0.3))
                self._kill()
                self._start()
                on_restart(number)
            self._ending.set()
            for thread in producers:
                thread.join(PATIENCE)
            self._wait_until_all_is_acknowledged()
        finally:
            self._ending.set()
            self._stopping.set()
            self._place.is_up.set()
            self._kill()
            for thread in (*producers, *consumers):
                thread.join(PATIENCE)
        if self._failures:
            raise self._failures[0]
        return self.book.check()

    # ------------------------------------------------------------------------------------- the process

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stomp", "broker", "--port", "0", "--store", str(self.path)],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "listening" in line, line
        self._place.port = int(line.rpartition(":")[2])
        self._place.is_up.set()

    def _kill(self) -> None:
        self._place.is_up.clear()
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    # ------------------------------------------------------------------------------------- the clients

    def _thread(self, client: Callable[..., None], *arguments: object) -> threading.Thread:
        def body() -> None:
            try:
                client(*arguments)
            except BaseException as err:
                self._failures.append(err)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        return thread

    def _produce(self, destination: str, prefix: str, seed: float) -> None:
        choose, number = random.Random(seed), 0
        while not self._ending.is_set():
            self._place.is_up.wait()
            try:
                with RawClient(self._place) as client:
                    client.connect()
                    while not self._ending.is_set():
                        number += 1
                        if choose.random() < 0.2:
                            self._send_group(client, destination, f"group {prefix} {number}")
                        else:
                            bodies = [
                                f"{prefix} {number} {index}" for index in range(choose.randrange(1, 40))
                            ]
                            delay = choose.randrange(LONGEST_DELAY) if choose.random() < 0.3 else 0
                            self._send(client, destination, bodies, delay)
            except _LOST:
                continue

    def _send(self, client: RawClient, destination: str, bodies: list[str], delay: int = 0) -> None:
        headers = {"AMQ_SCHEDULED_DELAY": delay} if delay else {}
        with self.book.lock:
            self.book.sent.update(bodies)
        for body in bodies:
            client.send("SEND", body, destination=destination, persistent="true", receipt=body, **headers)
        for body in bodies:
            client.expect("RECEIPT", receipt_id=body)
            with self.book.lock:
                self.book.confirmed.add(body)

    def _send_group(self, client: RawClient, destination: str, name: str) -> None:
        bodies = [f"{name} {index}" for index in range(GROUP)]
        with self.book.lock:
            self.book.sent.update(bodies)
        client.send("BEGIN", transaction="t")
        for body in bodies:
            client.send("SEND", body, destination=destination, persistent="true", transaction="t")
        client.send("COMMIT", transaction="t", receipt=name)
        client.expect("RECEIPT", receipt_id=name)
        with self.book.lock:
            self.book.confirmed.update(bodies)

    def _consume(self, subscribe: dict[str, str], seed: float) -> None:
        choose = random.Random(seed)
        while not self._stopping.is_set():
            self._place.is_up.wait()
            try:
                with RawClient(self._place) as client:
                    client.connect()
                    client.send("SUBSCRIBE", **subscribe, prefetch_count=50)
                    waiting: dict[str, str] = {}  # receipts of acknowledgements, and their bodies
                    while not self._stopping.is_set():
                        try:
                            frame = client.frame(0.2)
                        except TimeoutError:
                            continue
                        self._handle(client, frame, waiting, choose)
            except _LOST:
                continue

    def _handle(
        self, client: RawClient, frame: Frame, waiting: dict[str, str], choose: random.Random
    ) -> None:
        book = self.book
        if frame.command == "RECEIPT":
            with book.lock:
                book.settled.add(waiting.pop(frame.headers["receipt-id"]))
            return
        assert frame.command == "MESSAGE", (frame.command, frame.headers, frame.body)
        body = frame.body.decode()
        book.note_delivery(body, redelivered=frame.headers["redelivered"] == "true")
        if choose.random() < 0.03 and not self._ending.is_set():
            # It keeps this message until the broker is killed. Refused ones return at once.
            if choose.random() < 0.5:
                client.send("NACK", id=frame.headers["ack"])
            return
        with book.lock:
            book.acknowledged.add(body)
        receipt = f"ack {len(waiting)} {body}"
        waiting[receipt] = body
        client.send("ACK", id=frame.headers["ack"], receipt=receipt)

    def _wait_until_all_is_acknowledged(self) -> None:
        """Restart the broker once more, so that all messages are delivered again, and wait for the consumers."""
        self._kill()
        self._start()
        last = {QUEUE: "last q", TOPIC: "last t"}
        with RawClient(self._place) as client:
            client.connect()
            for destination, body in last.items():
                self._send(client, destination, [body], 2 * LONGEST_DELAY)  # after all scheduled messages
        deadline = time.monotonic() + PATIENCE
        while not self.book.settled.issuperset(last.values()):
            assert not self._failures, self._failures
            assert time.monotonic() < deadline, "the last messages were not acknowledged"
            time.sleep(0.05)
