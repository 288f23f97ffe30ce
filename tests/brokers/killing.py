"""Moves numbered messages from a producer to a consumer, while the broker of their connections is killed.

The producer sends unconfirmed messages again; the consumer acknowledges each message. A `Cluster` is a list of
addresses, one for each process of scripts/brokers. One of them may be down: the clients connect to another.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import stomp
from tests.brokers.conftest import ROOT, address_of, require, trouble_with, variable_of
from tests.pulling.places import Place

#: Seconds; a node of RabbitMQ takes up to 30 to start on a busy machine.
PATIENCE = 120.0


@dataclass(frozen=True)
class Cluster:
    """Processes of scripts/brokers that clients use by turns.

    Attributes:
        ports: the default port of each process.
        headers: headers of SEND and SUBSCRIBE.
        marks: a message that was delivered before a kill is marked as redelivered after it.
    """

    name: str
    ports: Mapping[str, int]
    headers: Mapping[str, str] = field(default_factory=dict)
    marks: bool = True

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        return {name: address_of(variable_of(name), port) for name, port in self.ports.items()}

    @property
    def url(self) -> str:
        servers = ",".join(f"stomp://admin:password@{host}:{port}" for host, port in self.addresses.values())
        return f"failover:({servers})"

    @property
    def place(self) -> Place:
        return Place(self.url, self.name, self.url)

    def check(self) -> None:
        """Skip or fail the test, if no process answers."""
        troubles = [trouble_with(address, "admin", "password") for address in self.addresses.values()]
        require(next(iter(self.ports)), None if None in troubles else "; ".join(map(str, troubles)))

    def process_of(self, client: Any) -> str:
        """The process that a client is connected to; waits while it is not connected."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            address = client.address
            for name, (host, port) in self.addresses.items():
                if address is not None and (address.host, address.port) == (host, port):
                    return name
            time.sleep(0.01)
        raise AssertionError(f"no connection to {self.name} in {PATIENCE:g} s: {client.error}")


def run(command: str, name: str) -> None:
    """Run scripts/brokers for one process."""
    done = subprocess.run(
        [ROOT / "scripts" / "brokers", command, name],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Result:
    """What was received.

    Attributes:
        deliveries: for each number, whether each delivery was marked as a possible copy.
        ids: for each number, the ids by which its copies are recognised.
        killed: the processes that were killed, in this order.
    """

    deliveries: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    killed: list[str] = field(default_factory=list)
    resent: int = 0

    @property
    def copies(self) -> int:
        """Deliveries after the first of their number."""
        return sum(len(marks) - 1 for marks in self.deliveries.values())

    @property
    def unmarked(self) -> int:
        """Copies without a mark. The broker decides which of two copies is delivered first: one of them is marked."""
        return sum(max(0, marks.count(False) - 1) for marks in self.deliveries.values())

    def __str__(self) -> str:
        return (
            f"{len(self.deliveries)} received, {self.copies} copies ({self.unmarked} unmarked), {self.resent} sent "
            f"again, killed: {' '.join(self.killed)}"
        )


class Mover:
    """Sends COUNT messages in as many parts as there are kills, and receives them.

    Args:
        make: makes connected clients, see `tests.pulling.faces.makers`.
        cluster: the brokers.
        count: the number of messages.
    """

    def __init__(self, make: Callable[..., Any], cluster: Cluster, count: int) -> None:
        self._cluster = cluster
        self._count = count
        self._queue = f"/queue/{cluster.name}-{time.time_ns()}"
        settings = {
            "backoff": stomp.Backoff(initial=0.05, increase=0.5, jitter=0.1, maximum=0.5),
            "attempts": -1, "reattempts": -1, "max_losses": -1, "timeout": PATIENCE,
        }  # fmt: skip
        self._producer = make(on_unknown="resend", window=200, **settings)
        self._consumer = make(**settings)
        self._id = self._consumer.broker.deduplication
        self._allowed = 0
        self._changed = threading.Condition()
        self.result = Result()
        self._errors: list[BaseException] = []

    def move(self, kills: int) -> Result:
        """Move all messages; kill the process of the consumer and that of the producer by turns."""
        threads = [
            threading.Thread(target=self._keep, args=[part], daemon=True) for part in (self._send, self._take)
        ]
        for thread in threads:
            thread.start()
        for number in range(kills):
            done, end = self._count * number // kills, self._count * (number + 1) // kills
            self._allow(end)
            self._wait_for((done + end) // 2)
            victim = self._cluster.process_of(self._producer if number % 2 else self._consumer)
            run("kill", victim)
            self.result.killed.append(victim)
            if len(self._cluster.ports) == 2:
                # Whichever of a pair comes first has the store.
                self._cluster.process_of(self._consumer)
            run("up", victim)
            self._wait_for(end)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert not self._errors, self._errors
        self.result.resent = self._producer.stats().resent
        return self.result

    @contextlib.contextmanager
    def _errors_kept(self) -> Iterator[None]:
        try:
            yield
        except BaseException as err:
            with self._changed:
                self._errors.append(err)
                self._changed.notify_all()
            raise

    def _keep(self, part: Callable[[], None]) -> None:
        with contextlib.suppress(BaseException), self._errors_kept():
            part()

    def _may_send(self, number: int) -> bool:
        return number < self._allowed

    def _allow(self, end: int) -> None:
        with self._changed:
            self._allowed = end
            self._changed.notify_all()

    def _wait_for(self, number: int) -> None:
        with self._changed:
            came = self._changed.wait_for(
                lambda: len(self.result.deliveries) >= number or self._errors, PATIENCE
            )
            assert not self._errors, self._errors
            assert came, f"{len(self.result.deliveries)} of {number} have come"

    def _send(self) -> None:
        confirmations: list[Any] = []
        while (number := len(confirmations)) < self._count:
            with self._changed:
                assert self._changed.wait_for(partial(self._may_send, number), PATIENCE)
            confirmation = self._producer.send_async(
                self._queue, str(number), headers=self._cluster.headers, persistent=True
            )
            confirmations.append(confirmation)
        for confirmation in confirmations:
            confirmation.result(timeout=PATIENCE)

    def _take(self) -> None:
        settings: dict[str, Any] = {"ack": "client-individual", "headers": self._cluster.headers}
        with self._consumer.subscribe(self._queue, **settings) as subscription:
            for message in subscription:
                with message:
                    self._note(message)
                if len(self.result.deliveries) == self._count:
                    break
            # Copies of the last ones may follow.
            while (message := subscription.receive(timeout=1)) is not None:
                with message:
                    self._note(message)

    def _note(self, message: Any) -> None:
        number = int(message.text)
        with self._changed:
            self.result.deliveries[number].append(message.redelivered or message.possible_duplicate)
            self.result.ids[number].add(message.headers.get(self._id, ""))
            self._changed.notify_all()
