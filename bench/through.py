"""From end to end through real brokers: one process that sends and one that receives, both of the same client.

The brokers are those of `scripts/brokers`; one that is not up is skipped.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import threading
from dataclasses import dataclass
from typing import Any

from bench.contenders import CLIENTS, Contender
from bench.places import ROOT
from bench.scenarios import Failed, Figures, Lacking, Scenario, Setting, read_figures, run_client
from bench.work import Work

#: The user that scripts/brokers makes.
LOGIN, PASSCODE = "admin", "password"
PORTS = {"rabbitmq": 61613, "activemq": 62613}
COUNT = 20_000
#: Bounds all of it, in seconds.
TIMEOUT = 40.0
#: Clients that can be used with a real broker. Bare sockets show the limit of the broker.
SPEAKERS = tuple(name for name in CLIENTS if name != "bare-c")

#: What a run that failed leaves in its queue must not reach the next one.
_failures = itertools.count()
_queue = f"/queue/bench-{os.getpid()}"


def endpoint(broker: str) -> tuple[str, int]:
    """Where a broker is.

    Raises:
        Lacking: it is not there.
    """
    configured = os.environ.get(f"BROKERS_{broker.upper()}", f"127.0.0.1:{PORTS[broker]}")
    host, _, port = configured.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError as error:
        raise Lacking(f"{broker} is not up: {error}") from error
    return host, int(port)


def work(broker: str, kind: str, **more: Any) -> Work:
    """A work for a real broker."""
    host, port = endpoint(broker)
    return Work(kind, port, host, LOGIN, PASSCODE, **more)


def start(contender: Contender, work: Work) -> subprocess.Popen[str]:
    """Start a client's process."""
    return subprocess.Popen(
        [*contender.prepare(), *work.words()],
        cwd=ROOT,
        env=contender.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class Through:
    """Messages of 100 B from one process to another one, nothing pinned: the broker needs the machine, too."""

    title: str
    broker: str
    group: str = "brokers"
    figures: tuple[str, ...] = ("rate", "cpu", "produced", "produced_cpu")
    clients: tuple[str, ...] = SPEAKERS

    def measure(self, contender: Contender, setting: Setting) -> Figures:
        try:
            return self._measure(contender, max(2, setting.count or COUNT))
        except Failed:
            global _queue
            _queue = f"/queue/bench-{os.getpid()}-{next(_failures)}"
            raise

    def _measure(self, contender: Contender, count: int) -> Figures:
        consumer = start(contender, work(self.broker, "consume", count=count, destination=_queue))
        timer = threading.Timer(TIMEOUT, consumer.kill)
        timer.start()
        producer = None
        try:
            assert consumer.stdout is not None
            if "READY" not in consumer.stdout.readline():
                raise Failed(
                    (consumer.communicate(timeout=5)[1].strip().splitlines() or ["not ready"])[-1][:300]
                )
            producer = start(contender, work(self.broker, "produce", count=count, destination=_queue))
            sent = read_figures(*producer.communicate(timeout=TIMEOUT))
            received = read_figures(*consumer.communicate(timeout=TIMEOUT))
        except subprocess.TimeoutExpired:
            raise Failed(f"no end after {TIMEOUT:g} s") from None
        finally:
            timer.cancel()
            for process in filter(None, (consumer, producer)):
                process.kill()
                process.communicate()
        return {**received, "produced": sent["rate"], "produced_cpu": sent["cpu"]}


@dataclass(frozen=True)
class Confirmed:
    """Sends that wait for the receipt of a real broker; to a topic without subscribers, which keeps nothing of them."""

    title: str
    broker: str
    group: str = "brokers"
    figures: tuple[str, ...] = ("p50", "p99")
    clients: tuple[str, ...] = SPEAKERS

    def measure(self, contender: Contender, setting: Setting) -> Figures:
        topic = f"/topic/bench-{os.getpid()}"
        confirming = work(
            self.broker, "confirm", seconds=setting.seconds, count=setting.count, destination=topic
        )
        return run_client(contender, confirming, None)


NAMES = {"rabbitmq": "RabbitMQ", "activemq": "ActiveMQ"}

THROUGHS: dict[str, Scenario] = {
    **{f"through-{broker}": Through(f"through {name}", broker) for broker, name in NAMES.items()},
    **{f"confirm-{broker}": Confirmed(f"confirmed send to {name}", broker) for broker, name in NAMES.items()},
}
