"""Validation of callbacks that the user passes: a plain call must run them.

Rules of this file:

- A coroutine function or generator function is rejected when it is passed in, unless the caller awaits it. A plain call
  would only create the coroutine and run nothing of its body, so the callback would fail silently later.
- A decorator or a lambda can hide the kind of a function, so the result of a call is checked, too.
"""

from __future__ import annotations

from functools import partial
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any

from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Values from Python's documentation, "inspect", "Code Objects Bit Flags". They are copied because importing `inspect`
# takes longer than connecting.
_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200
_DEFERRED = _GENERATOR | _COROUTINE | _ITERABLE_COROUTINE | _ASYNC_GENERATOR
_MARKER = "_is_coroutine_marker"  # of inspect.markcoroutinefunction
_HINT = "stomp.AsyncClient takes coroutine functions; give a plain function here"


def deferred_kind(function: object) -> str:
    """Return the kind of a function whose body a call does not run ("coroutine function"), or an empty string.

    >>> async def handler(message): ...
    >>> deferred_kind(partial(handler, 1)), deferred_kind(print)
    ('coroutine function', '')
    """
    while isinstance(function, partial | MethodType):
        function = function.func if isinstance(function, partial) else function.__func__
    # An object with __call__ is checked by that method. A mock of a coroutine function has its own __code__.
    call = function if hasattr(function, "__code__") else type(function).__call__
    flags = getattr(getattr(call, "__code__", None), "co_flags", 0)
    marked = _MARKER in getattr(function, "__dict__", ())
    if flags & (_COROUTINE | _ITERABLE_COROUTINE) or marked:
        return "coroutine function"
    if flags & _ASYNC_GENERATOR:
        return "async generator function"
    return "generator function" if flags & _GENERATOR else ""


def check_function(name: str, function: object, *, coroutines: bool = False) -> None:
    """Check a callback when it is passed in.

    Args:
        name: its name in the error text.
        function: the callback.
        coroutines: the caller awaits the result, so a coroutine function is valid, too.

    Raises:
        UsageError: it is not callable, or a call would not run its body.
    """
    if not callable(function):
        raise UsageError(
            f"{name} is of type {type(function).__name__}, which cannot be called", hint="give a function"
        )
    kind = deferred_kind(function)
    if kind and not (coroutines and kind == "coroutine function"):
        hint = "give a plain function or a coroutine function" if coroutines else _HINT
        article = "an" if kind.startswith("a") else "a"
        raise UsageError(f"{name} is {article} {kind}: a call does not run it", hint=hint)


def check_methods(owner: object, names: Iterable[str], *, kind: str, coroutines: bool = False) -> None:
    """Call `check_function` for each of the named methods that `owner` has and that is not None."""
    for name in names:
        method = getattr(owner, name, None)
        function = getattr(method, "__func__", None)
        if type(function) is FunctionType and not (
            function.__code__.co_flags & _DEFERRED or _MARKER in function.__dict__
        ):
            continue  # an ordinary method: this is quicker, and each connection has three listeners
        if method is not None:
            check_function(f"{name} of the {kind} {type(owner).__name__}", method, coroutines=coroutines)


def check_result(name: str, result: Any) -> Any:
    """Check the return value of a callback, and return it.

    Raises:
        UsageError: it is awaitable, so the body of the callback has not run. A coroutine is closed first, because
            Python would also warn that it was never awaited.
    """
    if result is not None and is_awaitable(result):
        if isinstance(result, CoroutineType | GeneratorType):
            result.close()
        raise UsageError(f"{name} returned a {type(result).__name__}, which is not awaited here", hint=_HINT)
    return result


def is_awaitable(value: object) -> bool:
    """True for an object that needs ``await`` or ``async for``.

    >>> is_awaitable(None), is_awaitable([])
    (False, False)
    """
    if isinstance(value, GeneratorType):
        return bool(value.gi_code.co_flags & _ITERABLE_COROUTINE)
    return isinstance(value, AsyncGeneratorType) or hasattr(type(value), "__await__")
