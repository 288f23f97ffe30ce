from __future__ import annotations

import pytest

from stomp.core.engine.broker_profiles import (
    ACTIVEMQ,
    ARTEMIS,
    EMBEDDED,
    GENERIC,
    HORNETQ,
    PROFILES,
    RABBITMQ,
    nack_headers,
    profile_by_name,
    profile_for_server,
    send_headers,
    subscribe_headers,
)
from stomp.core.errors import Unsupported, UsageError


@pytest.mark.parametrize(
    ("server", "profile"),
    [
        ("RabbitMQ/3.10.8", RABBITMQ),
        ("ActiveMQ/5.17.2", ACTIVEMQ),
        ("ActiveMQ-Artemis/2.31.0 ActiveMQ Artemis Messaging Engine", ARTEMIS),
        ("stompkit/1.0", EMBEDDED),
        ("CoilMQ/1.1.0", GENERIC),
        ("", GENERIC),
        (None, GENERIC),
    ],
)
def test_broker_is_recognised_by_the_server_header(server: str | None, profile) -> None:
    assert profile_for_server(server) is profile


def test_profile_is_found_by_name() -> None:
    assert [profile_by_name(name).name for name in PROFILES] == list(PROFILES)
    with pytest.raises(UsageError, match="use one of rabbitmq"):
        profile_by_name("kafka")


@pytest.mark.parametrize(
    ("profile", "config", "headers"),
    [
        (RABBITMQ, {"ack": "client", "prefetch": 5}, {"prefetch-count": 5}),
        (ACTIVEMQ, {"ack": "client", "prefetch": 5}, {"activemq.prefetchSize": 5}),
        (ACTIVEMQ, {"selector": "a = 1"}, {"selector": "a = 1"}),
        (RABBITMQ, {"durable": "d"}, {"id": "d", "durable": True, "auto-delete": False}),
        (ACTIVEMQ, {"durable": "d", "client_id": "c"}, {"activemq.subscriptionName": "d"}),
        (ARTEMIS, {"durable": "d", "client_id": "c"}, {"durable-subscription-name": "d"}),
        (HORNETQ, {"durable": "d", "client_id": "c"}, {"durable-subscriber-name": "d"}),
        (RABBITMQ, {"exclusive": True}, {"exclusive": True}),
        (ACTIVEMQ, {"exclusive": True}, {"activemq.exclusive": True}),
        (
            RABBITMQ,
            {"queue_type": "quorum"},
            {"x-queue-type": "quorum", "durable": True, "auto-delete": False},
        ),
        (GENERIC, {}, {}),
    ],
)
def test_subscription_options_become_headers_of_the_broker(profile, config: dict, headers: dict) -> None:
    assert subscribe_headers(profile, **config) == headers


@pytest.mark.parametrize(
    ("profile", "config", "words"),
    [
        (RABBITMQ, {"selector": "a = 1"}, "broker ignores the header"),
        (ARTEMIS, {"ack": "client", "prefetch": 5}, "consumer-window-size"),
        (GENERIC, {"ack": "client", "prefetch": 5}, "broker="),
        (GENERIC, {"durable": "d"}, "durable subscription"),
        (GENERIC, {"exclusive": True}, "exclusive subscription"),
        (ACTIVEMQ, {"queue_type": "quorum"}, "types of queues"),
    ],
)
def test_options_that_the_broker_ignores_are_refused(profile, config: dict, words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        subscribe_headers(profile, **config)


@pytest.mark.parametrize(
    ("profile", "config", "words"),
    [
        (RABBITMQ, {"ack": "client", "prefetch": 0}, "at least 1"),
        (RABBITMQ, {"prefetch": 5}, "client-individual"),
        (ACTIVEMQ, {"durable": "d"}, "client_id="),
    ],
)
def test_invalid_options_are_refused(profile, config: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        subscribe_headers(profile, **config)


@pytest.mark.parametrize(
    ("profile", "config", "headers"),
    [
        (RABBITMQ, {"ttl": 1.5}, {"expiration": 1500}),
        (ACTIVEMQ, {"ttl": 1.5, "epoch_ms": 10_000}, {"expires": 11_500}),
        (ACTIVEMQ, {"delay": 2}, {"AMQ_SCHEDULED_DELAY": 2000}),
        (GENERIC, {"persistent": True, "priority": 4}, {"persistent": True, "priority": 4}),
        (RABBITMQ, {"persistent": False}, {"persistent": False}),
        (
            RABBITMQ,
            {"queue_type": "quorum"},
            {"x-queue-type": "quorum", "durable": True, "auto-delete": False},
        ),
        (EMBEDDED, {"ttl": 0.0001}, {"expiration": 1}),
    ],
)
def test_send_options_become_headers_of_the_broker(profile, config: dict, headers: dict) -> None:
    assert send_headers(profile, **config) == headers


@pytest.mark.parametrize(
    ("profile", "config", "words"),
    [
        (GENERIC, {"ttl": 1}, "expiry"),
        (RABBITMQ, {"delay": 1}, "without a plugin"),
        (ACTIVEMQ, {"queue_type": "quorum"}, "types of queues"),
        (RABBITMQ, {"ttl": 0}, "above 0"),
        (RABBITMQ, {"ttl": float("nan")}, "above 0"),
        (RABBITMQ, {"priority": -1}, "priority is -1"),
    ],
)
def test_unsupported_send_options_are_refused(profile, config: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        send_headers(profile, **config)


def test_requeue_is_translated_or_refused() -> None:
    assert nack_headers(ACTIVEMQ, None) == {}
    assert nack_headers(RABBITMQ, False) == {"requeue": "false"}
    with pytest.raises(Unsupported, match="this broker has no requeue"):
        nack_headers(GENERIC, True)


@pytest.mark.parametrize(
    ("server", "name", "ends"),
    [
        ("RabbitMQ/4.0.5", "rabbitmq", False),
        ("ActiveMQ/6.3.1", "activemq", False),
        ("HornetQ/2.5.0.SNAPSHOT HornetQ Messaging Engine", "hornetq", False),
        ("apache-apollo/1.7.1", "apollo", True),
        ("ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine", "artemis", True),
        ("stompkit/1.0", "embedded", True),
        ("vertx-stomp/5.1.6", "generic", None),
        (None, "generic", None),
    ],
)
def test_profile_knows_whether_an_error_ends_the_connection(
    server: str | None, name: str, ends: bool | None
) -> None:
    profile = profile_for_server(server)
    assert (profile.name, profile.error_ends) == (name, ends)
