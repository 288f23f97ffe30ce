"""Functions of the user: whether a plain call runs them.

Rules of this file: what a call does not run is refused where it is given to us, because later it could only fail
silently: calling a coroutine function makes a coroutine, and nothing of its body has run. A function may hide that (a
decorator, a lambda), so that its result is checked, too.
"""

from __future__ import annotations

from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any

from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Python's documentation, "inspect", "Code Objects Bit Flags": importing that module takes longer than to connect.
_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200
_HINT = "stomp.AsyncClient takes coroutine functions; give a plain function here"


def deferred_kind(function: object) -> str:
    """What a function is whose body a call does not run, as "coroutine function"; an empty string for all others.

    >>> async def handler(message): ...
    >>> deferred_kind(partial(handler, 1)), deferred_kind(print)
    ('coroutine function', '')
    """
    while isinstance(function, partial | MethodType):
        function = function.func if isinstance(function, partial) else function.__func__
    # An object with __call__; a mock of a coroutine function has a code object of its own.
    call = function if hasattr(function, "__code__") else getattr(type(function), "__call__", None)  # noqa: B004
    flags = getattr(getattr(call, "__code__", None), "co_flags", 0)
    marked = "_is_coroutine_mark" in getattr(function, "__dict__", ())  # inspect.markcoroutinefunction
    if flags & (_COROUTINE | _ITERABLE_COROUTINE) or marked:
        return "coroutine function"
    if flags & _ASYNC_GENERATOR:
        return "async generator function"
    return "generator function" if flags & _GENERATOR else ""


def check_function(name: str, function: object, *, coroutines: bool = False) -> None:
    """Check a function of the user's when it is given to us.

    Args:
        name: what it is, for the error.
        function: the function.
        coroutines: it is awaited, so that it may be a coroutine function.

    Raises:
        UsageError: it cannot be called, or a call would not run it.
    """
    if not callable(function):
        raise UsageError(
            f"{name} is of type {type(function).__name__}, which cannot be called", hint="give a function"
        )
    kind = deferred_kind(function)
    if kind and not (coroutines and kind == "coroutine function"):
        hint = "give a plain function or a coroutine function" if coroutines else _HINT
        raise UsageError(f"{name} is a {kind}: a call does not run it", hint=hint)


def check_methods(owner: object, names: Iterable[str], *, kind: str, coroutines: bool = False) -> None:
    """`check_function` for those of these methods that an object has and that are not None."""
    for name in names:
        method = getattr(owner, name, None)
        if method is not None:
            check_function(f"{name} of the {kind} {type(owner).__name__}", method, coroutines=coroutines)


def check_result(name: str, result: Any) -> Any:
    """Check what a function of the user's has returned; the result.

    Raises:
        UsageError: it has to be awaited: the function has not run. A coroutine is closed, so that Python does not
            warn about it, too.
    """
    if result is not None and is_awaitable(result):
        if isinstance(result, CoroutineType | GeneratorType):
            result.close()
        raise UsageError(f"{name} returned a {type(result).__name__}, which is not awaited here", hint=_HINT)
    return result


def is_awaitable(value: object) -> bool:
    """True for what only ``await`` or ``async for`` would run.

    >>> is_awaitable(None), is_awaitable([])
    (False, False)
    """
    if isinstance(value, GeneratorType):
        return bool(value.gi_code.co_flags & _ITERABLE_COROUTINE)
    return isinstance(value, AsyncGeneratorType) or hasattr(type(value), "__await__")
