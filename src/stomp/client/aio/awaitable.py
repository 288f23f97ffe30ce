"""`awaitable_context`: a method whose result is awaited, or used in an ``async with`` statement directly."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

_P = ParamSpec("_P")
_T = TypeVar("_T", bound=AbstractAsyncContextManager[Any])


class AwaitableContext(Coroutine[Any, Any, _T], Generic[_T]):
    """The call of a method that returns an asynchronous context manager.

    Both forms do the same. In the second, the ``async with`` statement awaits the call itself:

    ```python
    async with await client.subscribe("/queue/orders") as subscription:
        ...
    async with client.subscribe("/queue/orders") as subscription:
        ...
    ```

    It is a coroutine, so that `asyncio.create_task` accepts it.
    """

    __slots__ = ("_coroutine", "_entered")

    def __init__(self, coroutine: Coroutine[Any, Any, _T]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, _T]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """See `collections.abc.Coroutine`."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """See `collections.abc.Coroutine`."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """See `collections.abc.Coroutine`."""
        self._coroutine.close()

    async def __aenter__(self) -> _T:
        self._entered = await self._coroutine
        entered: _T = await self._entered.__aenter__()
        return entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._entered.__aexit__(kind, error, trace)


def awaitable_context(
    method: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[_P, AwaitableContext[_T]]:
    """Decorate a coroutine function: its calls return an `AwaitableContext`."""

    @functools.wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> AwaitableContext[_T]:
        return AwaitableContext(method(*args, **kwargs))

    if sys.version_info >= (3, 12):
        # For unittest.mock, which makes an AsyncMock of it, and for documentation tools.
        inspect.markcoroutinefunction(call)
    return call
