"""Topics: finds the subscriptions that get a copy of a message, by name and by wildcards.

A name consists of words separated by dots: ``/topic/prices.nasdaq.acme``. In the destination of a subscription

- ``*`` matches exactly one word (RabbitMQ, ActiveMQ),
- ``#`` matches any number of words, including none (RabbitMQ),
- ``>`` as the last word has the same meaning as ``#`` (ActiveMQ).

The destination of a SEND is a literal name; wildcards have no meaning in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.destinations import has_wildcards
from stomp.broker.model import Queue
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stomp.broker.request_headers import DurableKey
    from stomp.broker.selector import Selector

#: Maximum number of words in a destination with wildcards.
MAX_WORDS = 50


def words_of(name: str) -> list[str] | None:
    """The words of a name with wildcards; None for a name without wildcards.

    >>> words_of("/topic/a.*.b"), words_of("/topic/a.>"), words_of("/topic/a*b")
    (['/topic/a', '*', 'b'], ['/topic/a', '#'], None)
    """
    prefix, slash, rest = name.rpartition("/")
    words = rest.split(".")
    if words[-1] == ">":
        words[-1] = "#"
    if not {"*", "#"} & set(words):
        return None
    # The prefix up to the last slash is part of the first word. Before a wildcard it must be a word by itself.
    if words[0] in ("*", "#"):
        return [prefix + slash, *words]
    return [prefix + slash + words[0], *words[1:]]


def matches(pattern: list[str], name: list[str]) -> bool:
    """True if the words of a name match the words of a pattern."""
    # The lengths of all prefixes of the pattern that match the words read so far.
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
    """The private queues of all subscriptions to topics, including durable subscriptions without a consumer.

    Args:
        max_durable: maximum number of durable subscriptions.
        drop: called with the queue of a durable subscription that is replaced; drops its waiting messages.
    """

    def __init__(self, max_durable: int, drop: Callable[[Queue], None]) -> None:
        self._max_durable = max_durable
        self._drop = drop
        self._named: dict[str, list[Queue]] = {}
        self._patterns: dict[str, list[str]] = {}
        self._durable: dict[tuple[str, ...], Queue] = {}

    def queue_for_subscription(
        self, name: str, durable_key: DurableKey | None, selector_text: str | None, selector: Selector | None
    ) -> Queue:
        """The queue of a new subscription; for an existing durable subscription its queue, with the kept messages.

        A durable subscription without consumers is replaced if its destination or its selector has changed.

        Args:
            name: the destination, with or without wildcards.
            durable_key: the key of the durable subscription; None for a subscription that is not durable.
            selector_text: the text of the selector, or None.
            selector: the compiled selector, or None.

        Raises:
            RequestRefused: the durable subscription is in use, there are too many durable subscriptions, or a
                destination with wildcards has too many words.
        """
        words = words_of(name) if has_wildcards(name) else None
        if words is not None and len(words) > MAX_WORDS:
            raise RequestRefused(f"a destination with wildcards may have {MAX_WORDS} words at most")
        old = None if durable_key is None else self._durable.get(durable_key.key)
        if durable_key is not None and old is not None:
            if old.consumers and not durable_key.shared:
                raise RequestRefused("the durable subscription is in use")
            if (old.name, old.selector_text) == (name, selector_text):
                return old
            if old.consumers:
                raise RequestRefused("the durable subscription is in use with another selector")
            self.remove(old)
            self._drop(old)
        if durable_key is not None and len(self._durable) >= self._max_durable:
            raise RequestRefused(f"the broker keeps {self._max_durable} durable subscriptions at most")
        queue = Queue(name, private=True)
        queue.selector, queue.selector_text = selector, selector_text
        if durable_key is not None:
            queue.durable = durable_key.key
            self._durable[durable_key.key] = queue
        self._named.setdefault(name, []).append(queue)
        if words is not None:
            self._patterns[name] = words
        return queue

    def durable(self, key: tuple[str, ...]) -> Queue | None:
        """The queue of a durable subscription; None if there is none with this key."""
        return self._durable.get(key)

    def remove(self, queue: Queue) -> None:
        """Remove the queue of a subscription; a durable subscription ends."""
        if queue.durable is not None:
            del self._durable[queue.durable]
            queue.durable = None
        queues = self._named[queue.name]
        queues.remove(queue)
        if not queues:
            del self._named[queue.name]
            self._patterns.pop(queue.name, None)

    def named(self, name: str) -> list[Queue] | None:
        """The queues of the subscriptions with exactly this destination; None if there are none."""
        return self._named.get(name)

    def names(self) -> Iterator[str]:
        """The destinations of all subscriptions."""
        return iter(self._named)

    def matching_queues(self, name: str, headers: Mapping[str, str]) -> list[Queue]:
        """The queues that get a copy of a message with these headers and this destination."""
        queues = list(self._named.get(name, ()))
        if self._patterns:
            head, slash, rest = name.rpartition("/")
            first, *others = rest.split(".")
            for selector_text, pattern in self._patterns.items():
                # In a pattern that begins with a wildcard, the prefix is a separate word.
                apart = pattern[0].endswith("/")
                words = [head + slash, first, *others] if apart else [head + slash + first, *others]
                if selector_text != name and matches(pattern, words):
                    queues += self._named[selector_text]
        return [queue for queue in queues if queue.selector is None or queue.selector(headers)]
