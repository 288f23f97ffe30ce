"""The destinations of queues and exchanges, and the headers that brokers need to declare them.

Rules of this file:

- A queue is ``/queue/NAME``. An exchange with a routing key is ``/topic/kombu.EXCHANGE.KEY``; a fanout exchange, which
  ignores the key, is ``/topic/kombu.EXCHANGE``.
- In the name of a topic, all characters but letters, digits, ``-`` and the dots between the words of a key are escaped
  as ``_XX``, the hexadecimal code of each byte. The name of an exchange is one word. So no broker finds a wildcard or
  a separator in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.engine.broker_profiles import BrokerProfile

_SPECIAL = re.compile(r"[^A-Za-z0-9-]")
_PREFIX = "/topic/kombu."
#: ActiveMQ's wildcard for the rest of a destination. All other brokers have "#", as AMQP.
_REST = {"activemq": ">", "apollo": "**"}


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How a queue was declared.

    Attributes:
        name: its name in Kombu.
        durable: the queue outlives a restart of the broker. In a cluster of RabbitMQ a durable classic queue cannot be
            declared while its node is down; one that is not durable can, at another node.
        transient: the queue has one owner (``auto_delete`` or ``exclusive``), so it may receive from topics: each
            consumer of a topic gets a copy.
        arguments: the ``x-`` arguments, for RabbitMQ.
    """

    name: str
    durable: bool = True
    transient: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


def escape(word: str) -> str:
    """One word of the name of a topic.

    >>> escape("celery.pidbox"), escape("a_b"), escape("")
    ('celery_2Epidbox', 'a_5Fb', '_')
    """
    return _SPECIAL.sub(lambda match: "".join(f"_{byte:02X}" for byte in match[0].encode()), word) or "_"


def topic(exchange: str, key: str | None) -> str:
    """The destination of messages to an exchange; `key` is None for a fanout exchange.

    >>> topic("celeryev", "task.received"), topic("celery.pidbox", None)
    ('/topic/kombu.celeryev.task.received', '/topic/kombu.celery_2Epidbox')
    """
    name = _PREFIX + escape(exchange)
    return name if key is None else f"{name}.{'.'.join(map(escape, key.split('.')))}"


def topic_pattern(profile: BrokerProfile, exchange: str, pattern: str) -> str:
    """The destination to subscribe to for a binding with wildcards of AMQP to a topic exchange.

    Where the broker cannot express the pattern, the destination matches more keys: check the key of each message.

    >>> from stomp.core.engine.broker_profiles import ACTIVEMQ, RABBITMQ
    >>> topic_pattern(RABBITMQ, "celeryev", "worker.#"), topic_pattern(ACTIVEMQ, "celeryev", "*.b.#.c")
    ('/topic/kombu.celeryev.worker.#', '/topic/kombu.celeryev.*.b.>')
    """
    rest = _REST.get(profile.name, "#")
    words = [escape(exchange)]
    for word in pattern.split("."):
        if word == "#":
            words.append(rest)
            if rest != "#":
                break  # only as the last word
        else:
            words.append(word if word == "*" else escape(word))
    return _PREFIX + ".".join(words)


def queue_destination(profile: BrokerProfile, name: str, *, declared: bool = True) -> str:
    """The destination of a queue.

    Args:
        profile: the broker profile.
        name: the name of the queue.
        declared: this process knows how the queue is declared. Otherwise RabbitMQ must not declare it, because
            another process may have declared it differently.

    >>> from stomp.core.engine.broker_profiles import ACTIVEMQ, RABBITMQ
    >>> queue_destination(RABBITMQ, "a/b"), queue_destination(RABBITMQ, "celery", declared=False)
    ('/queue/a%2Fb', '/amq/queue/celery')
    >>> queue_destination(ACTIVEMQ, "a/b", declared=False)
    '/queue/a/b'
    """
    if profile.name != "rabbitmq":
        return f"/queue/{name}"
    return f"{'/queue/' if declared else '/amq/queue/'}{quote(name, safe='@: ')}"


def queue_headers(profile: BrokerProfile, settings: QueueSettings) -> dict[str, Any]:
    """The headers by which SEND and SUBSCRIBE declare a queue; all frames for a queue must have the same.

    RabbitMQ and the embedded broker have them.

    >>> from stomp.core.engine.broker_profiles import RABBITMQ
    >>> queue_headers(RABBITMQ, QueueSettings("celery", arguments={"x-max-priority": 9}))
    {'durable': True, 'auto-delete': False, 'x-max-priority': 9}
    >>> queue_headers(RABBITMQ, QueueSettings("pidbox", durable=False, transient=True))
    {'durable': False, 'auto-delete': True, 'exclusive': False}
    """
    if profile.name == "embedded":
        return dict(settings.arguments)
    if profile.name != "rabbitmq":
        return {}
    headers: dict[str, Any] = {"durable": settings.durable, "auto-delete": settings.transient}
    if settings.transient:
        # RabbitMQ makes a queue that is not durable and deleted with its consumers exclusive: it then belongs to one
        # connection, and this transport may use two for a queue. RabbitMQ 4 permits others by default, but deprecates
        # them.
        headers["exclusive"] = False
    return {**headers, **settings.arguments}


def routing_headers(profile: BrokerProfile, *, shared: bool, subscribes: bool) -> dict[str, str]:
    """The headers by which Artemis distinguishes queues and topics. They need no prefixes of its acceptor.

    >>> from stomp.core.engine.broker_profiles import ARTEMIS
    >>> routing_headers(ARTEMIS, shared=True, subscribes=False)
    {'destination-type': 'ANYCAST'}
    """
    if profile.name != "artemis":
        return {}
    kind = "ANYCAST" if shared else "MULTICAST"
    return {"subscription-type" if subscribes else "destination-type": kind}
