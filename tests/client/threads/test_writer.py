import socket
import threading
import time

import pytest

from stomp.client.threads.writer import HIGH, SocketWriter, _coalesced
from stomp.core.errors import SendStalled
from tests.listening import PATIENCE


class ByteSource:
    """A session that sends what it is given."""

    def __init__(self):
        self.parts = []
        self.outgoing = 0

    def put(self, parts):
        self.parts += parts
        self.outgoing += sum(map(len, parts))

    def data_to_send(self, now):
        parts, self.parts, self.outgoing = self.parts, [], 0
        return parts


class Box:
    """An outbox on a socket pair; the test reads what it writes."""

    def __init__(self, layer=None, patience=PATIENCE):
        ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(PATIENCE)
        self.state = threading.Lock()
        self.source = ByteSource()
        self.outbox = SocketWriter(
            ours, self.source, layer, self.state, threading.Lock(), patience, time.monotonic
        )

    def put(self, *parts):
        with self.state:
            self.source.put(list(parts))

    def read(self, count):
        data = bytearray()
        while len(data) < count:
            data += self.theirs.recv(1 << 20)
        return bytes(data)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.outbox.close()
        self.theirs.close()


@pytest.fixture
def box():
    with Box() as running:
        yield running


def test_empty_writer_writes_nothing(box):
    assert not box.outbox.waiting
    assert box.outbox.write()


def test_parts_are_written_in_order(box):
    box.put(b"1", b"22")
    box.put(b"x" * 100_000, b"3")
    assert box.outbox.waiting
    reader = threading.Thread(target=lambda: found.append(box.read(100_004)))
    found: list[bytes] = []
    reader.start()
    assert box.outbox.write(leave=0)
    reader.join(PATIENCE)
    assert found == [b"122" + b"x" * 100_000 + b"3"]
    assert not box.outbox.waiting


def test_unwritten_bytes_stay_and_are_counted(box):
    box.put(b"x" * 5_000_000)
    assert not box.outbox.write()
    assert box.outbox.full
    assert box.outbox.buffered_bytes == 5_000_000
    box.put(b"y")
    assert not box.outbox.write(leave=10_000_000)
    reader = threading.Thread(target=lambda: found.append(box.read(5_000_001)))
    found: list[bytes] = []
    reader.start()
    assert box.outbox.write(leave=0)
    reader.join(PATIENCE)
    assert found == [b"x" * 5_000_000 + b"y"]
    assert box.outbox.write()
    box.put(b"z")
    assert box.outbox.buffered_bytes < HIGH
    assert not box.outbox.full


def test_timeout_keeps_unwritten_bytes():
    with Box(patience=0.05) as box:
        box.put(b"x" * 5_000_000)
        with pytest.raises(SendStalled, match="5000000 bytes wait"):
            box.outbox.write(leave=0)
        with pytest.raises(SendStalled):
            box.outbox.write(leave=0, seconds=0.01)
        assert box.outbox.buffered_bytes == 5_000_000


def test_concurrent_writer_is_not_disturbed(box):
    box.put(b"x")
    with box.outbox._write_lock:
        assert box.outbox.write()
    assert box.outbox.waiting
    assert box.outbox.write()
    assert box.read(1) == b"x"


def test_socket_error_is_raised_while_the_session_is_open(box):
    box.theirs.close()
    box.put(b"x")
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        box.outbox.write()
        box.put(b"x")
        box.outbox.write()


class Talkative:
    """A layer that has something of its own to say."""

    ended = False

    def __init__(self):
        self.out = b""

    def receive(self, data):
        return data

    def send(self, parts):
        self.out += b"".join(part.upper() for part in parts)

    def outgoing(self):
        out, self.out = self.out, b""
        return out

    def close(self):
        self.out += b"bye"


def test_output_of_the_layer_is_written():
    layer = Talkative()
    with Box(layer) as box:
        box.put(b"hello")
        layer.out = b"> "
        assert box.outbox.write()
        assert box.read(7) == b"> HELLO"
        layer.close()
        assert box.outbox.write()
        assert box.read(3) == b"bye"


def test_failing_close_notify_is_no_error():
    layer = Talkative()
    with Box(layer) as box:
        box.theirs.close()
        layer.close()
        assert box.outbox.write()
        box.put(b"but this is")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            box.outbox.write()


@pytest.mark.parametrize("gathers", [True, False])
def test_partial_write_continues_where_it_stopped(box, monkeypatch, gathers):
    monkeypatch.setattr("stomp.client.threads.writer._GATHERS", gathers)
    parts = [bytes([number]) * size for number in range(1, 200) for size in (5000, 0, 1, 20_000)]
    box.put(*parts)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(box.read(sum(map(len, parts)))))
    assert not box.outbox.write()
    reader.start()
    assert box.outbox.write(leave=0)
    reader.join(PATIENCE)
    assert found == [b"".join(parts)]
    assert not box.outbox.waiting


@pytest.mark.parametrize("gathers", [True, False])
def test_small_neighbours_are_joined_and_large_parts_are_not_copied(monkeypatch, gathers):
    monkeypatch.setattr("stomp.client.threads.writer._GATHERS", gathers)
    large = b"x" * 400_000
    parts = [b"1", b"2", large, b"3", b"4"] * 60
    joined = _coalesced(parts, 400_004 * 60)
    assert joined == [b"12", *[large, b"3412"] * 59, large, b"34"]
    assert joined[1] is large
    few = [b"1", b"2", large]
    assert _coalesced(few, 400_002) == (few if gathers else [b"12", large])
    assert _coalesced([], 0) == []
    assert _coalesced([b"1"], 1) == [b"1"]
    many = _coalesced([b"x" * 1000] * 1000, 1_000_000)
    assert len(many) == 4
    assert sum(map(len, many)) == 1_000_000
