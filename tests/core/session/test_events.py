"""stomp.core.session.events"""

from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.events import Message


def test_a_message_is_a_frame_with_a_subscription() -> None:
    message = Message("MESSAGE", Headers(a="1"), b"x")
    assert message == Frame("MESSAGE", Headers(a="1"), b"x")
    assert message.subscription is None
    assert repr(message) == "<Message MESSAGE ['a'] 1 bytes>"
