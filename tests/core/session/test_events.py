"""stomp.core.session.events"""

from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.events import ListenerMessage, MessageFrame, Receipt


def test_a_message_is_a_frame_with_a_subscription() -> None:
    message = MessageFrame("MESSAGE", Headers(a="1"), b"x")
    assert message == Frame("MESSAGE", Headers(a="1"), b"x")
    assert message.subscription is None
    assert repr(message) == "<MessageFrame MESSAGE ['a'] 1 bytes>"


def test_body_may_be_left_out() -> None:
    for kind in (MessageFrame, ListenerMessage, Receipt):
        assert kind("X", Headers()).body == b""
    assert Receipt("RECEIPT", Headers()).ticket is None


def test_changes_of_a_listener_are_not_in_the_original_headers() -> None:
    message = ListenerMessage("MESSAGE", Headers(a="1"), b"x")
    message.headers["a"] = "2"
    assert message == Frame("MESSAGE", Headers(a="2"), b"x")
    assert message.as_they_came() == {"a": "1"}
    # The short form, which the native codec makes.
    message.original = ({"a": "1", "b": "2"}, ("b",), "3")
    assert message.as_they_came() == {"a": "1", "b": "3"}
    assert message.as_they_came() is message.original
