"""`BrokerState`: what the parts of the engine share: the queues, the subscriptions, the clients, and the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.dialect import Dialect, Extensions
from stomp.broker.expiry import Expiry
from stomp.broker.observer import Observer, Observers
from stomp.broker.queues import Queues
from stomp.broker.store import Capacity, Policy, RequestRefused
from stomp.broker.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.model import Client


class BrokerState:
    """The state of a broker.

    Args:
        policy: limits of the queues and rules for messages.
        name: prefix of every message-id.
        clock: returns seconds since 1970.
        first_number: all numbers are above this one.
        dialect: what differs between brokers.

    Attributes:
        policy: the argument.
        name: the argument.
        clock: the argument.
        dialect: the argument.
        extensions: reports headers that the dialect does not support.
        capacity: counts the stored messages and bytes.
        expiry: the messages with an expiry time.
        clients: the connected clients, by number.
        queues: all queues but those of subscriptions to topics.
        topics: the subscriptions to topics.
        observer: is called for each event; None if there is no observer.
        paused: names of destinations whose messages are not delivered, see `stomp.broker.administration.pause`.
    """

    __slots__ = (
        "_count",
        "capacity",
        "clients",
        "clock",
        "dialect",
        "expiry",
        "extensions",
        "name",
        "observer",
        "paused",
        "policy",
        "queues",
        "topics",
    )

    def __init__(
        self, policy: Policy, name: str, clock: Callable[[], float], dialect: Dialect, first_number: int = 0
    ) -> None:
        self.policy: Policy = policy
        self.dialect: Dialect = dialect
        self.extensions: Extensions = Extensions(dialect)
        self.name: str = name
        self.clock: Callable[[], float] = clock
        self.capacity: Capacity = Capacity(policy)
        self.expiry: Expiry = Expiry(clock, self.capacity)
        self.clients: dict[int, Client] = {}
        self.queues: Queues = Queues(policy, self.capacity, self.expiry, self.clients)
        self.topics: Topics = Topics(policy.max_durable, 10 * policy.max_cost, self.queues.drop)
        self.observer: Observer | None = None
        self.paused: set[str] = set()
        self._count = first_number

    def next_number(self) -> int:
        """A number that is larger than all before."""
        self._count += 1
        return self._count

    def add_observer(self, observer: Observer) -> None:
        """Call this observer for each event, after those that were added before."""
        self.observer = observer if self.observer is None else Observers(self.observer, observer)
        self.queues.observer = self.expiry.observer = self.topics.observer = self.observer

    def check_subscriptions(self, client: Client) -> None:
        """Raise `RequestRefused` if a connection has as many subscriptions as the policy allows."""
        most = self.policy.max_subscriptions
        if len(client.consumers) >= most:
            raise RequestRefused(f"a connection may have {most} subscriptions at most")
