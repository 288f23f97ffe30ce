"""stomp.core.session.events"""

from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.events import MessageFrame


def test_a_message_is_a_frame_with_a_subscription() -> None:
    message = MessageFrame("MESSAGE", Headers(a="1"), b"x")
    assert message == Frame("MESSAGE", Headers(a="1"), b"x")
    assert message.subscription is None
    assert repr(message) == "<MessageFrame MESSAGE ['a'] 1 bytes>"
