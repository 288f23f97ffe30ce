"""`Advisories`: messages to topics of ActiveMQ about connections and subscriptions.

``/topic/ActiveMQ.Advisory.Connection`` gets one for each login and each end of a connection,
``/topic/ActiveMQ.Advisory.Consumer.Queue.NAME`` and ``.Consumer.Topic.NAME`` for each subscription and its end, with
the number of subscriptions in ``consumerCount``. A new subscription to one of these topics gets what there is already.

Rules of this file:

- A subscription like ``/topic/>`` gets advisories in the dialect "activemq" only; in the tolerant one they would be a
  surprise.
- The bodies are JSON with the names that ActiveMQ writes (``transformation:jms-advisory-json``).
- Subscriptions to these topics, and to temporary destinations and exchanges, are not announced.
"""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING

from stomp.broker.destinations import ADVISORIES
from stomp.broker.model import PendingSend
from stomp.broker.store import RequestRefused, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stomp.broker.model import Client, Consumer, Queue
    from stomp.broker.state import BrokerState

logger: logging.Logger = logging.getLogger("stomp.broker")

_CONNECTION = f"{ADVISORIES}Connection"
_CONSUMER = f"{ADVISORIES}Consumer."
#: The names of kinds of destinations, in the topics and in the bodies.
_KINDS = {"/queue/": ("Queue.", "ActiveMQQueue"), "/topic/": ("Topic.", "ActiveMQTopic")}


class Advisories:
    """Sends the advisories of a broker.

    Args:
        state: the state of the broker.
        store: adds a message to a queue, and delivers it. Its size was claimed before.
    """

    def __init__(self, state: BrokerState, store: Callable[[Queue, PendingSend], None]) -> None:
        self._state = state
        self._store = store
        self._counts: dict[str, int] = {}  # subscriptions by the topic of their advisories

    # ------------------------------------------------------------------------------------- events

    def client_added(self, client: Client) -> None:
        """Called when the login of a client was accepted."""
        self._send(_CONNECTION, partial(self._connection_info, client))

    def client_removed(self, client: Client) -> None:
        """Called when a client has gone."""
        removed = {"@class": "ConnectionId", "value": self._id(client)}
        self._send(_CONNECTION, lambda: {"RemoveInfo": {"objectId": removed}})

    def consumer_added(self, consumer: Consumer) -> None:
        """Called with a new subscription."""
        for name in _names_of(consumer):
            topic = _topic_of(name)
            self._counts[topic] = self._counts.get(topic, 0) + 1
            self._send(topic, partial(self._consumer_info, consumer, name))

    def consumer_removed(self, consumer: Consumer) -> None:
        """Called with a subscription that has ended."""
        removed = {"@class": "ConsumerId", **self._consumer_id(consumer)}
        for name in _names_of(consumer):
            topic = _topic_of(name)
            self._counts[topic] -= 1
            self._send(topic, lambda: {"RemoveInfo": {"objectId": removed}})
            if not self._counts[topic]:
                del self._counts[topic]

    def existing(self, matches: Callable[[str], bool]) -> Iterator[PendingSend]:
        """The advisories about what there is already, for a new subscription to topics that match."""
        for client in self._state.clients.values():
            if matches(_CONNECTION):
                yield self._message(_CONNECTION, self._connection_info(client))
            for consumer in client.consumers.values():
                for name in _names_of(consumer):
                    if matches(topic := _topic_of(name)):
                        yield self._message(topic, self._consumer_info(consumer, name))

    # ------------------------------------------------------------------------------------- messages

    def _send(self, topic: str, body: Callable[[], dict[str, object]]) -> None:
        """Send a message, if the topic has subscriptions; most have none, so `body` is called then only."""
        state = self._state
        queues = state.topics.matching_queues(topic, {})
        if state.dialect.advisories == "named":
            queues = [queue for queue in queues if queue.name.startswith(ADVISORIES)]
        if not queues:
            return
        message = self._message(topic, body())
        for queue in queues:
            try:
                state.capacity.claim(1, message.size)
            except RequestRefused as refusal:
                logger.warning("an advisory to %.200r was dropped: %s", topic, refusal.message)
                return
            self._store(queue, message)

    def _message(self, topic: str, body: dict[str, object]) -> PendingSend:
        headers = {
            "type": "Advisory",
            "transformation": "jms-advisory-json",
            "originBrokerName": self._state.name,
            "originBrokerId": f"ID:{self._state.name}",
            "priority": "0",
            "expires": "0",
            "timestamp": "0",
        }
        if topic != _CONNECTION:
            headers["consumerCount"] = str(self._counts.get(topic, 0))
        data = json.dumps(body, separators=(",", ":")).encode()
        return PendingSend(topic, headers, data, size_of(headers, data), has_length=False)

    def _id(self, client: Client) -> str:
        return f"ID:{self._state.name}-{client.number}"

    def _consumer_id(self, consumer: Consumer) -> dict[str, object]:
        return {"connectionId": self._id(consumer.client), "sessionId": -1, "value": consumer.number}

    def _connection_info(self, client: Client) -> dict[str, object]:
        info = {
            "connectionId": {"value": self._id(client)},
            "clientId": client.client_id or self._id(client),
            "clientIp": "/",
            "userName": client.login or "",
            "password": "",
        }
        return {"ConnectionInfo": info}

    def _consumer_info(self, consumer: Consumer, name: str) -> dict[str, object]:
        kind = name[:7]
        info: dict[str, object] = {
            "consumerId": self._consumer_id(consumer),
            "destination": {"@class": _KINDS[kind][1], "string": name.removeprefix(kind)},
            "prefetchSize": consumer.prefetch,
            "browser": any(queue.browsing for queue in consumer.queues),
            "noLocal": any(queue.no_local for queue in consumer.queues),
            "exclusive": consumer.exclusive,
            "priority": consumer.priority,
        }
        if consumer.selector_text is not None:
            info["selector"] = consumer.selector_text
        durable = next((queue.durable for queue in consumer.queues if queue.durable), None)
        if durable is not None:
            info["subscriptionName"] = durable[-1]
        return {"ConsumerInfo": info}


def _names_of(consumer: Consumer) -> list[str]:
    """The destinations of a subscription that are announced."""
    names = consumer.destination.split(",")
    return [name for name in names if name[:7] in _KINDS and not name.startswith(ADVISORIES)]


def _topic_of(name: str) -> str:
    """The topic of the advisories about subscriptions to a destination.

    >>> _topic_of("/queue/a.b")
    '/topic/ActiveMQ.Advisory.Consumer.Queue.a.b'
    """
    return _CONSUMER + _KINDS[name[:7]][0] + name[7:]
