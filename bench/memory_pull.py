"""How much memory the pull clients take when the other end is too fast or too slow.

    python -m bench.memory_pull               a minute and a half; --seconds for longer runs, to see that nothing grows

The consumer takes a message each millisecond from a broker that sends as fast as it can; the sender sends as fast as it
can to a broker that reads nothing. Each runs in a separate process; memory counts from the start of the work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import stomp
from bench.measuring import memory
from bench.places import ROOT
from bench.servers import Server, body_of

#: Bytes of a body.
SIZE = 1000
#: Far more than fits: a gigabyte.
COUNT = 1_000_000
#: What waits in a broker that minds the prefetch, and keeps all in memory.
STORED = 100_000
PAUSE = 0.001
MiB = 1024 * 1024

KINDS = {
    "auto": "slow consumer, ack=auto, no prefetch",
    "prefetch": "slow consumer, client-individual, prefetch=100",
    "send": "stalled broker, send",
    "send_async": "stalled broker, send_async",
}
CLIENTS = {"Client": stomp.Client, "AsyncClient": stomp.AsyncClient}


class Watch:
    """Samples the memory of this process until the time is over."""

    def __init__(self, seconds: float) -> None:
        self.moved = 0
        self._start = memory()
        self._levels: list[int] = []
        self._end = time.monotonic() + seconds
        self.over = threading.Event()
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while time.monotonic() < self._end:
            self._levels.append(memory())
            time.sleep(0.02)
        self.over.set()

    def figures(self) -> dict[str, float]:
        """MiB above the start: the most in the first half and in the second one. What grows has more in the second."""
        half = len(self._levels) // 2
        first, second = max(self._levels[:half]), max(self._levels[half:])
        return {
            "first": (first - self._start) / MiB,
            "second": (second - self._start) / MiB,
            "moved": self.moved,
        }


def source(kind: str) -> tuple[str, dict[str, object]]:
    """What a consumer subscribes to, and how."""
    if kind == "auto":
        return f"/bench/fire?count={COUNT}&size={SIZE}", {"confirm": False}
    return "/queue/bench", {"ack": "client-individual", "prefetch": 100}


def consume(url: str, kind: str, watch: Watch) -> None:
    client = stomp.Client(url).connect()
    place, options = source(kind)
    subscription = client.subscribe(place, **options)  # type: ignore[arg-type]
    while not watch.over.is_set():
        message = subscription.receive(1.0)
        assert message is not None
        if kind == "prefetch":
            message.ack()
        watch.moved += 1
        time.sleep(PAUSE)


def send(url: str, kind: str, watch: Watch) -> None:
    client = stomp.Client(url).connect()
    client.subscribe("/bench/stall", confirm=False)
    verb: Callable[[str, bytes], object] = getattr(client, kind)
    body = body_of(SIZE)

    def fill() -> None:
        while True:
            verb("/queue/bench", body)
            watch.moved += 1

    threading.Thread(target=fill, daemon=True).start()
    watch.over.wait()


async def consume_async(url: str, kind: str, watch: Watch) -> None:
    client = await stomp.AsyncClient(url).connect()
    place, options = source(kind)
    subscription = await client.subscribe(place, **options)  # type: ignore[arg-type]
    while not watch.over.is_set():
        message = await subscription.receive(1.0)
        assert message is not None
        if kind == "prefetch":
            await message.ack()
        watch.moved += 1
        await asyncio.sleep(PAUSE)


async def send_async(url: str, kind: str, watch: Watch) -> None:
    client = await stomp.AsyncClient(url).connect()
    await client.subscribe("/bench/stall", confirm=False)
    body = body_of(SIZE)

    async def fill() -> None:
        while True:
            await getattr(client, kind)("/queue/bench", body)
            watch.moved += 1

    filling = asyncio.create_task(fill())
    while not watch.over.is_set():
        await asyncio.sleep(0.05)
    filling.cancel()


def work(client: str, kind: str, url: str, seconds: float) -> None:
    """What a process does; prints what it has seen."""
    body_of(SIZE)
    watch = Watch(seconds)
    receives = kind in ("auto", "prefetch")
    if client == "Client":
        (consume if receives else send)(url, kind, watch)
    else:
        asyncio.run((consume_async if receives else send_async)(url, kind, watch))
    print(json.dumps(watch.figures()), flush=True)
    os._exit(0)


@contextmanager
def broker(kind: str) -> Iterator[str]:
    """The other end: the kit's server, or the broker of this package where the prefetch counts."""
    if kind != "prefetch":
        with Server() as server:
            yield f"stomp://127.0.0.1:{server.port}?heartbeat=0"
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "stomp", "broker", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with stomp.Client(url) as client:
            body = body_of(SIZE)
            for _ in range(STORED - 1):
                client.send("/queue/bench", body)
            client.send("/queue/bench", body, confirm=True)
        yield url
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.memory_pull", description="memory of the pull clients")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each run is")
    parser.add_argument("--work", nargs=3, metavar=("CLIENT", "KIND", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        client, kind, url = options.work
        work(client, kind, url, options.seconds)
        return
    print("| | client | messages | first half, MiB | second half, MiB |\n|---|---|---|---|---|")
    for kind, title in KINDS.items():
        for client in CLIENTS:
            with broker(kind) as url:
                words = ["-m", "bench.memory_pull", "--seconds", str(options.seconds), "--work"]
                command = [sys.executable, *words, client, kind, url]
                done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            figures = json.loads(done.stdout)
            print(
                f"| {title} | {client} | {figures['moved']:,.0f} | {figures['first']:.1f} | {figures['second']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
