"""What a dialect does not do is reported: ERROR (strict) or a warning; and it has no effect."""

from __future__ import annotations

import logging

import pytest

from stomp.broker.dialects import DIALECTS, dialect_by_name
from stomp.broker.dialects.headers import ALL_SEND, ALL_SUBSCRIBE
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from tests.broker.party import party

#: Headers of SUBSCRIBE and of SEND, each with a value.
QUEUE_ARGUMENTS = {
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": "dead",
    "x-expires": "1000",
    "x-max-length": "1",
    "x-max-priority": "9",
    "x-message-ttl": "1000",
}
SUBSCRIBE = {
    "activemq.exclusive": "true",
    "activemq.noLocal": "true",
    "activemq.prefetchSize": "1",
    "activemq.priority": "7",
    "activemq.retroactive": "true",
    "activemq.subscriptionName": "n",
    "auto-delete": "false",
    "browser": "true",
    "consumer-window-size": "0",
    "destination-type": "MULTICAST",
    "durable": "true",
    "durable-subscriber-name": "n",
    "durable-subscription-name": "n",
    "exclusive": "true",
    "no-local": "true",
    "prefetch-count": "1",
    "selector": "none = 1",
    "subscription-type": "MULTICAST",
    **QUEUE_ARGUMENTS,
    "x-queue-name": "q",
}
SEND = {
    "AMQ_SCHEDULED_CRON": "* * * * *",
    "AMQ_SCHEDULED_DELAY": "1000",
    "AMQ_SCHEDULED_PERIOD": "1000",
    "AMQ_SCHEDULED_REPEAT": "3",
    "JMSXGroupID": "g",
    "_AMQ_DUPL_ID": "1",
    "_AMQ_LVQ_NAME": "k",
    "_AMQ_SCHED_DELIVERY": "99999999999999",
    "destination-type": "MULTICAST",
    "expiration": "1000",
    "expires": "1000",
    **QUEUE_ARGUMENTS,
}


def behaviour(dialect: str, subscribe: dict[str, str], send: dict[str, str], kind: str) -> list[object]:
    """What three clients get with these headers, with times and ids left out."""
    now = [100.0]
    engine = Engine(name="test", clock=lambda: now[0], dialect=dialect_by_name(dialect))
    one, two, sender = party(engine), party(engine), party(engine)
    one.client.client_id = "me"
    seen: list[object] = []
    for each in (one, two):
        each.subscribe(f"/{kind}/a", ack="client-individual", **(subscribe if each is one else {}))
    for body in ("1", "2", "3", "4"):
        sender.send(f"/{kind}/a", body, **send)
        one.send(f"/{kind}/a", body, **send)
    for _ in range(2):
        seen += [
            [(message.body, message.headers["redelivered"]) for message in each.messages()]
            for each in (one, two)
        ]
        now[0] += 2.0
        engine.run_due()
    one.unsubscribe()
    sender.send(f"/{kind}/a", "later", **send)
    seen.append(two.bodies())
    seen.append({name: depth for name, depth in engine.destinations().items() if depth})
    return seen


