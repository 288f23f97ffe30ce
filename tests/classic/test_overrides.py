"""stomp.classic.overrides, and the function of the native codec that does the same."""

from unittest import mock

import pytest

import stomp
from stomp import protocol
from stomp.classic.overrides import look, straight
from stomp.core.frames import native as native_codec

NATIVE = native_codec.native
LINK = object()
OURS = protocol._OURS

native = pytest.mark.skipif(NATIVE is None, reason="stompkit-native is not installed: make native")


@pytest.fixture(params=["pure", pytest.param("native", marks=native)])
def way(request):
    """What looks: the link of a connection, or None."""
    seek = look if request.param == "pure" else NATIVE.straight
    return lambda conn: seek(conn, OURS)


class Silent(stomp.ConnectionListener):
    pass


class Foreign:
    """It has no `on_send` at all."""


@pytest.fixture
def conn():
    return opened(stomp.Connection12)


def opened(kind):
    """A connection with listeners, and with what stands for its link."""
    conn = kind()
    conn.transport._link = LINK
    conn.set_listener("silent", Silent())
    conn.set_listener("foreign", Foreign())
    return conn


def other(*args):
    """What a program may put there."""


def test_the_native_one_is_used_where_it_is_installed():
    assert straight is (look if NATIVE is None else NATIVE.straight)


@pytest.mark.parametrize("kind", [stomp.Connection10, stomp.Connection11, stomp.Connection12])
def test_nothing_is_in_the_way(way, kind):
    for each in (kind, type("Own", (kind,), {"send": other})):
        conn = opened(each)
        assert way(conn) is LINK
        conn.mine = "an attribute of the program"
        assert way(conn) is LINK
        assert way(conn) is LINK


def test_there_is_no_link(way):
    assert way(stomp.Connection12()) is None


@pytest.mark.parametrize("name", ["send_frame", "_escape_headers"])
def test_a_method_of_the_object_is_replaced(way, conn, name):
    with mock.patch.object(conn, name, wraps=getattr(conn, name)):
        assert way(conn) is None
    assert way(conn) is LINK
    vars(conn)[name] = other
    assert way(conn) is None
    del vars(conn)[name]
    assert way(conn) is LINK
    setattr(conn, name, other.__get__(conn))
    assert way(conn) is None


def test_a_method_of_the_transport_is_replaced(way, conn):
    with mock.patch.object(conn.transport, "transmit"):
        assert way(conn) is None
    assert way(conn) is LINK
    vars(conn.transport)["transmit"] = other
    assert way(conn) is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (stomp.Connection12, "send_frame"),
        (protocol._Protocol, "_escape_headers"),
        (stomp.transport.BaseTransport, "transmit"),
        (stomp.transport.Transport, "transmit"),
    ],
)
def test_a_method_of_a_class_is_replaced(way, conn, kind, name):
    seen = kind is not stomp.transport.BaseTransport  # of which `Transport` has one of its own
    with mock.patch.object(kind, name):
        assert way(conn) is (None if seen else LINK)
    assert way(conn) is LINK


@pytest.mark.parametrize("name", ["send_frame", "_escape_headers"])
def test_a_class_of_the_program_has_one_of_its_own(way, name):
    assert way(opened(type("Own", (stomp.Connection12,), {name: other}))) is None


def test_a_class_of_the_program_looks_up_its_attributes_itself(way):
    class Own(stomp.Connection12):
        def __getattribute__(self, name):
            return other if name == "send_frame" else super().__getattribute__(name)

    assert way(opened(Own)) is None


@pytest.mark.parametrize("replace", [mock.Mock, stomp.transport.Transport, lambda: None])
def test_the_transport_is_replaced(way, conn, replace):
    conn.transport = replace()
    assert way(conn) is None


def test_a_transport_of_another_kind(way):
    assert way(protocol.Protocol12(mock.MagicMock())) is None


@pytest.mark.parametrize("kind", [Silent, Foreign])
def test_a_listener_gets_an_on_send(way, conn, kind):
    late = kind()
    conn.set_listener("late", late)
    assert way(conn) is LINK
    late.on_send = other
    assert way(conn) is None
    del late.on_send
    assert way(conn) is LINK
    with mock.patch.object(kind, "on_send", other, create=True):
        assert way(conn) is None
    assert way(conn) is LINK


def test_a_listener_with_an_on_send_comes_and_goes(way, conn):
    class Watching(stomp.ConnectionListener):
        def on_send(self, frame):
            pass

    conn.set_listener("watching", Watching())
    assert way(conn) is None
    conn.remove_listener("watching")
    assert way(conn) is LINK


def test_a_listener_that_fails_to_say(way, conn):
    class Broken:
        broken = False

        @property
        def on_send(self):
            if self.broken:
                raise ValueError("a defect of the user's")

    conn.set_listener("broken", Broken())
    assert way(conn) is LINK
    Broken.broken = True
    with pytest.raises(ValueError, match="defect"):
        way(conn)


@native
@pytest.mark.parametrize("arguments", [(), (1,), (1, 2), (1, (1, 2)), (1, [1, 2, 3]), (1, (1, 2, 3), 4)])
def test_the_native_one_refuses_what_it_is_not_made_for(arguments):
    with pytest.raises(TypeError):
        NATIVE.straight(*arguments)


@native
@pytest.mark.parametrize("unwatching", [(), None, [1], [(1, 2, 3)], [[1, 2]]])
def test_the_native_one_wants_to_know_what_it_is_given(conn, unwatching):
    conn.transport.registry.unwatching = unwatching
    if not unwatching:
        assert NATIVE.straight(conn, OURS) is None
    else:
        with pytest.raises(TypeError):
            NATIVE.straight(conn, OURS)
    for odd in (1, object(), type):
        assert NATIVE.straight(odd, OURS) is None
