"""Kombu's messages as bodies of STOMP messages, and the options of SEND that their properties ask for.

Rules of this file:

- The body is the JSON text of Kombu's dictionary, as in its other transports: ``body``, ``headers``, ``properties``,
  ``content-type`` and ``content-encoding``. A text body is in it unchanged; a binary one (pickle, msgpack, a compressed
  one) is encoded by Kombu as Base64.
- A message of another program is given to Kombu as a message whose body is that of the STOMP message.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stomp.client.arguments import SendOptions
    from stomp.core.engine.broker_profiles import BrokerProfile
    from stomp.core.engine.message import BaseMessage

#: A message of Kombu's virtual transports, before it is an object.
Payload = dict[str, Any]

_JSON = "application/json"
#: AMQP's value of ``delivery_mode`` for a message that outlives a restart of the broker.
_PERSISTENT = 2


def encode(message: Payload) -> str:
    """The body of SEND for a message."""
    return json.dumps(message, ensure_ascii=False)


def decode(message: BaseMessage) -> Payload:
    """The message of Kombu in a STOMP message."""
    found: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(message.body)
    payload: Payload = found if _is_payload(found) else _foreign(message)
    # The tag of the sender would not be unique here: a message may be delivered again, and to several queues.
    payload["properties"].pop("delivery_tag", None)
    payload["properties"]["delivery_info"]["redelivered"] = (
        message.redelivered or payload.pop("redelivered", False) is True
    )
    return payload


def _is_payload(payload: Any) -> bool:
    return bool(
        isinstance(payload, dict)
        and isinstance(payload.get("body"), str)
        and isinstance(payload.get("headers"), dict)
        and isinstance(payload.get("properties"), dict)
        and isinstance(payload["properties"].get("delivery_info"), dict)
    )


def _foreign(message: BaseMessage) -> Payload:
    try:
        body, encoding = message.body.decode(), "utf-8"
    except UnicodeDecodeError:
        body, encoding = message.body.decode("latin-1"), "latin-1"
    return {
        "body": body,
        "content-type": message.headers.get("content-type"),
        "content-encoding": encoding,
        "headers": dict(message.headers),
        "properties": {"delivery_info": {"exchange": "", "routing_key": message.destination}},
    }


def send_options(message: Payload, profile: BrokerProfile, *, delays: bool) -> SendOptions:
    """The options of SEND for a message.

    Args:
        message: the message.
        profile: the broker profile. What the broker does not have is left to Celery (``eta``) or has no effect.
        delays: let the broker delay a task with ``eta`` or ``countdown``, if it can.
    """
    properties = message["properties"]
    options: SendOptions = {
        "content_type": _JSON,
        "text": True,  # ActiveMQ's and Artemis' consoles show text
        "persistent": properties.get("delivery_mode") == _PERSISTENT,
        "priority": _priority(properties.get("priority")),
    }
    seconds = _number(properties.get("expiration"))
    if profile.ttl is not None and seconds is not None:
        options["ttl"] = seconds / 1000
    if delays and profile.delay is not None:
        seconds = _seconds_until(message["headers"].get("eta"))
        if seconds > 0:
            options["delay"] = seconds
    return options


def _priority(value: Any) -> int:
    # JMS and AMQP agree that 9 is first. Without the header brokers of JMS assume 4, AMQP 0.
    number = _number(value)
    return 0 if number is None else round(max(0.0, min(number, 9.0)))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _seconds_until(eta: Any) -> float:
    """Seconds until the time in Celery's header ``eta``; 0 without one."""
    try:
        moment = datetime.datetime.fromisoformat(eta)
        return (moment - datetime.datetime.now(datetime.UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0  # no eta, or one without a time zone, which only the worker can interpret
