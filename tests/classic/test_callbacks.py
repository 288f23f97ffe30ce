from stomp import listener
from stomp.classic import callbacks
from stomp.utils import Frame


def test_classes_are_reexported_by_the_listener_module():
    assert listener.ConnectionListener is callbacks.ConnectionListener
    assert listener.Publisher is callbacks.Publisher


def test_unpack_accepts_frames_and_headers_with_body():
    assert callbacks.unpack(Frame("MESSAGE", {"a": "b"}, "x"), callbacks.MISSING) == ({"a": "b"}, "x")
    assert callbacks.unpack({"a": "b"}, None) == ({"a": "b"}, None)
