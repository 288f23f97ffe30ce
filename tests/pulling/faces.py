"""One blocking interface for both clients, so that the suite is written once.

`stomp.Client` is used directly. `stomp.AsyncClient` is used through a `Portal`: an event loop in a separate thread,
which runs coroutines while the test waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stomp
from tests.pulling.places import Place

#: Timeout of each call in the suite, in seconds.
PATIENCE = 40.0


class Portal:
    """An event loop in a thread. `factory` makes the loop."""

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> None:
        self._loop = factory()
        self._thread = threading.Thread(target=self._loop.run_forever, name="portal", daemon=True)
        self._thread.start()

    def run(self, awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(PATIENCE)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function on the loop; await the result if it is a coroutine."""

        async def on_loop() -> Any:
            result = function(*args, **kwargs)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(PATIENCE)

    def close(self) -> None:
        async def rest() -> None:
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()

        asyncio.run_coroutine_threadsafe(rest(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


def _is_handle(value: object) -> bool:
    return type(value).__module__.startswith("stomp.client.aio")


class Blocking:
    """Wraps an object of the asyncio client; its methods block."""

    def __init__(self, portal: Portal, inner: Any) -> None:
        self._portal = portal
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = self._portal.call(getattr, self._inner, name)
        return self._callable(value, name == "consume") if callable(value) else self._wrapped(value)

    def _callable(self, function: Callable[..., Any], consumes: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            args = tuple(arg._inner if isinstance(arg, Blocking) else arg for arg in args)
            if consumes:
                args = tuple(map(self._handler, args))
            return self._wrapped(self._portal.call(function, *args, **kwargs))

        return call

    def _handler(self, arg: Any) -> Any:
        """Convert a handler of the suite to a coroutine function: it blocks, so it runs in a thread."""
        if not inspect.isfunction(arg):
            return arg

        async def handle(message: Any) -> None:
            await asyncio.to_thread(arg, Blocking(self._portal, message))

        return handle

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._wrapped(item) for item in value]
        if _is_handle(value) or hasattr(value, "__anext__") or hasattr(value, "__aenter__"):
            return Blocking(self._portal, value)
        return value

    def __enter__(self) -> Any:
        return self._wrapped(self._portal.call(self._inner.__aenter__))

    def __exit__(self, *why: Any) -> Any:
        return self._portal.call(self._inner.__aexit__, *why)

    def __iter__(self) -> Iterator[Any]:
        iterator = self._portal.call(self._inner.__aiter__)
        while True:
            try:
                yield self._wrapped(self._portal.call(iterator.__anext__))
            except StopAsyncIteration:
                return

    def result(self, timeout: float | None = None) -> Any:
        return self._portal.call(self._inner.result, timeout)

    def __repr__(self) -> str:
        return repr(self._inner)


#: The two clients.
KINDS = ("threads", "asyncio")
#: The same, and `stomp.AsyncClient` on uvloop.
KINDS_AND_LOOPS = (*KINDS, "uvloop")


@contextlib.contextmanager
def makers(kind: str, place: Place) -> Iterator[Callable[..., Any]]:
    """Yield a function that makes connected clients for a place; they are closed at the end."""
    with face(kind) as make, contextlib.ExitStack() as stack:

        def one(url: str | None = None, *, connected: bool = True, **settings: Any) -> Any:
            made = make(url or place.url, **{**place.settings, **settings})
            stack.callback(made.close, timeout=5)
            return made.connect() if connected else made

        yield one


@contextlib.contextmanager
def face(kind: str) -> Iterator[Callable[..., Any]]:
    """Yield a function that makes clients of a kind: see `KINDS_AND_LOOPS`. Skips the test without uvloop."""
    if kind == "threads":
        yield stomp.Client
        return
    portal = Portal(pytest.importorskip("uvloop").new_event_loop) if kind == "uvloop" else Portal()
    try:
        yield lambda *args, **kwargs: Blocking(portal, portal.call(stomp.AsyncClient, *args, **kwargs))
    finally:
        portal.close()
