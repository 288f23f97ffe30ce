"""stomp.core.frames.commands"""

import pytest

from stomp.core.errors import UsageError
from stomp.core.frames import commands
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, VERSIONS, Version

ALL = list(VERSIONS.values())


def shown(frame: Frame) -> tuple[str, dict[str, str]]:
    return frame.command, dict(frame.headers)


def test_connect_has_its_headers() -> None:
    frame = commands.connect(
        ["1.2", "1.0", "1.1"], "vhost", login="u", passcode="p", heartbeat=(1, 2), headers={"client-id": 5}
    )
    assert shown(frame) == (
        "CONNECT",
        {
            "client-id": "5",
            "accept-version": "1.0,1.1,1.2",
            "host": "vhost",
            "login": "u",
            "passcode": "p",
            "heart-beat": "1,2",
        },
    )


def test_connect_in_1_0_has_no_version_headers() -> None:
    assert shown(commands.connect(["1.0"], login="u", heartbeat=(1, 2))) == ("CONNECT", {"login": "u"})


def test_connect_has_only_the_given_headers() -> None:
    frame = commands.connect(iter(["1.2"]), command="STOMP")
    assert shown(frame) == ("STOMP", {"accept-version": "1.2"})


def test_send_has_destination_and_length() -> None:
    frame = commands.send(
        "/queue/a", b"hello", content_type="text/plain", transaction="t", receipt="r", headers={"x": True}
    )
    assert frame.body == b"hello"
    assert shown(frame) == (
        "SEND",
        {
            "x": "true",
            "destination": "/queue/a",
            "content-type": "text/plain",
            "transaction": "t",
            "receipt": "r",
            "content-length": "5",
        },
    )


def test_send_may_omit_content_length() -> None:
    assert shown(commands.send("/queue/a", b"x", content_length=False)) == (
        "SEND",
        {"destination": "/queue/a"},
    )


def test_named_parameters_override_headers() -> None:
    headers = {"destination": "/evil", "content-length": "9"}
    assert commands.send("/queue/a", b"x", headers=headers).headers == {
        "destination": "/queue/a",
        "content-length": "1",
    }
    assert headers == {"destination": "/evil", "content-length": "9"}


def test_subscribe_has_its_headers() -> None:
    frame = commands.subscribe(STOMP12, "/queue/a", "1", ack="client", receipt="r", headers={"selector": "x"})
    assert shown(frame) == (
        "SUBSCRIBE",
        {"selector": "x", "destination": "/queue/a", "id": "1", "ack": "client", "receipt": "r"},
    )
    assert "id" not in commands.subscribe(STOMP10, "/queue/a").headers


@pytest.mark.parametrize("version", [STOMP11, STOMP12], ids=repr)
def test_subscriptions_need_an_id_since_1_1(version: Version) -> None:
    with pytest.raises(UsageError, match="SUBSCRIBE needs an id"):
        commands.subscribe(version, "/queue/a")
    with pytest.raises(UsageError, match="UNSUBSCRIBE needs an id"):
        commands.unsubscribe(version, destination="/queue/a")


def test_unknown_ack_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="ack is 'manual'") as caught:
        commands.subscribe(STOMP12, "/queue/a", "1", ack="manual")
    assert caught.value.hint == "use auto, client or client-individual"


def test_unsubscribe_has_its_headers() -> None:
    assert shown(commands.unsubscribe(STOMP12, "1", receipt="r")) == (
        "UNSUBSCRIBE",
        {"id": "1", "receipt": "r"},
    )
    assert shown(commands.unsubscribe(STOMP10, destination="/a")) == ("UNSUBSCRIBE", {"destination": "/a"})
    with pytest.raises(UsageError):
        commands.unsubscribe(STOMP10)


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        (STOMP10, {"message-id": "m"}),
        (STOMP11, {"message-id": "m", "subscription": "s"}),
        (STOMP12, {"id": "m"}),
    ],
    ids=repr,
)
def test_ack_has_the_header_of_the_version(version: Version, headers: dict[str, str]) -> None:
    assert shown(commands.ack(version, "m", "s")) == ("ACK", headers)
    frame = commands.ack(version, "m", "s", transaction="t", receipt="r", headers={"x": "y"})
    assert frame.headers == {**headers, "transaction": "t", "receipt": "r", "x": "y"}


