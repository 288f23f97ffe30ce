from __future__ import annotations

import asyncio
import functools
import inspect
import types
from typing import Any
from unittest import mock

import pytest

from stomp.core.callables import check_function, check_methods, check_result, deferred_kind, is_awaitable
from stomp.core.errors import UsageError


async def coroutine(*args: object) -> None: ...


async def async_generator(*args: object):
    yield 1


def generator(*args: object):
    yield 1


@types.coroutine
def old_coroutine(*args: object):
    yield 1


def plain(*args: object) -> None: ...


@functools.wraps(coroutine)
def hidden(*args: object) -> Any:
    return coroutine()


class Callable:
    async def __call__(self, *args: object) -> None: ...

    async def method(self) -> None: ...

    @staticmethod
    async def static() -> None: ...

    @classmethod
    async def of_class(cls) -> None: ...


class Plain:
    def __call__(self, *args: object) -> None: ...

    def method(self) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        coroutine,
        old_coroutine,
        functools.partial(coroutine, 1),
        functools.partial(functools.partial(coroutine, 1), 2),
        Callable(),
        functools.partial(Callable()),
        Callable().method,
        functools.partial(Callable().method),
        Callable.static,
        Callable().of_class,
        mock.AsyncMock(),
        mock.AsyncMock().child,
        mock.Mock(spec=Callable).method,
    ],
)
def test_coroutine_functions_are_refused(function: object) -> None:
    assert deferred_kind(function) == "coroutine function"
    with pytest.raises(UsageError, match=r"handler is a coroutine function.*AsyncClient"):
        check_function("handler", function)
    check_function("handler", function, coroutines=True)


def marked(function: Any) -> Any:
    """Mark a function as `inspect.markcoroutinefunction` of Python 3.12 does."""
    mark = vars(inspect).get("markcoroutinefunction")
    if mark is not None:
        return mark(function)
    function._is_coroutine_marker = True
    return function


def test_marked_coroutine_functions_are_refused() -> None:
    assert deferred_kind(marked(lambda: coroutine())) == "coroutine function"

    class Owner:
        method = marked(lambda self: coroutine())

    with pytest.raises(UsageError, match="method of the listener Owner is a coroutine function"):
        check_methods(Owner(), ["method"], kind="listener")


@pytest.mark.parametrize("function", [generator, async_generator, functools.partial(generator)])
@pytest.mark.parametrize("coroutines", [True, False])
def test_a_generator_function_is_refused_by_both_clients(function: object, coroutines: bool) -> None:
    with pytest.raises(UsageError, match="generator function: a call does not run it"):
        check_function("handler", function, coroutines=coroutines)


@pytest.mark.parametrize("value", [None, 5, "print", object()])
def test_objects_that_cannot_be_called_are_refused(value: object) -> None:
    assert deferred_kind(value) == ""
    with pytest.raises(UsageError, match=r"handler is of type .*cannot be called"):
        check_function("handler", value)


@pytest.mark.parametrize(
    "function",
    [
        plain,
        print,
        len,
        [].append,
        str,
        Callable,
        Plain(),
        Plain().method,
        functools.partial(plain, 1),
        functools.lru_cache(plain),
        hidden,
        mock.Mock(),
        mock.MagicMock(),
        mock.Mock(spec=Plain()),
        lambda: None,
    ],
)
def test_plain_functions_are_accepted(function: object) -> None:
    assert deferred_kind(function) == ""
    check_function("handler", function)


def test_the_error_says_what_to_pass() -> None:
    for function, coroutines, text in (
        (5, False, "handler is of type int, which cannot be called (give a function)"),
        (
            coroutine,
            False,
            "handler is a coroutine function: a call does not run it "
            "(stomp.AsyncClient takes coroutine functions; give a plain function here)",
        ),
        (
            generator,
            True,
            "handler is a generator function: a call does not run it "
            "(give a plain function or a coroutine function)",
        ),
        (
            async_generator,
            False,
            "handler is an async generator function: a call does not run it "
            "(stomp.AsyncClient takes coroutine functions; give a plain function here)",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            check_function("handler", function, coroutines=coroutines)
        assert str(caught.value) == text


def test_the_error_about_a_result_names_its_type() -> None:
    with pytest.raises(UsageError) as caught:
        check_result("the handler", hidden())
    assert str(caught.value) == (
        "the handler returned a coroutine, which is not awaited here "
        "(stomp.AsyncClient takes coroutine functions; give a plain function here)"
    )


def test_a_coroutine_that_is_returned_is_refused_and_closed() -> None:
    returned = hidden()
    with pytest.raises(UsageError, match=r"the handler returned a coroutine"):
        check_result("the handler", returned)
    assert inspect.getcoroutinestate(returned) == inspect.CORO_CLOSED


def test_other_awaitables_that_are_returned_are_refused() -> None:
    with asyncio.Runner() as runner:
        future = runner.get_loop().create_future()
        for returned in (future, async_generator(), old_coroutine()):
            with pytest.raises(UsageError):
                check_result("the handler", returned)


@pytest.mark.parametrize("value", [None, 5, [], generator(), mock.MagicMock(), mock.Mock()])
def test_other_results_are_accepted(value: object) -> None:
    assert not is_awaitable(value)
    assert check_result("the handler", value) is value


def test_methods_that_are_missing_are_accepted() -> None:
    check_methods(Plain(), ["method", "other"], kind="listener")
    with pytest.raises(UsageError, match="method of the listener Callable"):
        check_methods(Callable(), ["other", "method"], kind="listener")


def test_methods_are_checked_by_what_a_call_of_them_runs() -> None:
    class Owner:
        async def later(self) -> None: ...

        def now(self) -> None: ...

        function = staticmethod(coroutine)
        nothing = None
        number = 5

    check_methods(Owner(), ["later", "now", "nothing", "missing"], kind="listener", coroutines=True)
    for name, text in (
        ("later", "later of the listener Owner is a coroutine function: a call does not run it"),
        ("function", "function of the listener Owner is a coroutine function: a call does not run it"),
        ("number", "number of the listener Owner is of type int, which cannot be called"),
    ):
        with pytest.raises(UsageError) as caught:
            check_methods(Owner(), ["now", name], kind="listener")
        assert caught.value.message == text
