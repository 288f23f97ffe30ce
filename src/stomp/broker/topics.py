"""Topics: which subscriptions get a copy of what is sent, by name and by wildcards.

A name is words between dots, ``/topic/prices.nasdaq.acme``. In a subscription

- ``*`` is any one word (RabbitMQ, ActiveMQ),
- ``#`` is any number of words, none as well (RabbitMQ),
- ``>`` as the last word is what ``#`` is there (ActiveMQ).

What is sent goes to a plain name: there these signs mean nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.model import Queue
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stomp.broker.request_headers import DurableKey
    from stomp.broker.selector import Selector

#: More words in one name with wildcards than this are refused.
MAX_WORDS = 50


def words_of(name: str) -> list[str] | None:
    """The words of a name with wildcards; None if it has none.

    >>> words_of("/topic/a.*.b"), words_of("/topic/a.>"), words_of("/topic/a*b")
    (['/topic/a', '*', 'b'], ['/topic/a', '#'], None)
    """
    prefix, slash, rest = name.rpartition("/")
    words = rest.split(".")
    if words[-1] == ">":
        words[-1] = "#"
    if not {"*", "#"} & set(words):
        return None
    # What is before the last slash belongs to the first word, which then is no wildcard any more: keep it apart.
    if words[0] in ("*", "#"):
        return [prefix + slash, *words]
    return [prefix + slash + words[0], *words[1:]]


def matches(pattern: list[str], name: list[str]) -> bool:
    """True if the words of a name are what a pattern says."""
    # Which prefixes of the pattern have matched what was read of the name so far.
    places = {0}
    for word in [*name, None]:
        for place in sorted(places):
            while place < len(pattern) and pattern[place] == "#":
                place += 1
                places.add(place)
        if word is None:
            break
        reached: set[int] = set()
        for place in places:
            if place < len(pattern) and pattern[place] in (word, "*", "#"):
                reached.add(place if pattern[place] == "#" else place + 1)
        places = reached
    return len(pattern) in places


class Topics:
    """The private queues of all subscriptions to topics, and of the durable ones that nobody is at.

    Args:
        max_durable: how many durable subscriptions there may be.
        drop: called with the queue of one that is replaced; drops what waits there.
    """

    def __init__(self, max_durable: int, drop: Callable[[Queue], None]) -> None:
        self._max_durable = max_durable
        self._drop = drop
        self._named: dict[str, list[Queue]] = {}
        self._patterns: dict[str, list[str]] = {}
        self._durable: dict[tuple[str, ...], Queue] = {}

    def enter(
        self, name: str, wish: DurableKey | None, spelled: str | None, selector: Selector | None
    ) -> Queue:
        """The queue of a subscription that begins: a new one, or that which a durable one left.

        Args:
            name: the destination, with or without wildcards.
            wish: which durable subscription it is, or None.
            spelled: the text of its selector, or None.
            selector: what that means.

        Raises:
            Refusal: the durable subscription is in use, there are too many of them, or too many wildcards.
        """
        words = words_of(name)
        if words is not None and len(words) > MAX_WORDS:
            raise RequestRefused(f"a destination with wildcards may have {MAX_WORDS} words at most")
        old = None if wish is None else self._durable.get(wish.key)
        if wish is not None and old is not None:
            if old.consumers and not wish.shared:
                raise RequestRefused("the durable subscription is in use")
            if (old.name, old.spelled) == (name, spelled):
                return old
            if old.consumers:
                raise RequestRefused("the durable subscription is in use with another selector")
            self.forget(old)
            self._drop(old)
        if wish is not None and len(self._durable) >= self._max_durable:
            raise RequestRefused(f"the broker keeps {self._max_durable} durable subscriptions at most")
        queue = Queue(name, private=True)
        queue.selector, queue.spelled = selector, spelled
        if wish is not None:
            queue.durable = wish.key
            self._durable[wish.key] = queue
        self._named.setdefault(name, []).append(queue)
        if words is not None:
            self._patterns[name] = words
        return queue

    def durable(self, key: tuple[str, ...]) -> Queue | None:
        """The queue of a durable subscription."""
        return self._durable.get(key)

    def forget(self, queue: Queue) -> None:
        """A subscription ended, a durable one for good."""
        if queue.durable is not None:
            del self._durable[queue.durable]
            queue.durable = None
        queues = self._named[queue.name]
        queues.remove(queue)
        if not queues:
            del self._named[queue.name]
            self._patterns.pop(queue.name, None)

    def named(self, name: str) -> list[Queue] | None:
        """The queues of the subscriptions that say exactly this; None if there are none."""
        return self._named.get(name)

    def names(self) -> Iterator[str]:
        """The names that subscriptions have."""
        return iter(self._named)

    def takers(self, name: str, headers: Mapping[str, str]) -> list[Queue]:
        """The queues that get a copy of a message with these headers, sent to this name."""
        queues = list(self._named.get(name, ()))
        if self._patterns:
            head, slash, rest = name.rpartition("/")
            first, *others = rest.split(".")
            for spelled, pattern in self._patterns.items():
                # A pattern that begins with a wildcard has the prefix as a word of its own.
                apart = pattern[0].endswith("/")
                words = [head + slash, first, *others] if apart else [head + slash + first, *others]
                if spelled != name and matches(pattern, words):
                    queues += self._named[spelled]
        return [queue for queue in queues if queue.selector is None or queue.selector(headers)]
