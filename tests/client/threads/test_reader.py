"""How much is read at once: from a socket that gives all that it is asked for."""

from typing import Any

import pytest

from stomp.client.threads.reader import SocketReader

SMALL, LARGE = 64 * 1024, 512 * 1024


class Fast:
    """A socket that always has more."""

    def __init__(self):
        self.asked = []

    def recv(self, size, flags):
        self.asked.append(size)
        return b"x" * size

    def recv_into(self, room, size, flags):
        self.asked.append(len(room))
        return len(room) // 2


class Body:
    """A session that is in a large body, or not."""

    def __init__(self, missing=0):
        self.missing = missing

    @property
    def wants_direct_read(self):
        return self.missing > 0

    def read_into(self, read):
        with memoryview(bytearray(self.missing)) as room:
            return read(room)


def inlet_of(sock: Any, sink: Any, *, direct: bool = True) -> SocketReader:
    return SocketReader(sock, sink, direct=direct)


def read(inlet, frames):
    data, filled = inlet.read(0)
    inlet.note(len(data), frames)
    return len(data), filled


def test_large_frames_are_read_in_larger_pieces_as_long_as_they_come():
    sock = Fast()
    inlet = inlet_of(sock, Body())
    for frames in (0, 3, 200, 257, 33, 3):
        assert read(inlet, frames) == (sock.asked[-1], 0)
    assert sock.asked == [SMALL, SMALL, LARGE, LARGE, SMALL, SMALL]


def test_little_is_asked_for_where_little_comes():
    sock = Fast()
    inlet = inlet_of(sock, Body())
    read(inlet, 3)
    inlet.note(SMALL - 1, 1)
    read(inlet, 3)
    assert sock.asked == [SMALL, SMALL]


def test_a_large_body_is_read_into_its_place():
    sock, body = Fast(), Body(missing=1_000_000)
    inlet = inlet_of(sock, body)
    assert read(inlet, 0) == (0, 500_000)
    body.missing = 0
    assert read(inlet, 1) == (SMALL, 0)
    body.missing = 1_000_000
    assert read(inlet, 1) == (0, 500_000)
    body.missing = 0
    assert read(inlet, 1) == (SMALL, 0)
    assert sock.asked == [1_000_000, SMALL, 1_000_000, SMALL]


def test_what_is_read_of_the_next_large_body_is_little():
    sock, body = Fast(), Body()
    inlet = inlet_of(sock, body)
    data, _ = inlet.read(0)
    body.missing = 1_000_000  # the end of a frame was read, and the beginning of another one
    inlet.note(len(data), 1)
    body.missing = 0
    read(inlet, 0)
    assert sock.asked == [SMALL, SMALL]


def test_through_a_layer_nothing_is_read_into_place():
    sock = Fast()
    assert read(inlet_of(sock, Body(missing=1_000_000), direct=False), 0) == (SMALL, 0)


def test_what_the_socket_says():
    class Broken(Fast):
        def recv(self, size, flags):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        inlet_of(Broken(), Body()).read(0)
