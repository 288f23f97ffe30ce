"""stomp.core.events"""

from stomp.core.events import Message
from stomp.core.frame import Frame, Headers


def test_a_message_is_a_frame_with_a_subscription() -> None:
    message = Message("MESSAGE", Headers(a="1"), b"x")
    assert message == Frame("MESSAGE", Headers(a="1"), b"x")
    assert message.subscription is None
    assert repr(message) == "<Message MESSAGE ['a'] 1 bytes>"
