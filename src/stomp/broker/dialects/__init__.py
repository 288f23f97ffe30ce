"""The dialects by name."""

from __future__ import annotations

from stomp.broker.dialects.activemq import ActiveMQ
from stomp.broker.dialects.artemis import Artemis
from stomp.broker.dialects.dialect import Dialect
from stomp.broker.dialects.rabbitmq import RabbitMQ
from stomp.broker.dialects.strict import Strict
from stomp.core.errors import UsageError

DIALECTS: dict[str, Dialect] = {kind.name: kind() for kind in (Dialect, RabbitMQ, ActiveMQ, Artemis, Strict)}


def dialect_by_name(name: str) -> Dialect:
    """The dialect with this name.

    >>> dialect_by_name("rabbitmq")
    <dialect rabbitmq>

    Raises:
        UsageError: there is none.
    """
    if (found := DIALECTS.get(name)) is None:
        raise UsageError(f"there is no dialect {name!r:.80}", hint=f"take one of {', '.join(DIALECTS)}")
    return found
