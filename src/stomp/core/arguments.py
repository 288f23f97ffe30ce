"""Arguments of the user: what is wrong with one, and what to pass.

Rules of this file: every check returns the value in the form that the package works with, or raises `UsageError`;
values that may hold a credential are not shown, only their types are.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from stomp.core.errors import UsageError
from stomp.core.frames.frame import text_of
from stomp.core.frames.versions import DIALECTS

_T = TypeVar("_T")
#: The longest value that an error shows.
_SHOWN = 40
#: What cannot be the value of a header: its text would be that of Python.
_CONTAINERS = (list, dict, set, frozenset)
_OF_MEMBER = ", such as the .value of this member"
#: The largest number of seconds for which a message may live or be delayed: about 31 years.
_LONGEST = 10**9


def shown(value: object) -> str:
    """A value in an error text: the value itself if it is short, else its type.

    >>> shown("3"), shown(None), shown(b"x" * 100)
    ("'3'", 'None', 'of type bytes')
    """
    written = ""
    if value is None or isinstance(value, bool):
        written = repr(value)
    elif isinstance(value, str | int | float):
        written = repr(text_of(value)) if isinstance(value, str) else text_of(value)
    if 0 < len(written) <= _SHOWN:
        return written
    return f"of type {type(value).__name__}"


def wrong(name: str, value: object, hint: str, *, secret: bool = False) -> UsageError:
    """The error for an argument."""
    return UsageError(f"{name} is {f'of type {type(value).__name__}' if secret else shown(value)}", hint=hint)


def flag(name: str, value: object) -> bool:
    """True or False.

    >>> flag("persistent", "yes")
    Traceback (most recent call last):
    stomp.core.errors.UsageError: persistent is 'yes' (pass True or False)
    """
    if isinstance(value, bool):
        return value
    raise wrong(name, value, "pass True or False")


def count(name: str, value: object, *, least: int = 1, most: int | None = None, hint: str = "") -> int:
    """A whole number within these bounds.

    >>> count("prefetch", "10")
    Traceback (most recent call last):
    stomp.core.errors.UsageError: prefetch is '10' (pass a whole number, at least 1)
    """
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and least <= value <= (value if most is None else most)
    ):
        return int.__int__(value)
    bounds = f"at least {least}" if most is None else f"{least} to {most}"
    raise wrong(name, value, hint or f"pass a whole number, {bounds}")


def number(name: str, value: object, *, least: float | None = None, hint: str = "pass a number") -> float:
    """A number, not below `least`."""
    lowest = float("-inf") if least is None else least
    # No comparison with a NaN is true.
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= lowest:
        return value
    raise wrong(name, value, hint)


def seconds(name: str, value: object, *, above_zero: bool = False) -> float:
    """A number of seconds, or a `datetime.timedelta`. Where zero is allowed, so is less: a deadline that has passed.

    >>> from datetime import timedelta
    >>> seconds("ttl", timedelta(minutes=1)), seconds("timeout", 0)
    (60.0, 0)
    >>> seconds("timeout", "3")
    Traceback (most recent call last):
    stomp.core.errors.UsageError: timeout is '3' (pass a number of seconds, as in timeout=3)
    """
    total = getattr(value, "total_seconds", None)
    given = total() if callable(total) else value
    example = "3" if not isinstance(value, str) or not value.strip().isdigit() else value.strip()
    hint = f"pass a number of seconds{' above 0' if above_zero else ''}, as in {name}={example}"
    result = number(name, given, hint=hint)
    if above_zero and not result > 0:
        raise wrong(name, value, hint)
    return result


def lifetime(name: str, value: object) -> float:
    """The seconds for which a message lives, or is delayed."""
    result = seconds(name, value, above_zero=True)
    if result >= _LONGEST:
        raise wrong(name, value, f"pass a number of seconds below {_LONGEST}")
    return result


def text(name: str, value: object, *, hint: str = "pass text (str)", empty: bool = True) -> str:
    """A text."""
    if isinstance(value, str) and (empty or value):
        return text_of(value)
    raise wrong(name, value, hint)


def header_value(name: str, value: object) -> object:
    """What becomes the value of a header: text, a number, or something else with a text of its own."""
    if isinstance(value, (*_CONTAINERS, tuple)) or is_bare_member(value):
        raise wrong(
            name, value, f"pass text or a number{_OF_MEMBER if is_bare_member(value) else ''}", secret=True
        )
    return value


def is_bare_member(value: object) -> bool:
    """True for a member of an enumeration that is neither text nor a number: its text would be that of Python.

    >>> Colour = enum.Enum("Colour", "RED")
    >>> is_bare_member(Colour.RED), is_bare_member(enum.IntEnum("Size", "BIG").BIG)
    (True, False)
    """
    return isinstance(value, enum.Enum) and not isinstance(value, str | bytes | int | float)


def secret(name: str, value: object) -> Any:
    """A credential, or a function that returns it."""
    if isinstance(value, str | bytes | int) or callable(value):
        return value
    raise wrong(name, value, "pass text, or a function that returns it", secret=True)


def headers(name: str, value: object, *, hint: str = "") -> dict[str, Any]:
    """Headers, as a dictionary of its own.

    >>> headers("headers", "a:b")
    Traceback (most recent call last):
    stomp.core.errors.UsageError: headers is of type str (pass a dictionary, as in headers={"name": "value"})
    """
    if not isinstance(value, Mapping):
        raise wrong(name, value, hint or f'pass a dictionary, as in {name}={{"name": "value"}}', secret=True)
    given: dict[str, Any] = dict(value)
    for key, item in given.items():
        if not isinstance(key, str | bytes):
            raise UsageError(f"the name of a header is {shown(key)}", hint="pass text (str)")
        if isinstance(item, _CONTAINERS) or is_bare_member(item):
            more = _OF_MEMBER if is_bare_member(item) else "; a tuple is a header that is repeated"
            raise UsageError(
                f"the header {text_of(key)[:_SHOWN]!r} is of type {type(item).__name__}",
                hint=f"pass text or a number{more}",
            )
    return given


def connect_headers(name: str, value: object) -> Any:
    """Headers, or a function that returns them."""
    return value if callable(value) else headers(name, value)


def destination(value: object) -> str:
    """A destination, as "/queue/orders"."""
    if isinstance(value, str | bytes) and value:
        return text_of(value)
    if value is None or value == "" or value == b"":
        raise UsageError("there is no destination", hint="say where to send it, as in /queue/orders")
    raise wrong("the destination", value, 'pass text, as in "/queue/orders"')


def one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """One of several words."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return text_of(value)
    raise wrong(name, value, f"use {', '.join(known[:-1])} or {known[-1]}")


