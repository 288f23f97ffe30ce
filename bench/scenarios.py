"""What is measured. A scenario does its work `count` times and returns the seconds it took.

One duration stands for all `count` (the work is a stream, and its rate is what matters), or there is one for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

from bench.adapters import Contract
from bench.server import body_of

BODY = body_of(100)

Run = Callable[[Any, int], list[float]]


def receive(client: Contract, count: int, *, size: int, escaped: bool = False) -> list[float]:
    client.expect(count)
    begin = perf_counter()
    client.subscribe(f"/bench/fire?count={count}&size={size}&escaped={escaped:d}")
    client.wait()
    seconds = perf_counter() - begin
    client.unsubscribe()
    return [seconds]


def acknowledge(client: Contract, count: int) -> list[float]:
    client.expect(count + 1, acknowledge=True)
    begin = perf_counter()
    client.subscribe(f"/bench/fire?count={count}&size=100&acks=1", "client-individual")
    client.wait()
    seconds = perf_counter() - begin
    client.unsubscribe()
    return [seconds]


def send(client: Contract, count: int) -> list[float]:
    client.expect(1)
    begin = perf_counter()
    client.subscribe(f"/bench/sink?count={count}")
    for _ in range(count):
        client.send("/queue/orders", BODY)
    client.wait()
    seconds = perf_counter() - begin
    client.unsubscribe()
    return [seconds]


def pair(client: Contract, count: int) -> list[float]:
    durations: list[float] = []
    for _ in range(count):
        begin = perf_counter()
        client.send("/queue/orders", BODY)
        client.confirm("/queue/orders", BODY)
        durations.append(perf_counter() - begin)
    return durations


def round_trip(client: Contract, count: int) -> list[float]:
    client.subscribe("/bench/echo")
    durations: list[float] = []
    for _ in range(count):
        client.expect(1)
        begin = perf_counter()
        client.send("/bench/echo", BODY)
        client.wait()
        durations.append(perf_counter() - begin)
    client.unsubscribe()
    return durations


def connect(client: Contract, count: int) -> list[float]:
    durations: list[float] = []
    for _ in range(count):
        begin = perf_counter()
        type(client)(client.port).close()
        durations.append(perf_counter() - begin)
    return durations


@dataclass(frozen=True)
class Scenario:
    """Something to measure, and which figures to make of it (see `bench.report.FIGURES`)."""

    title: str
    run: Run
    figures: tuple[str, ...] = ("rate",)


SCENARIOS = {
    "receive-0": Scenario("receive 0 B", partial(receive, size=0)),
    "receive-100": Scenario("receive 100 B", partial(receive, size=100)),
    "receive-1024": Scenario("receive 1 KiB", partial(receive, size=1024)),
    "receive-16384": Scenario("receive 16 KiB", partial(receive, size=16 * 1024)),
    "receive-1048576": Scenario("receive 1 MiB", partial(receive, size=1024 * 1024)),
    "receive-escaped": Scenario("receive 100 B, escaped headers", partial(receive, size=100, escaped=True)),
    "send": Scenario("send 100 B", send),
    "pair": Scenario("send, then a confirmed send", pair, ("p50",)),
    "round-trip": Scenario("round trip, 100 B", round_trip, ("p50", "p99")),
    "acknowledge": Scenario("receive 100 B, acknowledge each", acknowledge),
    "connect": Scenario("connect and disconnect", connect, ("p50",)),
}
