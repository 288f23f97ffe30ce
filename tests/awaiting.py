"""Asyncio for tests: everything ends in time, and nothing is left over."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from tests.listening import PATIENCE

T = TypeVar("T")
#: The kinds of loops that everything has to work on.
LOOPS = ("asyncio", "debug", "uvloop")


def loop_of(kind: str) -> dict[str, Any]:
    """What `run` needs for this kind of loop. The test is skipped where it is not there."""
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
    """Run a test on an event loop of its own.

    What a task or a callback has failed with unseen fails the test, and so do tasks that are left over.
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
    # A transport that was not closed, or a future that nobody looked at, complains when it is collected.
    gc.collect()
    assert not unseen, unseen
    return result


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)
