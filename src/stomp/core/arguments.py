"""Validation of arguments that the user passes.

Rules of this file:

- Each function returns the value in the form that the package uses, or raises `UsageError` with a hint about a valid
  value.
- An error shows the type of a value that may hold a credential, never the value.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from stomp.core.errors import UsageError
from stomp.core.frames.frame import text_of
from stomp.core.frames.versions import VERSIONS
from stomp.core.spellings import nearest

_T = TypeVar("_T")
#: The maximum length of a value in an error text. Longer values are shown by their type.
_SHOWN = 40
#: Types that cannot be a header value: `str` would return their Python repr.
_CONTAINERS = (list, dict, set, frozenset)
_OF_MEMBER = ", such as the .value of this member"
#: Upper bound (exclusive) of a time to live or a delay in seconds: about 31 years.
_LONGEST = 10**9


def shown(value: object) -> str:
    """Format a value for an error text: its repr if that is short, else its type.

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
    """Return the error for an invalid argument.

    Args:
        name: the argument.
        value: its value.
        hint: what to pass instead.
        secret: show only the type of the value.
    """
    return UsageError(f"{name} is {f'of type {type(value).__name__}' if secret else shown(value)}", hint=hint)


def flag(name: str, value: object) -> bool:
    """Check a bool.

    >>> flag("persistent", "yes")
    Traceback (most recent call last):
    stomp.core.errors.UsageError: persistent is 'yes' (pass True or False)
    """
    if isinstance(value, bool):
        return value
    raise wrong(name, value, "pass True or False")


def count(name: str, value: object, *, least: int = 1, most: int | None = None, hint: str = "") -> int:
    """Check an int from `least` to `most` (both inclusive; None for no upper bound).

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
    """Check an int or float that is at least `least`."""
    lowest = float("-inf") if least is None else least
    # No comparison with a NaN is true.
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= lowest:
        return value
    raise wrong(name, value, hint)


def seconds(name: str, value: object, *, above_zero: bool = False) -> float:
    """Check a number of seconds or a `datetime.timedelta`, and return seconds.

    Zero and negative values are allowed unless `above_zero`: they are a deadline in the past.

    >>> from datetime import timedelta
    >>> seconds("ttl", timedelta(minutes=1)), seconds("timeout", 0)
    (60.0, 0)
    >>> seconds("timeout", "3")
    Traceback (most recent call last):
    stomp.core.errors.UsageError: timeout is '3' (pass a number of seconds, as in timeout=3)
    """
    if (type(value) is float or type(value) is int) and value > 0:
        return value  # the common case; it is checked for each message that is received with a timeout
    total = getattr(value, "total_seconds", None)
    given = total() if callable(total) else value
    example = "3" if not isinstance(value, str) or not value.strip().isdigit() else value.strip()
    hint = f"pass a number of seconds{' above 0' if above_zero else ''}, as in {name}={example}"
    result = number(name, given, hint=hint)
    if above_zero and not result > 0:
        raise wrong(name, value, hint)
    return result


def lifetime(name: str, value: object) -> float:
    """Check a time to live or a delay, as `seconds` does; it must be above 0 and below `_LONGEST` seconds."""
    result = seconds(name, value, above_zero=True)
    if result >= _LONGEST:
        raise wrong(name, value, f"pass a number of seconds below {_LONGEST}")
    return result


def text(name: str, value: object, *, hint: str = "pass text (str)", empty: bool = True) -> str:
    """Check a str; an empty one is invalid if not `empty`."""
    if type(value) is str and value:
        return value
    if isinstance(value, str) and (empty or value):
        return text_of(value)
    raise wrong(name, value, hint)


def header_value(name: str, value: object) -> object:
    """Check a header value: a str, a number, or another object whose `str` is meant for the wire."""
    if isinstance(value, (*_CONTAINERS, tuple)) or is_bare_member(value):
        raise wrong(name, value, f"pass text or a number{_OF_MEMBER if is_bare_member(value) else ''}")
    return value


def is_bare_member(value: object) -> bool:
    """True for an enum member that is not also a str, bytes or number: its `str` would be "Colour.RED".

    >>> Colour = enum.Enum("Colour", "RED")
    >>> is_bare_member(Colour.RED), is_bare_member(enum.IntEnum("Size", "BIG").BIG)
    (True, False)
    """
    return isinstance(value, enum.Enum) and not isinstance(value, str | bytes | int | float)


def secret(name: str, value: object) -> Any:
    """Check a credential, or a function that returns it."""
    if isinstance(value, str | bytes | int) or callable(value):
        return value
    raise wrong(name, value, "pass text, or a function that returns it", secret=True)


def headers(name: str, value: object, *, hint: str = "") -> dict[str, Any]:
    """Check headers, and return them as a new dictionary.

    >>> headers("headers", "a:b")
    Traceback (most recent call last):
    stomp.core.errors.UsageError: headers is of type str (pass a dictionary, as in headers={"name": "value"})
    """
    if type(value) is not dict and not isinstance(value, Mapping):
        raise wrong(name, value, hint or f'pass a dictionary, as in {name}={{"name": "value"}}', secret=True)
    given: dict[str, Any] = dict(value)
    for key, item in given.items():
        if type(key) is str and type(item) is str:
            continue  # the usual case
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
    """Check headers, or a function that returns them. The result of the function is not checked here."""
    return value if callable(value) else headers(name, value)


def destination(value: object) -> str:
    """Check a destination, such as "/queue/orders"."""
    if type(value) is str and value:
        return value
    if isinstance(value, str | bytes) and value:
        return text_of(value)
    if value is None or value == "" or value == b"":
        raise UsageError("there is no destination", hint="say where to send it, as in /queue/orders")
    raise wrong("the destination", value, 'pass text, as in "/queue/orders"')


def one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Check that a value is one of `choices`."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return text_of(value)
    raise wrong(name, value, f"use {', '.join(known[:-1])} or {known[-1]}")


def instance(name: str, value: object, kind: type[_T], hint: str) -> _T:
    """Check that a value is an instance of `kind`. The error does not show it: configuration may hold credentials."""
    if isinstance(value, kind):
        return value
    raise wrong(name, value, hint, secret=True)


def items(name: str, value: Iterable[_T], hint: str) -> tuple[_T, ...]:
    """Check an iterable other than str and bytes, and return a tuple."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise wrong(name, value, hint, secret=True)
    return tuple(value)


