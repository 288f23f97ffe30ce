"""`Permissions`: the destinations that a user may read from and write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary, is_topic
from stomp.broker.store import RequestRefused
from stomp.broker.wildcards import queue_words_of
from stomp.core import arguments
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Words of a subscription to a topic that match any number of words.
_ANY_WORDS = ("#", ">")


class AccessRefused(RequestRefused):
    """The user may not use this destination."""


class Permissions:
    """The destinations that a user may read from and write to, as patterns. ``*`` matches any characters.

    Reading is to subscribe, writing is to send. Temporary destinations need no permission. A subscription to a topic
    with wildcards needs a pattern that covers all its names: ``/topic/prices.*`` allows ``/topic/prices.*.usd``, and
    ``/topic/prices*`` also ``/topic/prices.#``.

    >>> permissions = Permissions(read=["/queue/orders.*", "/topic/*"], write=["/queue/orders.new"])
    >>> permissions.can_read("/queue/orders.paid"), permissions.can_write("/queue/orders.paid")
    (True, False)

    Args:
        read: patterns of destinations to read from; all by default.
        write: patterns of destinations to write to; all by default.

    Raises:
        UsageError: a pattern is empty, or has ``#`` or ``>``.
    """

    __slots__ = ("read", "write")

    def __init__(self, read: Iterable[str] = ("*",), write: Iterable[str] = ("*",)) -> None:
        self.read: tuple[str, ...] = _patterns("read", read)
        self.write: tuple[str, ...] = _patterns("write", write)

    def __repr__(self) -> str:
        return f"Permissions(read={list(self.read)}, write={list(self.write)})"

    @property
    def allow_all(self) -> bool:
        """True if the user may use all destinations."""
        return "*" in self.read and "*" in self.write

    def can_read(self, name: str) -> bool:
        """True if the user may subscribe to this destination; `name` is the one inside the broker."""
        if is_temporary(name):
            return True
        if not any(_matches(pattern, name) for pattern in self.read):
            return False
        return name == (shortest := _shortest(name)) or any(_matches(each, shortest) for each in self.read)

    def can_write(self, name: str) -> bool:
        """True if the user may send to this destination; `name` is the one inside the broker."""
        return is_temporary(name) or any(_matches(pattern, name) for pattern in self.write)

    def check_read(self, name: str) -> None:
        """Raise `RequestRefused` if the user may not subscribe to this destination."""
        if not self.can_read(name):
            raise AccessRefused("access refused", f"this user may not read from {name!r:.200}")

    def check_write(self, name: str) -> None:
        """Raise `RequestRefused` if the user may not send to this destination."""
        if not self.can_write(name):
            raise AccessRefused("access refused", f"this user may not write to {name!r:.200}")


def _patterns(name: str, patterns: Iterable[str]) -> tuple[str, ...]:
    found = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    for pattern in found:
        arguments.text(f"a pattern of {name}", pattern, empty=False)
        if any(each in pattern for each in _ANY_WORDS):
            # These are literal characters in a name: a reader could take "/topic/#" for all topics.
            raise UsageError(
                f"the pattern {pattern!r:.100} of {name} has {' or '.join(_ANY_WORDS)}",
                hint="use *, for any characters",
            )
    return found


def _matches(pattern: str, name: str) -> bool:
    """True if a pattern matches, in time proportional to the length of both: names come from the network."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, last = rest
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _shortest(name: str) -> str:
    """A destination without the words that match no word at all: that is the shortest name it matches."""
    if not is_topic(name) and queue_words_of(name) is None:
        return name
    prefix, slash, words = name.rpartition("/")
    return prefix + slash + ".".join(word for word in words.split(".") if word not in _ANY_WORDS)
