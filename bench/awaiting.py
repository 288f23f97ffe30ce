"""The works of `bench.blocking`, for a client of asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time

from bench.adapters import AsyncContract
from bench.forms import FORMS, bodies
from bench.measuring import SETTLE, Meter, Taken, memory, next_count, thread_count
from bench.servers import body_of
from bench.work import MOST, Work

Run = Callable[[AsyncContract, Work, int], Awaitable[Taken]]


async def receive(client: AsyncContract, work: Work, count: int) -> Taken:
    client.expect(count)
    meter = Meter()
    await client.subscribe(work.fire(count))
    await client.wait()
    taken = meter.taken(count)
    await client.unsubscribe()
    return taken


async def acknowledge(client: AsyncContract, work: Work, count: int) -> Taken:
    client.expect(count + 1, acknowledge=True)
    meter = Meter()
    await client.subscribe(work.fire(count, acks=1), "client-individual")
    await client.wait()
    taken = meter.taken(count)
    await client.unsubscribe()
    return taken


async def send(client: AsyncContract, work: Work, count: int) -> Taken:
    texts = bodies(work.form, work.size)
    last = len(texts) - 1  # their number is a power of two
    call = client.sender(FORMS[work.form])
    client.expect(1)
    meter = Meter()
    await client.subscribe(f"/bench/sink?count={count}")
    for number in range(count):
        await call("/queue/bench", texts[number & last], number)
    await client.wait()
    taken = meter.taken(count)
    await client.unsubscribe()
    return taken


async def confirm(client: AsyncContract, work: Work, count: int) -> Taken:
    body = bodies(work.form, work.size)[0]
    durations: list[float] = []
    meter = Meter()
    if work.window > 1:
        await client.confirm_many(work.destination, body, count, work.window)
    else:
        for _ in range(count):
            begin = perf_counter()
            await client.confirm(work.destination, body)
            durations.append(perf_counter() - begin)
    return meter.taken(count, durations)


async def pair(client: AsyncContract, work: Work, count: int) -> Taken:
    body = body_of(work.size)
    durations: list[float] = []
    meter = Meter()
    for _ in range(count):
        begin = perf_counter()
        await client.send("/queue/bench", body)
        await client.confirm("/queue/bench", body)
        durations.append(perf_counter() - begin)
    return meter.taken(count, durations)


async def roundtrip(client: AsyncContract, work: Work, count: int) -> Taken:
    body = body_of(work.size)
    durations: list[float] = []
    await client.subscribe("/bench/echo")
    meter = Meter()
    for _ in range(count):
        client.expect(1)
        begin = perf_counter()
        await client.send("/bench/echo", body)
        await client.wait()
        durations.append(perf_counter() - begin)
    taken = meter.taken(count, durations)
    await client.unsubscribe()
    return taken


async def connect(client: AsyncContract, work: Work, count: int) -> Taken:
    durations: list[float] = []
    meter = Meter()
    for _ in range(count):
        begin = perf_counter()
        other = await type(client).open(work)
        await other.close()
        durations.append(perf_counter() - begin)
    return meter.taken(count, durations)


RUNS: dict[str, Run] = {
    run.__name__: run for run in (receive, acknowledge, send, confirm, pair, roundtrip, connect)
}


async def produce(client: AsyncContract, work: Work) -> Taken:
    body = body_of(work.size)
    meter = Meter()
    for _ in range(work.count - 1):
        await client.send(work.destination, body)
    await client.confirm(work.destination, body)
    return meter.taken(work.count)


async def consume(client: AsyncContract, work: Work) -> Taken:
    client.expect(1, then=work.count - 1)
    await client.subscribe(work.destination)
    print("READY", flush=True)
    await client.wait()
    began, cpu = client.began
    return Taken(work.count - 1, [perf_counter() - began], process_time() - cpu)


async def stall(client: AsyncContract, work: Work) -> Taken:
    body = body_of(work.size)
    sent = 0

    async def fill() -> None:
        nonlocal sent
        while sent < MOST:
            await client.send("/queue/bench", body)
            sent += work.size

    await client.subscribe("/bench/stall")
    await asyncio.sleep(SETTLE)
    meter = Meter()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(fill(), work.seconds)
    taken = meter.taken(1)
    taken.more["accepted"] = sent
    return taken


async def idle(open_client: type[AsyncContract], work: Work) -> Taken:
    gc.collect()
    threads, before = thread_count(), memory()
    clients = [await open_client.open(work) for _ in range(work.connections)]
    gc.collect()
    each = (memory() - before) / work.connections
    threads = thread_count() - threads
    cpu, begin = process_time(), perf_counter()
    await asyncio.sleep(work.seconds)
    share = (process_time() - cpu) / (perf_counter() - begin)
    alive = sum(client.alive() for client in clients)
    more = {"memory": each, "threads": threads / work.connections, "share": share}
    if alive < work.connections:
        raise ConnectionError(f"{work.connections - alive} of {work.connections} connections are gone")
    return Taken(work.connections, [], more=more)


async def take(open_client: type[AsyncContract], work: Work) -> Taken:
    """Do the work."""
    if work.kind == "idle":
        return await idle(open_client, work)
    client = await open_client.open(work)
    if work.kind in RUNS:
        run = RUNS[work.kind]
        taken = await run(client, work, work.first_count())
        while not work.count and (count := next_count(taken, work.seconds)):
            await asyncio.sleep(SETTLE)
            taken = await run(client, work, count)
    else:
        taken = await {"produce": produce, "consume": consume, "stall": stall}[work.kind](client, work)
    if work.kind != "stall":
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), 5)
    return taken
