from stomp import listener
from stomp.classic import callbacks
from stomp.utils import Frame


def test_they_are_those_of_the_listener_module():
    assert listener.ConnectionListener is callbacks.ConnectionListener
    assert listener.Publisher is callbacks.Publisher


def test_unpacking_either_shape():
    assert callbacks.unpack(Frame("MESSAGE", {"a": "b"}, "x"), callbacks.MISSING) == ({"a": "b"}, "x")
    assert callbacks.unpack({"a": "b"}, None) == ({"a": "b"}, None)
