"""`RetainedMessages`: the last messages of topics, for retroactive subscriptions (ActiveMQ).

Rules of this file:

- Each topic keeps the last `Policy.max_retroactive` messages; by default none, as ActiveMQ without a
  ``subscriptionRecoveryPolicy``.
- All together use at most a quarter of `Policy.max_bytes`: then the topic whose last message is the oldest loses its
  messages. They count for `Capacity`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from stomp.broker.store import QUEUE_OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.model import PendingSend
    from stomp.broker.store import Capacity, Policy


class RetainedMessages:
    """The last messages of each topic.

    Args:
        policy: its `max_retroactive` and `max_bytes`.
        capacity: counts the messages.
    """

    def __init__(self, policy: Policy, capacity: Capacity) -> None:
        self._most = policy.max_retroactive
        self._most_bytes = policy.max_bytes // 4
        self._capacity = capacity
        self._topics: dict[str, deque[PendingSend]] = {}  # the one with the oldest last message first
        self._bytes = 0

    @property
    def is_on(self) -> bool:
        """True if messages are kept."""
        return self._most > 0

    def add(self, sending: PendingSend) -> None:
        """Keep a message that was sent to a topic."""
        messages = self._topics.pop(sending.destination, None)
        if messages is None:
            messages = deque()
            self._count(QUEUE_OVERHEAD)
        elif len(messages) == self._most:
            self._count(-messages.popleft().size)
        messages.append(replace(sending, duplicate_id=None))
        self._count(sending.size)
        self._topics[sending.destination] = messages
        while self._bytes > self._most_bytes:
            oldest = next(iter(self._topics))
            self._count(-QUEUE_OVERHEAD - sum(each.size for each in self._topics.pop(oldest)))

    def matching(self, matches: Callable[[str], bool]) -> list[PendingSend]:
        """The messages of the topics that match, those of one topic in their order."""
        return [each for name, messages in self._topics.items() if matches(name) for each in messages]

    def _count(self, size: int) -> None:
        self._bytes += size
        self._capacity.bytes += size