def heartbeat(name: str, value: object) -> tuple[int, int]:
    """Check a pair of heart-beat intervals in milliseconds: (we send, we want to receive).

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
    """Check STOMP versions: an iterable, a single one, or a comma-separated str.

    >>> versions("versions", "1.2"), versions("versions", ["1.1", "1.2"]), versions("versions", "1.1,1.2")
    (('1.2',), ('1.1', '1.2'), ('1.1', '1.2'))
    """
    hint = f'use some of {", ".join(VERSIONS)}, as in {name}=["1.2"]'
    if isinstance(value, str):
        value = [part.strip() for part in text_of(value).split(",")]
    if not isinstance(value, Iterable):
        raise wrong(name, value, hint)
    given = tuple(text_of(each) if isinstance(each, str) else each for each in value)
    for each in given or ("",):
        if each not in VERSIONS:
            raise UsageError(f"{name} has {shown(each)}" if given else f"{name} is empty", hint=hint)
    return given


def check_options(
    given: Mapping[str, Any], checks: Mapping[str, Callable[[str, Any], Any]]
) -> dict[str, Any]:
    """Check each option by its function in `checks`, and return those that are not None.

    Raises:
        TypeError: an option is unknown. Python raises the same type for an unknown argument.
        UsageError: the value of an option is invalid.
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        check = checks.get(name)
        if check is None:
            near = nearest(name, checks)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(checks)}"
            raise TypeError(f"unexpected option {name!r} ({hint}; a header goes into headers=)")
        if value is not None:
            checked[name] = check(name, value)
    return checked
