"""Topics: finds the subscriptions that get a copy of a message, by name and by wildcards.

A name consists of words separated by dots: ``/topic/prices.nasdaq.acme``. In the destination of a subscription

- ``*`` matches exactly one word,
- ``#`` matches any number of words, including none (RabbitMQ, Artemis),
- ``>`` as the last word has the same meaning as ``#`` (ActiveMQ).

The destination of a SEND is a literal name; wildcards have no meaning in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.destinations import has_wildcards, is_topic
from stomp.broker.model import Queue
from stomp.broker.store import RequestRefused
from stomp.broker.wildcards import MAX_WORDS, Trie, cost_of, split, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stomp.broker.observer import Observer
    from stomp.broker.request_headers import DurableKey
    from stomp.broker.selector import Selector


class Topics:
    """The private queues of all subscriptions to topics, including durable subscriptions without a consumer.

    Args:
        max_durable: maximum number of durable subscriptions.
        max_cost: maximum of the cost of all selectors and wildcards together.
        drop: called with the queue of a durable subscription that is replaced; drops its waiting messages.
        many_words: the wildcards for any number of words, see `stomp.broker.wildcards.words_of`.

    Attributes:
        observer: see `stomp.broker.state.BrokerState`.
    """

    def __init__(
        self, max_durable: int, max_cost: int, drop: Callable[[Queue], None], many_words: str = "#>"
    ) -> None:
        self.observer: Observer | None = None
        self._max_durable = max_durable
        self._max_cost = max_cost
        self._drop = drop
        self._named: dict[str, list[Queue]] = {}
        self._many_words = many_words
        self._trie = Trie()
        self._cost = 0
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
        words = self._words_of(name)
        check_words(name)
        cost = cost_of_subscription(name, selector)
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
        if self._cost + cost > self._max_cost:
            raise RequestRefused(
                "the selectors and wildcards of all subscriptions cost too much",
                "use fewer or shorter selectors and wildcards",
            )
        self._cost += cost
        queue = Queue(name, private=True)
        queue.cost = cost
        queue.selector, queue.selector_text = selector, selector_text
        if durable_key is not None:
            queue.durable = durable_key.key
            self._durable[durable_key.key] = queue
        if words is not None and name not in self._named:
            self._trie.add(name, words)
        self._named.setdefault(name, []).append(queue)
        return queue

    def durable(self, key: tuple[str, ...]) -> Queue | None:
        """The queue of a durable subscription; None if there is none with this key."""
        return self._durable.get(key)

    def remove(self, queue: Queue) -> None:
        """Remove the queue of a subscription; a durable subscription ends."""
        if queue.durable is not None:
            if self.observer is not None:
                self.observer.durable_removed(queue)
            del self._durable[queue.durable]
            queue.durable = None
        queues = self._named[queue.name]
        queues.remove(queue)
        self._cost -= queue.cost
        if not queues:
            del self._named[queue.name]
            words = self._words_of(queue.name)
            if words is not None:
                self._trie.remove(queue.name, words)

    def _words_of(self, name: str) -> list[str] | None:
        return words_of(name, self._many_words) if has_wildcards(name) else None

    def matcher(self, name: str) -> Callable[[str], bool]:
        """A function that returns True for the destinations of messages that a subscription to this topic gets."""
        words = self._words_of(name)
        if words is None:
            return lambda destination: destination == name
        trie = Trie()
        trie.add(name, words)
        return lambda destination: bool(trie.find(destination))

    def named(self, name: str) -> list[Queue] | None:
        """The queues of the subscriptions with exactly this destination; None if there are none."""
        return self._named.get(name)

    def names(self) -> Iterator[str]:
        """The destinations of all subscriptions."""
        return iter(self._named)

    def matching_queues(self, name: str, headers: Mapping[str, str]) -> list[Queue]:
        """The queues that get a copy of a message with these headers and this destination."""
        queues = list(self._named.get(name, ()))
        for pattern in self._trie.find(name):
            if pattern != name:
                queues += self._named[pattern]
        return [queue for queue in queues if queue.selector is None or queue.selector(headers)]


def cost_of_subscription(name: str, selector: Selector | None) -> int:
    """The cost of the selector and the wildcards of a subscription to a topic, see `Policy.max_cost`."""
    words = words_of(name) if is_topic(name) and has_wildcards(name) else None
    return (0 if words is None else cost_of(words)) + (0 if selector is None else selector.cost)


def check_words(name: str) -> None:
    """Raise `RequestRefused` if the destination of a topic has too many words."""
    if name.count(".") >= MAX_WORDS and len(split(name)) > MAX_WORDS + 1:
        raise RequestRefused(f"the destination of a topic may have {MAX_WORDS} words at most")