@pytest.mark.parametrize("dialect", ["rabbitmq", "activemq", "artemis", "tolerant"])
@pytest.mark.parametrize("command", ["SUBSCRIBE", "SEND"])
@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_header_that_a_dialect_does_not_support_has_no_effect_and_is_reported(
    command: str, dialect: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = SUBSCRIBE if command == "SUBSCRIBE" else SEND
    found = DIALECTS[dialect]
    supported = found.subscribe_headers if command == "SUBSCRIBE" else found.send_headers
    plain = behaviour(dialect, {}, {}, kind)
    for name, value in headers.items():
        if name in supported or (name == "selector" and found.ignores_selectors):
            continue
        caplog.clear()
        given = {name: value}
        with caplog.at_level(logging.WARNING, "stomp.broker"):
            if command == "SUBSCRIBE":
                assert behaviour(dialect, given, {}, kind) == plain, name
            else:
                assert behaviour(dialect, {}, given, kind) == plain, name
        assert f"the header {name!r} of {command} has no effect in the dialect {dialect}" in caplog.text


def test_all_headers_are_tested() -> None:
    assert set(SUBSCRIBE) == set(ALL_SUBSCRIBE)
    assert set(SEND) | {name for name in ALL_SEND if name.startswith("x-")} == set(ALL_SEND)


@pytest.mark.parametrize("name", sorted(ALL_SUBSCRIBE | {"x-queue-type", "activemq.dispatchAsync"}))
def test_strict_refuses_each_header_of_subscribe(name: str) -> None:
    engine = Engine(dialect=dialect_by_name("strict"))
    with pytest.raises(RequestRefused, match="is an extension of STOMP"):
        party(engine).subscribe("/topic/a", **{name: SUBSCRIBE.get(name, "1")})


@pytest.mark.parametrize("name", sorted(ALL_SEND))
def test_strict_refuses_each_header_of_send(name: str) -> None:
    engine = Engine(dialect=dialect_by_name("strict"))
    with pytest.raises(RequestRefused, match="is an extension of STOMP"):
        party(engine).send("/queue/a", "x", **{name: SEND.get(name, "1")})
    assert engine.destinations() == {}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize(
    "header", ["x-queue-type", "x-overflow", "x-max-length-bytes", "x-single-active-consumer"]
)
@pytest.mark.parametrize("command", ["SUBSCRIBE", "SEND"])
def test_argument_of_rabbitmq_that_no_dialect_has_is_reported(
    command: str, header: str, dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = party(Engine(dialect=dialect_by_name(dialect)))
    use = one.subscribe if command == "SUBSCRIBE" else one.send
    if dialect == "strict":
        with pytest.raises(RequestRefused, match=header):
            use("/queue/a", "x", **{header: "1"})
        return
    with caplog.at_level(logging.WARNING, "stomp.broker"):
        use("/queue/a", "x", **{header: "1"})
    assert f"the header {header!r} of {command} has no effect" in caplog.text


@pytest.mark.parametrize(
    ("dialect", "destination", "text"),
    [
        ("artemis", "/queue/a.*", "the dialect artemis has no wildcards of queues"),
        ("artemis", "/queue/a.#", "the dialect artemis has no wildcards of queues"),
        ("artemis", "/queue/a.>", ""),
        ("rabbitmq", "/queue/a.*", ""),
        ("activemq", "/queue/a.*", ""),
        ("activemq", "/topic/ActiveMQ.Advisory.SlowConsumer.Queue.a", "has no advisories of this kind"),
    ],
)
def test_destination_for_which_a_dialect_does_less_than_its_broker_is_reported(
    dialect: str, destination: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "stomp.broker"):
        party(Engine(dialect=dialect_by_name(dialect))).subscribe(destination)
    assert text in caplog.text
    assert bool(text) == bool(caplog.text)


@pytest.mark.parametrize(
    ("dialect", "matching"),
    [
        ("rabbitmq", {"#", "*"}),
        ("artemis", {"#", "*"}),
        ("activemq", {">", "*"}),
        ("tolerant", {"#", ">", "*"}),
    ],
)
def test_wildcards_of_topics_are_those_of_the_broker(dialect: str, matching: set[str]) -> None:
    """Observed with RabbitMQ 3.10, ActiveMQ 5.17 and 6.3, and Artemis 2.44."""
    engine = Engine(dialect=dialect_by_name(dialect))
    one = party(engine)
    for word in "#>*":
        one.subscribe(f"/topic/a.{word}", word)
    one.send("/topic/a.b", "x")
    assert {each.headers["subscription"] for each in one.messages()} == matching
    one.send("/topic/a.b.c", "x")
    assert {each.headers["subscription"] for each in one.messages()} == matching - {"*"}
    for word in "#>*":
        one.send(f"/topic/a.{word}", "x")
        assert word in {each.headers["subscription"] for each in one.messages()}
        one.unsubscribe(word)
    assert engine.destinations() == {}


def test_options_of_a_destination_are_not_part_of_its_name() -> None:
    """Observed with ActiveMQ 5.17 and 6.3."""
    engine = Engine(dialect=dialect_by_name("activemq"))
    one = party(engine)
    one.send("/queue/a?x=1", "1")
    one.subscribe("/queue/a?consumer.prefetchSize=1", ack="client")
    one.send("/queue/a", "2")
    assert [(each.headers["destination"], each.body) for each in one.messages()] == [
        ("/queue/a", b"1"),
        ("/queue/a", b"2"),
    ]
