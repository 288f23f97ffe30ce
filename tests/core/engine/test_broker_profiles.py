"""stomp.core.engine.broker_profiles"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stomp.core.engine.broker_profiles import (
    ACTIVEMQ,
    ARTEMIS,
    EMBEDDED,
    GENERIC,
    HORNETQ,
    PROFILES,
    RABBITMQ,
    SPRING,
    error_surely_ends,
    nack_headers,
    profile_by_name,
    profile_for_server,
    send_headers,
    subscribe_headers,
    web_message_check,
)
from stomp.core.errors import Unsupported, UsageError


@pytest.mark.parametrize(
    ("server", "profile"),
    [
        ("RabbitMQ/3.10.8", RABBITMQ),
        ("ActiveMQ/5.17.2", ACTIVEMQ),
        ("ActiveMQ-Artemis/2.31.0 ActiveMQ Artemis Messaging Engine", ARTEMIS),
        ("stompkit/1.0", EMBEDDED),
        ("rabbitmq/3.10.8", RABBITMQ),
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
    with pytest.raises(UsageError, match=f"called '{'k' * 40}'"):
        profile_by_name("k" * 99)


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
        (RABBITMQ, {"ack": "client", "prefetch": 1}, {"prefetch-count": 1}),
        (ARTEMIS, {"ack": "client", "prefetch": 1}, {"consumer-window-size": "0"}),
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
        (HORNETQ, {"ack": "client", "prefetch": 1}, "prefetch"),
        (SPRING, {"ack": "client"}, "Spring has no acknowledgements"),
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
        (EMBEDDED, {"delay": 2}, {"AMQ_SCHEDULED_DELAY": 2000}),
        (GENERIC, {"persistent": True, "priority": 4}, {"persistent": True, "priority": 4}),
        (RABBITMQ, {"persistent": False}, {}),
        (RABBITMQ, {"persistent": True}, {"persistent": True}),
        (GENERIC, {"priority": 0}, {"priority": 0}),
        (RABBITMQ, {"priority": 255}, {"priority": 255}),
        (RABBITMQ, {"ttl": 1.5, "epoch_ms": 10_000}, {"expiration": 1500}),
        (RABBITMQ, {"ttl": 999_999_999}, {"expiration": 999_999_999_000}),
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
        (GENERIC, {"delay": 1}, "delay"),
        (ACTIVEMQ, {"delay": 0}, "delay is 0"),
        (ACTIVEMQ, {"delay": 10**9}, "delay is 1000000000"),
        (RABBITMQ, {"priority": 256}, "priority is 256"),
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


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"durable": "d"}, "pass the broker's headers"),
        ({"exclusive": True}, "pass the broker's headers"),
        ({"selector": "a = 1"}, "pass the broker's headers"),
        ({"queue_type": "quorum"}, "pass the broker's headers"),
        ({"ack": "client", "prefetch": 2}, "pass the broker's headers"),
    ],
)
def test_refusal_says_what_to_do(options: dict, hint: str) -> None:
    with pytest.raises(Unsupported) as caught:
        subscribe_headers(GENERIC, **options)
    assert caught.value.hint.startswith(hint)
    if "queue_type" in options:
        with pytest.raises(Unsupported) as caught:
            send_headers(GENERIC, **options)
        assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("options", "text", "hint"),
    [
        ({"ack": "client", "prefetch": 0}, "prefetch is 0", "at least 1"),
        (
            {"prefetch": 1},
            "prefetch counts unacknowledged messages",
            "subscribe with ack='client-individual'",
        ),
        ({"durable": "d"}, "ActiveMQ knows a durable subscription by", "give client_id= to the client"),
    ],
)
def test_invalid_option_has_a_hint(options: dict, text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        subscribe_headers(ACTIVEMQ, **options)
    assert caught.value.message.startswith(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("options", "hint"), [({"priority": 256}, "0 to 9"), ({"ttl": -1}, "a number of seconds")]
)
def test_invalid_number_has_a_hint(options: dict, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        send_headers(RABBITMQ, **options)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("server", "ends"), [("apache-apollo/1.7.1", True), ("RabbitMQ/4", False), (None, False)]
)
def test_only_of_a_known_broker_an_error_surely_is_the_end(server: str | None, ends: bool) -> None:
    assert error_surely_ends(server) is ends


def test_artemis_discards_only_on_request() -> None:
    assert nack_headers(ARTEMIS, False) == {}
    for requeue in (None, True):
        with pytest.raises(Unsupported, match="discards messages rejected by NACK") as caught:
            nack_headers(ARTEMIS, requeue)
        assert "nack(requeue=True)" in caught.value.hint
    assert nack_headers(RABBITMQ, True) == {"requeue": "true"}
    assert nack_headers(RABBITMQ, None) == {}
    with pytest.raises(Unsupported) as refused:
        nack_headers(ACTIVEMQ, True)
    assert refused.value.hint == f"a rejected message {ACTIVEMQ.nack_effect}"


def test_frames_over_a_websocket_are_checked_for_brokers_that_damage_them() -> None:
    assert web_message_check("RabbitMQ/3.10.8") is None
    assert web_message_check("ActiveMQ/5.17.2", RABBITMQ) is None
    for check in (web_message_check("ActiveMQ/5.17.2"), web_message_check(None, ACTIVEMQ)):
        assert check is not None
        check(b"x" * 65_536)
        check("SEND\n\n\xe4\0".encode())
        with pytest.raises(Unsupported, match="at most 65536 bytes, this has 65537") as large:
            check(b"x" * 65_537)
        assert "connect by TCP" in large.value.hint
        with pytest.raises(Unsupported, match="this frame is not UTF-8") as binary:
            check(b"SEND\n\n\xff\0")
        assert "base64" in binary.value.hint
    spring = web_message_check(None, SPRING)
    assert spring is not None
    spring(b"x" * 1_000_000)
    with pytest.raises(Unsupported):
        spring(b"\xff")


def test_refusal_has_the_reason_if_one_is_known() -> None:
    unknown = GENERIC.refuse("delay")
    assert (unknown.message, unknown.hint) == ("this broker has no delay", "")
    known = RABBITMQ.refuse("delay", "try again")
    assert known.message == "RabbitMQ has no delay: without a plugin there is no delayed delivery"
    assert known.hint == "try again"


def test_refused_expiry_delay_and_acknowledgement_say_what_to_do() -> None:
    refused: list[dict[str, Any]] = [{"ttl": 1}, {"delay": 1}]
    for options in refused:
        with pytest.raises(Unsupported) as caught:
            send_headers(GENERIC, **options)
        assert caught.value.hint == "pass the broker's headers with headers=, or its kind with broker="
    with pytest.raises(Unsupported) as caught:
        subscribe_headers(SPRING, ack="client")
    assert caught.value.hint == "subscribe with ack='auto'"


def test_absolute_expiry_counts_from_the_given_time() -> None:
    assert send_headers(ACTIVEMQ, ttl=1) == {"expires": 1000}
    with pytest.raises(UsageError, match=r"^ttl is 0"):
        send_headers(ACTIVEMQ, ttl=0)


def test_a_broker_may_limit_only_the_size_of_websocket_messages() -> None:
    check = web_message_check(None, replace(ACTIVEMQ, web_text_only=False))
    assert check is not None
    check(b"\xff")
    with pytest.raises(Unsupported, match="at most 65536 bytes"):
        check(b"x" * 65_537)
