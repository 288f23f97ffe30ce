"""What a user may read and write."""

from __future__ import annotations

import time

import pytest

from stomp.broker import Broker, Permissions
from stomp.core.errors import UsageError
from tests.broker.rawclient import RawClient

USERS: dict[str, str | None] = {"alice": "secret-a", "bob": "secret-b"}
PERMISSIONS = {"alice": Permissions(read=["/queue/a*", "/topic/prices.*"], write=["/queue/a"])}


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "/queue/a", True),
        ("/queue/a", "/queue/a", True),
        ("/queue/a", "/queue/ab", False),
        ("/queue/a*", "/queue/a", True),
        ("/queue/*b", "/queue/ab", True),
        ("/queue/*b", "/queue/ba", False),
        ("/queue/a*a", "/queue/a", False),
        ("/queue/*x*y*", "/queue/1x2y3", True),
        ("/queue/*x*y*", "/queue/1y2x3", False),
        ("/queue/*xy*y", "/queue/xy", False),
        ("/queue/a?", "/queue/ab", False),
        ("/queue/[a]", "/queue/a", False),
    ],
)
def test_a_pattern_matches_a_name(pattern: str, name: str, matches: bool) -> None:
    permissions = Permissions(read=[pattern], write=[pattern])
    assert permissions.can_read(name) is matches
    assert permissions.can_write(name) is matches


@pytest.mark.parametrize(
    ("subscription", "allowed"),
    [
        ("/topic/prices.usd", True),
        ("/topic/prices.*.usd", True),
        ("/topic/prices.#", False),  # it also matches /topic/prices
        ("/topic/prices.>", False),
        ("/topic/*.usd", False),
        ("/topic/#", False),
    ],
)
def test_a_subscription_with_wildcards_is_allowed_if_all_names_are(subscription: str, allowed: bool) -> None:
    assert Permissions(read=["/topic/prices.*"]).can_read(subscription) is allowed


def test_one_pattern_has_to_cover_all_words() -> None:
    assert Permissions(read=["/topic/prices*"]).can_read("/topic/prices.#")
    assert Permissions(read="/topic/*").can_read("/topic/#")


def test_temporary_destinations_need_no_permission() -> None:
    nothing = Permissions(read=[], write=[])
    assert nothing.can_read("/remote-temp-queue/1-a")
    assert nothing.can_write("/remote-temp-queue/1-a")
    assert not nothing.can_read("/queue/a")


@pytest.mark.parametrize("pattern", ["/topic/#", "/topic/a.>", ""])
def test_a_pattern_that_could_be_misread_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError):
        Permissions(read=[pattern])


def test_a_long_name_is_matched_in_linear_time() -> None:
    permissions = Permissions(read=["/queue/" + "*a" * 30 + "b"])
    begun = time.perf_counter()
    assert not permissions.can_read("/queue/" + "a" * 100_000)
    assert time.perf_counter() - begun < 5


def test_a_user_without_permission_gets_an_error() -> None:
    with Broker(users=USERS, permissions=PERMISSIONS) as broker:
        for frames, allowed in [
            ([("SUBSCRIBE", "/queue/abc")], True),
            ([("SUBSCRIBE", "/queue/b")], False),
            ([("SUBSCRIBE", "/amq/queue/b")], False),
            ([("SEND", "/amq/queue/a")], True),
            ([("SEND", "/queue/abc")], False),
            ([("SEND", "/topic/prices.usd")], False),
            ([("SUBSCRIBE", "/temp-queue/mine"), ("SEND", "/temp-queue/mine")], True),
        ]:
            with RawClient(broker) as client:
                client.connect(login="alice", passcode="secret-a")
                for command, destination in frames:
                    client.send(command, destination=destination, id="1", receipt="r")
                    client.expect("RECEIPT") if allowed else client.expect("ERROR", message="access refused")


def test_a_refused_send_of_a_transaction_is_an_error_at_once() -> None:
    with Broker(users=USERS, permissions=PERMISSIONS) as broker, RawClient(broker) as client:
        client.connect(login="alice", passcode="secret-a")
        client.send("BEGIN", transaction="t")
        client.send("SEND", "x", destination="/queue/other", transaction="t")
        assert b"may not write to '/queue/other'" in client.expect("ERROR").body
        assert broker.destinations() == {}


@pytest.mark.parametrize(
    ("command", "destination", "exchange", "key", "allowed"),
    [
        *(
            (command, "/queue/a", *case)
            for command in ("SUBSCRIBE", "SEND")
            for case in (
                ("", "dead", True),
                ("", "other", False),
                ("", None, True),  # to itself
                ("amq.direct", "dead", False),
                ("amq.topic", "x", True),
                ("amq.topic", None, True),
            )
        ),
        ("SUBSCRIBE", "/topic/a", "", "dead", True),
        ("SUBSCRIBE", "/topic/a", "", None, False),
        ("SUBSCRIBE", "/topic/a", "amq.topic", None, True),
    ],
)
def test_a_dead_letter_exchange_needs_a_permission_to_write(
    command: str, destination: str, exchange: str, key: str | None, allowed: bool
) -> None:
    permissions = {"alice": Permissions(write=["/queue/a", "/queue/dead", "/topic/*"])}
    headers = {"x-dead-letter-exchange": exchange}
    if key is not None:
        headers["x-dead-letter-routing-key"] = key
    with Broker(users=USERS, permissions=permissions) as broker, RawClient(broker) as client:
        client.connect(login="alice", passcode="secret-a")
        client.send(command, destination=destination, id="1", receipt="r", **headers)
        client.expect("RECEIPT") if allowed else client.expect("ERROR", message="access refused")
        assert allowed or broker.destinations() == {}


def test_a_subscription_to_several_queues_needs_a_permission_for_each() -> None:
    permissions = {"alice": Permissions(read=["/queue/a", "/queue/b.*"])}
    with Broker(users=USERS, permissions=permissions) as broker:
        for destination, allowed in [
            ("/queue/a,/queue/b.c", True),
            ("/queue/a,/queue/c", False),
            ("/queue/b.*", True),
            ("/queue/b.>", False),  # it matches /queue/b, too
            ("/queue/b.x.>", True),
            ("/queue/*", False),
            ("/queue/>", False),
        ]:
            with RawClient(broker) as client:
                client.connect(login="alice", passcode="secret-a")
                client.send("SUBSCRIBE", destination=destination, id="1", receipt="r")
                client.expect("RECEIPT") if allowed else client.expect("ERROR", message="access refused")


def test_a_user_without_an_entry_may_use_everything() -> None:
    with Broker(users=USERS, permissions=PERMISSIONS) as broker, RawClient(broker) as client:
        client.connect(login="bob", passcode="secret-b")
        client.send("SEND", "x", destination="/queue/z", receipt="r")
        client.expect("RECEIPT")


def test_permissions_without_users_are_refused() -> None:
    with pytest.raises(UsageError, match="permissions need users"):
        Broker(permissions=PERMISSIONS)


def test_a_user_with_no_passcode_cannot_log_in_without_one() -> None:
    with Broker(users={"robot": None}) as broker:
        for passcode in ("", "None"):
            with RawClient(broker) as client:
                client.send("CONNECT", accept_version="1.2", host="/", login="robot", passcode=passcode)
                client.expect("ERROR")


def test_passcodes_are_in_no_repr() -> None:
    broker = Broker(users=USERS, permissions=PERMISSIONS)
    assert "secret" not in repr(broker) + repr(broker._settings) + repr(vars(broker))
