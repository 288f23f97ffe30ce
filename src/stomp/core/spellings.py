"""One set of names for credentials and heart-beats in all APIs: ``login``, ``passcode`` and ``heartbeat``.

They are STOMP's own ("login", "passcode", "heart-beat"). Other spellings, such as those of stomp.py and of other
clients, are accepted. A `DeprecationWarning` says the name, unless the spelling belongs to the API. For a name that is
unknown, `nearest` finds the one that was meant.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Other spelling -> name.
OTHER = {
    "user": "login",
    "username": "login",
    "password": "passcode",
    "heartbeats": "heartbeat",
    "heart_beat": "heartbeat",
    "heart_beats": "heartbeat",
}


def common(given: dict[str, Any], names: Mapping[str, str] = OTHER, *, level: int = 3) -> dict[str, Any]:
    """Return the arguments with these other spellings replaced, each with a warning.

    Args:
        given: the arguments of a call by name.
        names: other spelling -> name.
        level: the `stacklevel` of the caller for `warnings.warn`.

    Raises:
        TypeError: an argument is given twice, by both spellings.
    """
    if names.keys().isdisjoint(given):
        return given
    arguments: dict[str, Any] = {}
    for spelling, value in given.items():
        name = names.get(spelling, spelling)
        if name != spelling:
            if name in given:
                raise TypeError(f"the arguments {spelling} and {name} are the same (pass {name} only)")
            warnings.warn(
                f"the argument {spelling!r} is named {name!r}", DeprecationWarning, stacklevel=level
            )
        arguments[name] = value
    return arguments


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most similar, or an empty string.

    >>> nearest("destinaton", ["destination", "body"])
    'destination'
    """
    import difflib  # here, because only errors need it

    return next(iter(difflib.get_close_matches(word, known, 1)), "")


def also_named(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Make a function accept the other spellings of its arguments, see `common`."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **common(kwargs))

    return call


def heartbeat_also(init: Callable[_P, None]) -> Callable[_P, None]:
    """Make the `__init__` of a connection of the listener API accept ``heartbeat`` for stomp.py's ``heartbeats``.

    The other spellings are accepted with a warning, as `also_named` does.
    """

    @functools.wraps(init)
    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs = common(kwargs, {"heart_beat": "heartbeat", "heart_beats": "heartbeat"})
        if "heartbeat" in kwargs:
            if "heartbeats" in kwargs:
                raise TypeError("the arguments heartbeat and heartbeats are the same (pass one of them)")
            kwargs["heartbeats"] = kwargs.pop("heartbeat")
        return init(*args, **kwargs)

    return call
