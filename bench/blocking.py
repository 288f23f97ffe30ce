"""The works of a client whose calls block; `bench.awaiting` has them for asyncio."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from time import perf_counter, process_time

from bench.adapters import Contract
from bench.forms import FORMS, bodies
from bench.measuring import SETTLE, Meter, Taken, memory, next_count, thread_count
from bench.servers import body_of
from bench.work import MOST, PATIENCE, Work

Open = Callable[[Work], Contract]
Run = Callable[[Contract, Work, int], Taken]


def receive(client: Contract, work: Work, count: int) -> Taken:
    client.expect(count)
    meter = Meter()
    client.subscribe(work.fire(count))
    client.wait()
    taken = meter.taken(count)
    client.unsubscribe()
    return taken


def acknowledge(client: Contract, work: Work, count: int) -> Taken:
    client.expect(count + 1, acknowledge=True)
    meter = Meter()
    client.subscribe(work.fire(count, acks=1), "client-individual")
    client.wait()
    taken = meter.taken(count)
    client.unsubscribe()
    return taken


def send(client: Contract, work: Work, count: int) -> Taken:
    texts = bodies(work.form, work.size)
    last = len(texts) - 1  # their number is a power of two
    call = client.sender(FORMS[work.form])
    client.expect(1)
    meter = Meter()
    client.subscribe(f"/bench/sink?count={count}")
    for number in range(count):
        call("/queue/bench", texts[number & last], number)
    client.wait()
    taken = meter.taken(count)
    client.unsubscribe()
    return taken


def confirm(client: Contract, work: Work, count: int) -> Taken:
    body = bodies(work.form, work.size)[0]
    durations: list[float] = []
    meter = Meter()
    if work.window > 1:
        client.confirm_many(work.destination, body, count, work.window)
    else:
        for _ in range(count):
            begin = perf_counter()
            client.confirm(work.destination, body)
            durations.append(perf_counter() - begin)
    return meter.taken(count, durations)


def pair(client: Contract, work: Work, count: int) -> Taken:
    body = body_of(work.size)
    durations: list[float] = []
    meter = Meter()
    for _ in range(count):
        begin = perf_counter()
        client.send("/queue/bench", body)
        client.confirm("/queue/bench", body)
        durations.append(perf_counter() - begin)
    return meter.taken(count, durations)


def roundtrip(client: Contract, work: Work, count: int) -> Taken:
    body = body_of(work.size)
    durations: list[float] = []
    client.subscribe("/bench/echo")
    meter = Meter()
    for _ in range(count):
        client.expect(1)
        begin = perf_counter()
        client.send("/bench/echo", body)
        client.wait()
        durations.append(perf_counter() - begin)
    taken = meter.taken(count, durations)
    client.unsubscribe()
    return taken


def connect(client: Contract, work: Work, count: int) -> Taken:
    durations: list[float] = []
    meter = Meter()
    for _ in range(count):
        begin = perf_counter()
        type(client)(work).close()
        durations.append(perf_counter() - begin)
    return meter.taken(count, durations)


#: What is done again, longer, until it is long enough.
RUNS: dict[str, Run] = {
    run.__name__: run for run in (receive, acknowledge, send, confirm, pair, roundtrip, connect)
}


def produce(client: Contract, work: Work) -> Taken:
    body = body_of(work.size)
    meter = Meter()
    for _ in range(work.count - 1):
        client.send(work.destination, body)
    client.confirm(work.destination, body)
    return meter.taken(work.count)


def consume(client: Contract, work: Work) -> Taken:
    """From the first message to the last one."""
    client.expect(1, then=work.count - 1)
    client.subscribe(work.destination)
    print("READY", flush=True)
    client.wait()
    began, cpu = client.began
    return Taken(work.count - 1, [perf_counter() - began], process_time() - cpu)


def stall(client: Contract, work: Work) -> Taken:
    """How much a sender takes that the server does not, and the memory that it costs."""
    body = body_of(work.size)
    sent = 0

    def fill() -> None:
        nonlocal sent
        while sent < MOST:
            client.send("/queue/bench", body)
            sent += work.size

    client.subscribe("/bench/stall")
    time.sleep(SETTLE)
    meter = Meter()
    filling = threading.Thread(target=fill, daemon=True)
    filling.start()
    filling.join(work.seconds)
    taken = meter.taken(1)
    taken.more["accepted"] = sent
    return taken


def idle(open_client: Open, work: Work) -> Taken:
    gc.collect()
    threads, before = thread_count(), memory()
    clients = [open_client(work) for _ in range(work.connections)]
    gc.collect()
    each = (memory() - before) / work.connections
    threads = thread_count() - threads
    cpu, begin = process_time(), perf_counter()
    hold = getattr(clients[0], "hold", None)
    if hold:
        hold(clients, work.seconds)
    else:
        time.sleep(work.seconds)
    share = (process_time() - cpu) / (perf_counter() - begin)
    alive = sum(client.alive() for client in clients)
    more = {"memory": each, "threads": threads / work.connections, "share": share}
    if alive < work.connections:
        raise ConnectionError(f"{work.connections - alive} of {work.connections} connections are gone")
    return Taken(work.connections, [], more=more)


def take(open_client: Open, work: Work) -> Taken:
    """Do the work."""
    if work.kind == "idle":
        return idle(open_client, work)
    client = open_client(work)
    if work.kind in RUNS:
        run = RUNS[work.kind]
        taken = run(client, work, work.first_count())
        while not work.count and (count := next_count(taken, work.seconds)):
            time.sleep(SETTLE)
            taken = run(client, work, count)
    else:
        taken = {"produce": produce, "consume": consume, "stall": stall}[work.kind](client, work)
    if work.kind != "stall":
        # What is measured is measured: a client that does not close is no reason to lose it.
        closing = threading.Thread(target=client.close, daemon=True)
        closing.start()
        closing.join(min(5, PATIENCE))
    return taken
