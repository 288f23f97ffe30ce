"""`Deadlines`: the waits of an asyncio client share one timer."""

import asyncio
import time

from stomp.client.aio.waiting import Deadlines
from tests.awaiting import run


def add(deadlines: Deadlines, seconds: float) -> asyncio.Future[bool]:
    """Add a wait that ends in so many seconds."""
    loop = asyncio.get_running_loop()
    wait: asyncio.Future[bool] = loop.create_future()
    deadlines.add(wait, time.monotonic() + seconds, loop)
    return wait


async def result_of(wait: asyncio.Future[bool]) -> bool:
    return await asyncio.wait_for(wait, 10)


def test_waits_that_end_before_their_deadlines_set_one_timer():
    async def test():
        deadlines = Deadlines(time.monotonic)
        timers = set()
        for _ in range(100):
            deadlines.remove(add(deadlines, 60))
            timers.add(deadlines._timer)
        assert len(timers) == 1
        deadlines.end()

    asyncio.run(test())


def test_waits_end_in_the_order_of_their_deadlines():
    async def test():
        deadlines = Deadlines(time.monotonic)
        start = time.monotonic()
        seen: list[str] = []
        third, first, second = add(deadlines, 0.03), add(deadlines, 0.01), add(deadlines, 0.02)
        first.add_done_callback(lambda _: seen.append("first"))
        second.add_done_callback(lambda _: seen.append("second"))
        assert await result_of(third) is False
        assert seen == ["first", "second"]
        assert time.monotonic() - start >= 0.03

    run(test())


def test_waits_end_in_the_order_of_their_deadlines_when_the_loop_is_late():
    async def test():
        deadlines = Deadlines(time.monotonic)
        seen: list[str] = []
        third, first, second = add(deadlines, -0.1), add(deadlines, -0.3), add(deadlines, -0.2)
        second.add_done_callback(lambda _: seen.append("second"))
        first.add_done_callback(lambda _: seen.append("first"))
        assert await result_of(third) is False
        assert seen == ["first", "second"]

    run(test())


def test_a_removed_wait_and_an_ended_one_do_not_end_at_the_deadline():
    async def test():
        deadlines = Deadlines(time.monotonic)
        removed, happened, last = add(deadlines, 0.01), add(deadlines, 0.01), add(deadlines, 0.02)
        deadlines.remove(removed)
        happened.set_result(True)
        await result_of(last)
        assert not removed.done()
        assert happened.result() is True

    run(test())


def test_timer_is_set_again_on_another_loop():
    deadlines = Deadlines(time.monotonic)

    async def leave_behind():
        add(deadlines, 60)

    async def wait():
        deadlines.remove(add(deadlines, 60.01))
        await result_of(add(deadlines, 0.01))

    asyncio.run(leave_behind())
    asyncio.run(wait())


def test_end_cancels_the_timer_when_no_wait_is_left():
    async def test():
        deadlines = Deadlines(time.monotonic)
        deadlines.remove(add(deadlines, 60))
        deadlines.end()
        assert deadlines._timer is None
        last = add(deadlines, 0.01)
        deadlines.end()
        await result_of(last)

    run(test())
