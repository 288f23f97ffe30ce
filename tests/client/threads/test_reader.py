"""How much `SocketReader` reads at once, from a socket that always has more."""

from typing import Any

import pytest

from stomp.client.threads.reader import SocketReader
from stomp.core.diagnostics import Counters

SMALL, LARGE = 64 * 1024, 512 * 1024


class Fast:
    """A socket that always returns as much as it is asked for."""

    def __init__(self):
        self.asked = []
        self.most = LARGE

    def recv(self, size, flags):
        self.asked.append(size)
        return b"x" * min(size, self.most)

    def recv_into(self, buffer, size, flags):
        self.asked.append(len(buffer))
        return len(buffer) // 2


class Body:
    """A session; `missing` bytes of a large body are missing."""

    def __init__(self, missing=0):
        self.missing = missing
        self.counters = Counters()

    @property
    def wants_direct_read(self):
        return self.missing > 0

    def read_into(self, read):
        with memoryview(bytearray(self.missing)) as buffer:
            return read(buffer)


def reader_of(sock: Any, sink: Any, *, direct: bool = True) -> SocketReader:
    return SocketReader(sock, sink, direct=direct)


def read(reader, frames):
    """Read once; the session then finds this many frames."""
    data, direct_bytes = reader.read(0)
    reader._sink.counters.frames_received += frames
    return len(data), direct_bytes


def test_large_frames_are_read_in_larger_pieces_as_long_as_they_arrive():
    sock = Fast()
    reader = reader_of(sock, Body())
    for frames in (0, 3, 200, 257, 33, 3):
        assert read(reader, frames) == (sock.asked[-1], 0)
    assert sock.asked == [SMALL, SMALL, LARGE, LARGE, SMALL, SMALL]


def test_size_stays_small_while_less_than_that_arrives():
    sock = Fast()
    sock.most = SMALL - 1
    reader = reader_of(sock, Body())
    read(reader, 1)
    read(reader, 1)
    assert sock.asked == [SMALL, SMALL]


def test_large_body_is_read_into_its_buffer():
    sock, body = Fast(), Body(missing=1_000_000)
    reader = reader_of(sock, body)
    assert read(reader, 0) == (0, 500_000)
    body.missing = 0
    assert read(reader, 1) == (SMALL, 0)
    body.missing = 1_000_000
    assert read(reader, 1) == (0, 500_000)
    body.missing = 0
    assert read(reader, 1) == (SMALL, 0)
    assert sock.asked == [1_000_000, SMALL, 1_000_000, SMALL]


def test_through_a_layer_nothing_is_read_into_the_buffer():
    sock = Fast()
    assert read(reader_of(sock, Body(missing=1_000_000), direct=False), 0) == (SMALL, 0)


def test_error_of_the_socket_is_raised():
    class Broken(Fast):
        def recv(self, size, flags):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        reader_of(Broken(), Body()).read(0)