def test_nack_has_the_header_of_the_version() -> None:
    assert shown(commands.ack(STOMP12, "m", negative=True)) == ("NACK", {"id": "m"})
    with pytest.raises(UsageError, match=r"STOMP 1.0 has no NACK"):
        commands.ack(STOMP10, "m", negative=True)


def test_ack_needs_the_subscription_in_1_1() -> None:
    with pytest.raises(UsageError, match="need the subscription"):
        commands.ack(STOMP11, "m")


def test_transaction_and_disconnect_frames_have_their_headers() -> None:
    assert shown(commands.transaction("BEGIN", "t", receipt="r")) == (
        "BEGIN",
        {"transaction": "t", "receipt": "r"},
    )
    assert shown(commands.disconnect()) == ("DISCONNECT", {})
    assert shown(commands.disconnect("r", headers={"x": 1})) == ("DISCONNECT", {"x": "1", "receipt": "r"})


def test_connected_has_its_headers() -> None:
    assert shown(commands.connected(STOMP10, (1, 2), headers={"session": "s"})) == (
        "CONNECTED",
        {"session": "s"},
    )
    assert shown(commands.connected(STOMP12, (1, 2))) == (
        "CONNECTED",
        {"version": "1.2", "heart-beat": "1,2"},
    )


def test_receipt_has_the_receipt_id() -> None:
    assert shown(commands.receipt("r")) == ("RECEIPT", {"receipt-id": "r"})


def test_error_has_its_headers() -> None:
    frame = commands.error("bad\r\n thing\0", detail="café", receipt_id="r")
    assert frame.command == "ERROR"
    assert frame.body == "café".encode()
    assert frame.headers == {
        "message": "bad thing",
        "receipt-id": "r",
        "content-type": "text/plain",
        "content-length": "5",
    }
    assert commands.error("x").headers == {"message": "x"}
    assert encode(frame, STOMP10)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("SEND", [("destination",)] * 3),
        ("SUBSCRIBE", [("destination",), ("destination", "id"), ("destination", "id")]),
        ("UNSUBSCRIBE", [(), ("id",), ("id",)]),
        ("ACK", [("message-id",), ("subscription", "message-id"), ("id",)]),
        ("NACK", [("message-id",), ("subscription", "message-id"), ("id",)]),
        ("BEGIN", [("transaction",)] * 3),
        ("COMMIT", [("transaction",)] * 3),
        ("ABORT", [("transaction",)] * 3),
        ("DISCONNECT", [()] * 3),
    ],
)
def test_headers_are_required_by_version(command: str, names: list[tuple[str, ...]]) -> None:
    assert [commands.required(version, command) for version in ALL] == names


def test_every_frame_may_have_more_headers() -> None:
    more = {"x": "y"}
    for frame in (
        commands.unsubscribe(STOMP12, "1", headers=more),
        commands.transaction("BEGIN", "t", headers=more),
        commands.connected(STOMP12, (0, 0), headers=more),
        commands.error("no", headers=more),
    ):
        assert frame.headers["x"] == "y"


@pytest.mark.parametrize("versions", [["1.2", "3.0"], ["3.0"], [""]])
def test_unknown_versions_are_refused(versions: list[str]) -> None:
    with pytest.raises(UsageError, match=f"STOMP has no version '{versions[-1]}'") as caught:
        commands.connect(versions)
    assert caught.value.hint == "offer 1.0, 1.1 or 1.2"
    with pytest.raises(UsageError, match="STOMP has no version ''"):
        commands.connect([])


@pytest.mark.parametrize("mode", ["auto", "client", "client-individual"])
def test_modes_of_acknowledgement_are_known(mode: str) -> None:
    assert commands.subscribe(STOMP12, "/queue/a", "1", ack=mode).headers["ack"] == mode


@pytest.mark.parametrize("version", ALL, ids=repr)
def test_built_frames_have_the_required_headers(version: Version) -> None:
    built = [
        commands.send("/queue/a", b""),
        commands.subscribe(version, "/queue/a", "1"),
        commands.unsubscribe(version, "1"),
        commands.ack(version, "m", "s"),
        commands.transaction("BEGIN", "t"),
        commands.transaction("COMMIT", "t"),
        commands.transaction("ABORT", "t"),
        commands.disconnect(),
    ]
    if version.nack:
        built.append(commands.ack(version, "m", "s", negative=True))
    for frame in built:
        assert set(commands.required(version, frame.command)) <= set(frame.headers)
        assert frame.command in commands.CLIENT_COMMANDS
