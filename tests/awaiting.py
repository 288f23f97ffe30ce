"""Runs asyncio tests with a timeout, and checks that no task or unhandled error is left over."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from tests.listening import PATIENCE

T = TypeVar("T")
#: The kinds of event loops that are tested.
LOOPS = ("asyncio", "debug", "uvloop")


def loop_of(kind: str) -> dict[str, Any]:
    """The arguments of `run` for this kind of loop. Skips the test if it is not installed."""
    if kind == "uvloop":
        return {"factory": pytest.importorskip("uvloop").new_event_loop}
    return {"debug": kind == "debug"}


def run(
    coroutine: Coroutine[Any, Any, T],
    *,
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    debug: bool = False,
    seconds: float = PATIENCE,
) -> T:
    """Run a coroutine on a new event loop.

    Unhandled exceptions of tasks and callbacks, and tasks that are left over, fail the test.
    """
    unseen: list[dict[str, Any]] = []

    async def guarded() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        async with asyncio.timeout(seconds):
            result = await coroutine
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks are left over: {left}"
        return result

    with asyncio.Runner(loop_factory=factory, debug=debug) as runner:
        result = runner.run(guarded())
    # A transport that was not closed, or a future with an unread exception, reports it when it is collected.
    gc.collect()
    assert not unseen, unseen
    return result


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Run the loop until a condition is true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)