def instance(name: str, value: object, kind: type[_T], hint: str) -> _T:
    """An object of a class. It is not shown: settings may hold credentials."""
    if isinstance(value, kind):
        return value
    raise wrong(name, value, hint, secret=True)


def items(name: str, value: Iterable[_T], hint: str) -> tuple[_T, ...]:
    """Several values."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise wrong(name, value, hint, secret=True)
    return tuple(value)


def heartbeat(name: str, value: object) -> tuple[int, int]:
    """Two numbers of milliseconds.

    >>> heartbeat("heartbeat", 5)
    Traceback (most recent call last):
    stomp.core.errors.UsageError: heartbeat is 5 (pass two numbers of milliseconds, as in heartbeat=(10000, 10000))
    """
    hint = f"pass two numbers of milliseconds, as in {name}=(10000, 10000)"
    if not isinstance(value, tuple | list):
        raise wrong(name, value, hint)
    try:
        sends, wants = value
        return count(name, sends, least=0), count(name, wants, least=0)
    except (UsageError, ValueError):
        raise UsageError(f"{name} is ({', '.join(map(shown, value))})", hint=hint) from None


def versions(name: str, value: object) -> tuple[str, ...]:
    """Versions of STOMP: several, or one, or several in one text.

    >>> versions("versions", "1.2"), versions("versions", ["1.1", "1.2"]), versions("versions", "1.1,1.2")
    (('1.2',), ('1.1', '1.2'), ('1.1', '1.2'))
    """
    hint = f'use some of {", ".join(DIALECTS)}, as in {name}=["1.2"]'
    if isinstance(value, str):
        value = [part.strip() for part in text_of(value).split(",")]
    if not isinstance(value, Iterable):
        raise wrong(name, value, hint)
    given = tuple(text_of(each) if isinstance(each, str) else each for each in value)
    for each in given or ("",):
        if each not in DIALECTS:
            raise UsageError(f"{name} has {shown(each)}" if given else f"{name} is empty", hint=hint)
    return given


def check_options(
    given: Mapping[str, Any], checks: Mapping[str, Callable[[str, Any], Any]]
) -> dict[str, Any]:
    """The options that are not None, each checked.

    Raises:
        TypeError: there is no such option. Python raises the same for an argument.
        UsageError: one cannot be used.
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        check = checks.get(name)
        if check is None:
            import difflib

            near = difflib.get_close_matches(name, checks, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(checks)}"
            raise TypeError(f"unexpected option {name!r} ({hint}; a header goes into headers=)")
        if value is not None:
            checked[name] = check(name, value)
    return checked
