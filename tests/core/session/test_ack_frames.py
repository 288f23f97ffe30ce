"""stomp.core.session.ack_frames, and the function of the native codec that does the same."""

from typing import Any, ClassVar

import pytest

from stomp.core.frames import native as native_codec
from stomp.core.frames.frame import Headers
from stomp.core.session.ack_frames import answer
from stomp.core.session.ledger import Subscription

#: Whatever `each_codec` makes of it.
NATIVE: Any = native_codec.native

native = pytest.mark.skipif(NATIVE is None, reason="stompkit-native is not installed: make native")
pytestmark = pytest.mark.usefixtures("each_codec")


def subscriptions(ack: str = "client-individual", **unacked: str) -> dict[str, Subscription]:
    """Subscriptions by id, with the names of what they have not settled, each a letter."""
    made = {id: Subscription(id, f"/queue/{id}", ack, Headers()) for id in unacked}
    for id, names in unacked.items():
        made[id].unacked.update(dict.fromkeys(names))
    return made


def left(given: dict[str, Subscription]) -> dict[str, str]:
    """The same names, in the same way."""
    return {id: "".join(subscription.unacked) for id, subscription in given.items()}


def answered(
    command: str, name: str, given: dict[str, Subscription], subscription: str | None = None
) -> bytes | None:
    """The frame; the native function is asked first, as a session does."""
    out: list[bytes] = []
    size = 0
    if native_codec.native is not None:
        size = native_codec.native.answer(command, name, given, subscription, out)
        assert size or not out
    size = size or answer(command, name, given, subscription, out)
    assert size == sum(map(len, out))
    return out[0] if out else None


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("T_1@@session@@7", b"T_1@@session@@7"),
        ("", b""),
        ("ID:a\\b", b"ID\\ca\\\\b"),
        ("\r\n", b"\\r\\n"),
        (":" * 300, b"\\c" * 300),
        ("\u20ac:\xe4", "\u20ac\\c\xe4".encode()),
        ("\x7f\x01", b"\x7f\x01"),
    ],
)
@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_a_name_is_escaped_as_1_2_wants_it(command: str, name: str, written: bytes) -> None:
    given = subscriptions(s="")
    given["s"].unacked[name] = None
    assert answered(command, name, given) == command.encode() + b"\nid:" + written + b"\n\n\0"
    assert left(given) == {"s": ""}


@pytest.mark.parametrize("name", ["a\0b", "\0", "\0:\u20ac", "\ud800"])
def test_a_name_that_no_frame_can_carry_is_left_alone(name: str) -> None:
    given = subscriptions(s="")
    given["s"].unacked[name] = None
    assert answered("ACK", name, given) is None
    assert list(given["s"].unacked) == [name]


def test_a_delivery_is_settled_where_it_is() -> None:
    given = subscriptions(s="abc", t="bcd", u="")
    assert answered("ACK", "d", given)
    assert answered("ACK", "b", given)
    assert left(given) == {"s": "ac", "t": "bc", "u": ""}


def test_a_subscription_that_is_named_is_the_only_one_that_is_looked_at() -> None:
    given = subscriptions(s="abc", t="bcd")
    assert answered("ACK", "b", given, "t")
    assert answered("ACK", "a", given, "t")
    assert answered("ACK", "a", given, "gone")
    assert left(given) == {"s": "abc", "t": "cd"}


def test_what_is_not_known_is_answered_all_the_same() -> None:
    assert answered("NACK", "x", subscriptions(s="a")) == b"NACK\nid:x\n\n\0"
    assert answered("NACK", "x", {}) == b"NACK\nid:x\n\n\0"


@pytest.mark.parametrize("subscription", [None, "s"])
def test_with_ack_client_all_earlier_ones_are_settled(subscription: str | None) -> None:
    """The first one is the frequent case, if each is acknowledged by itself."""
    given = subscriptions("client", s="abcdef")
    assert answered("ACK", "a", given, subscription)
    assert left(given) == {"s": "bcdef"}
    assert answered("ACK", "d", given, subscription)
    assert left(given) == {"s": "ef"}
    assert answered("ACK", "f", given, subscription)
    assert left(given) == {"s": ""}


@native
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("ACK", "a", {}, None),
        (b"ACK", "a", {}, None, []),
        ("ACK", b"a", {}, None, []),
        ("ACK", "a", [], None, []),
        ("ACK", "a", {}, None, ()),
        ("ACK", "a", {}, [], []),
    ],
)
def test_the_native_one_refuses_what_it_is_not_made_for(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, AttributeError)):
        NATIVE.answer(*arguments)


@native
@pytest.mark.parametrize("subscription", [None, "s"])
def test_the_native_one_does_nothing_with_what_it_does_not_know(subscription: str | None) -> None:
    odd: Any = subscriptions(s="a")
    odd["s"].unacked = ["a"]
    out: list[bytes] = []
    assert NATIVE.answer("ACK", "a", odd, subscription, out) == len(out[0])
    assert odd["s"].unacked == ["a"]
    for odd in ({"s": object()}, {"s": Odd()}):
        assert NATIVE.answer("ACK", "a", odd, subscription, []) == 0
    modeless: Any = subscriptions(s="ab")
    del modeless["s"].ack
    assert NATIVE.answer("ACK", "b", modeless, subscription, []) == 0
    assert left(modeless) == {"s": "ab"}


class Odd:
    unacked: ClassVar[dict[str, None]] = {"a": None}
    ack = "client-individual"


@native
def test_the_native_one_wants_a_class_with_slots() -> None:
    with pytest.raises(TypeError):
        NATIVE.prepare(5)
    try:
        NATIVE.prepare(Odd)
        for given in ({"s": Odd()}, subscriptions(s="a")):
            assert NATIVE.answer("ACK", "a", given, None, []) == 0
        assert NATIVE.answer("ACK", "a", {}, None, []) > 0
    finally:
        NATIVE.prepare(Subscription)
