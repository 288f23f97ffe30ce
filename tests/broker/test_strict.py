"""The dialect "strict": headers of extensions are errors."""

from __future__ import annotations

import pytest

from stomp.broker import Broker
from stomp.broker.dialects import DIALECTS, dialect_by_name
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from stomp.core.errors import UsageError
from tests.broker.party import party


@pytest.fixture
def engine() -> Engine:
    return Engine(dialect=dialect_by_name("strict"))


@pytest.mark.parametrize("name", ["selector", "x-queue-name", "activemq.exclusive", "durable", "browser"])
def test_extension_of_subscribe_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(RequestRefused, match=name):
        party(engine).subscribe("/queue/a", **{name: "true"})


@pytest.mark.parametrize("name", ["expires", "expiration", "x-message-ttl", "AMQ_SCHEDULED_DELAY"])
def test_extension_of_send_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(RequestRefused, match=name):
        party(engine).send("/queue/a", "x", **{name: "1"})


def test_other_headers_are_carried(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a")
    one.send("/queue/a", "x", priority="9", mine="1")
    (message,) = one.messages()
    assert (message.headers["priority"], message.headers["mine"]) == ("9", "1")


def test_unknown_dialect_is_an_error() -> None:
    with pytest.raises(UsageError, match="there is no dialect 'kafka'"):
        Broker(dialect="kafka")
    assert {"tolerant", "rabbitmq", "activemq", "artemis", "strict"} == DIALECTS.keys()
