"""`Deadlines`: the waits of an asyncio client share one timer."""

import asyncio
import time

from stomp.client.aio.waiting import Deadlines
from tests.awaiting import run


def test_waits_that_end_before_their_deadlines_set_one_timer():
    async def test():
        deadlines = Deadlines(time.monotonic)
        timers = set()
        for _ in range(100):
            call = lambda: None  # noqa: E731
            deadlines.add(call, time.monotonic() + 60)
            deadlines.remove(call)
            timers.add(deadlines._timer)
        assert len(timers) == 1
        deadlines.end()

    asyncio.run(test())


def test_calls_happen_in_the_order_of_their_deadlines():
    async def test():
        deadlines, done = Deadlines(time.monotonic), asyncio.Event()
        seen: list[str] = []
        start = time.monotonic()
        deadlines.add(done.set, start + 0.03)
        deadlines.add(lambda: seen.append("first"), start + 0.01)
        deadlines.add(lambda: seen.append("second"), start + 0.02)
        await asyncio.wait_for(done.wait(), 10)
        assert seen == ["first", "second"]
        assert time.monotonic() - start >= 0.03

    run(test())


def test_removed_call_does_not_happen():
    async def test():
        deadlines, done = Deadlines(time.monotonic), asyncio.Event()
        seen: list[str] = []
        removed = lambda: seen.append("removed")  # noqa: E731
        deadlines.add(removed, time.monotonic() + 0.01)
        deadlines.add(done.set, time.monotonic() + 0.02)
        deadlines.remove(removed)
        await asyncio.wait_for(done.wait(), 10)
        assert seen == []

    run(test())


def test_timer_is_set_again_on_another_loop():
    deadlines = Deadlines(time.monotonic)

    async def leave_behind():
        deadlines.add(lambda: None, time.monotonic() + 60)

    async def wait():
        done = asyncio.Event()
        deadlines.add(done.set, time.monotonic() + 60.01)
        deadlines.remove(done.set)
        deadlines.add(done.set, time.monotonic() + 0.01)
        await asyncio.wait_for(done.wait(), 10)

    asyncio.run(leave_behind())
    asyncio.run(wait())


def test_end_cancels_the_timer_when_no_wait_is_left():
    async def test():
        deadlines, done = Deadlines(time.monotonic), asyncio.Event()
        call = lambda: None  # noqa: E731
        deadlines.add(call, time.monotonic() + 60)
        deadlines.remove(call)
        deadlines.end()
        assert deadlines._timer is None
        deadlines.add(done.set, time.monotonic() + 0.01)
        deadlines.end()
        await asyncio.wait_for(done.wait(), 10)

    run(test())
