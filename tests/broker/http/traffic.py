"""Programs that use a broker while its page is tested: a Python program, and clients of other projects."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import stomp
from stomp.broker import Broker

ROOT = Path(__file__).parents[3]
FOREIGN = ROOT / "scripts/foreign-clients"
#: Milliseconds that a foreign client stays connected at the end of its job.
_IDLE = 1500


class Traffic:
    """Threads that use a broker until the end of the block. They go on after each error.

    Args:
        broker: the broker; it has the user "guest" with the passcode "secret".
        foreign: names of foreign clients, as scripts/foreign-clients has them.

    Attributes:
        done: how often each of the foreign clients has done its job.
        problems: the last error of each.
    """

    def __init__(self, broker: Broker, foreign: tuple[str, ...] = ()) -> None:
        self.done: dict[str, int] = dict.fromkeys(foreign, 0)
        self.problems: dict[str, str] = {}
        self._broker = broker
        self._url = broker.url.replace("://", "://guest:secret@")
        self._stop = threading.Event()
        parts: list[Callable[[], None]] = [
            self._send_orders,
            partial(self._consume, "/queue/orders", 0.02),
            partial(self._consume, "/queue/invoices", 0.7),
            partial(self._consume, "/topic/prices.*", 0.0),
            *(partial(self._run_foreign, name) for name in foreign),
        ]
        self._threads = [threading.Thread(target=self._repeat, args=(part,), daemon=True) for part in parts]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _repeat(self, part: Callable[[], None]) -> None:
        while not self._stop.wait(0.1):
            # The test causes faults.
            with contextlib.suppress(stomp.StompError, OSError):
                part()

    def _client(self) -> stomp.Client:
        return stomp.Client(self._url)

    def _send_orders(self) -> None:
        with self._client() as client:
            for number in range(1, 100_000):
                if self._stop.wait(0.06):
                    return
                order = {
                    "id": 7_000_000_000_000_000_000 + number,
                    "customer": "Ada",
                    "total": 19.9,
                    "paid": True,
                }
                client.send("/queue/orders", json.dumps(order), content_type="application/json")
                client.send("/topic/prices.eur", f"1.{number:04}")
                if number % 3 == 0:
                    client.send("/queue/invoices", f"invoice {number} for Ada")

    def _consume(self, destination: str, pause: float) -> None:
        with self._client() as client:
            subscription = (
                client.subscribe(destination)
                if "topic" in destination
                else client.subscribe(destination, ack="client-individual")
            )
            while not self._stop.wait(pause):
                message = subscription.receive(timeout=0.5)
                if message is not None and "topic" not in destination:
                    message.ack()

    def _run_foreign(self, name: str) -> None:
        command = subprocess.run(
            [FOREIGN, "command", name], capture_output=True, text=True, timeout=60, check=True
        ).stdout.splitlines()
        broker = self._broker
        given = {"HOST": broker.host, "PORT": str(broker.port), "WS": broker.urls[1], "LOGIN": "guest"}
        given |= {"PASSCODE": "secret", "VHOST": "/", "COUNT": "20", "HEARTBEAT": "1000", "IDLE": str(_IDLE)}
        environment = os.environ | {f"FOREIGN_{key}": value for key, value in given.items()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            self.done[name] += 1
        else:
            self.problems[name] = done.stderr[-1000:]


def missing(names: tuple[str, ...]) -> str:
    """Why foreign clients cannot run; an empty text if all can."""
    if sys.platform == "win32":
        return "scripts/foreign-clients needs a POSIX shell"
    found = subprocess.run([FOREIGN, "installed"], capture_output=True, text=True, timeout=60, check=True)
    absent = [name for name in names if name not in found.stdout.split()]
    return f"not installed: scripts/foreign-clients install {' '.join(absent)}" if absent else ""
