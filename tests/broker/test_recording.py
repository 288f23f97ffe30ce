"""The recorder of frames: what it keeps, its limits, and that credentials are masked."""

from __future__ import annotations

import pytest

from stomp.broker import Broker, FrameRecorder
from stomp.core.errors import NotConnected
from stomp.core.frames.frame import Frame, headers_of
from tests.broker.rawclient import RawClient


def send_frame(body: bytes = b"x", **headers: str) -> Frame:
    return Frame("SEND", headers_of({"destination": "/queue/a", **headers}), body)


def test_frames_of_both_directions_are_recorded_in_order(broker: Broker) -> None:
    with broker.frames() as frames, RawClient(broker) as client:
        client.connect(passcode="Zauberwort")
        client.send("SUBSCRIBE", id="1", destination="/queue/a")
        client.send("SEND", "hello", destination="/queue/a", receipt="r")
        client.expect("RECEIPT")
        client.expect("MESSAGE")
    seen = [(frame.command, frame.sent) for frame in frames]
    assert seen[:4] == [("CONNECT", False), ("CONNECTED", True), ("SUBSCRIBE", False), ("SEND", False)]
    assert sorted(seen[4:]) == [("MESSAGE", True), ("RECEIPT", True)]
    assert {frame.connection for frame in frames} == {1}
    assert [frame.number for frame in frames] == list(range(1, 7))
    assert "Zauberwort" not in repr(list(frames))


def test_frames_are_recorded_on_connections_that_exist_already(broker: Broker, client: RawClient) -> None:
    client.sync()
    with broker.frames() as frames:
        client.send("SEND", "x", destination="/queue/a", receipt="1")
        client.expect("RECEIPT")
    client.send("SEND", "x", destination="/queue/a", receipt="2")
    client.expect("RECEIPT")
    assert [frame.command for frame in frames] == ["SEND", "RECEIPT"]


def test_error_of_the_protocol_is_recorded(broker: Broker) -> None:
    with broker.frames() as frames, RawClient(broker) as client:
        client.connect()
        client.send("ACK", id="none")
        client.expect("ERROR")
    assert [frame.command for frame in frames] == ["CONNECT", "CONNECTED", "ACK", "ERROR"]


def test_recorder_of_a_stopped_broker_can_be_read_and_closed() -> None:
    with Broker() as broker:
        frames = broker.frames()
    frames.close()
    assert list(frames) == []
    with pytest.raises(NotConnected):
        broker.frames()


def test_number_of_frames_is_limited() -> None:
    recorder = FrameRecorder(max_frames=3)
    for number in range(10):
        recorder.on_frame(1, send_frame(str(number).encode()), sent=False)
    assert [frame.body for frame in recorder] == [b"7", b"8", b"9"]
    assert (recorder.total, len(recorder)) == (10, 3)


def test_bytes_of_frames_are_limited() -> None:
    recorder = FrameRecorder(max_bytes=10_000)
    for _ in range(100):
        recorder.on_frame(1, send_frame(b"x" * 2000), sent=False)
    assert 2 <= len(recorder) <= 4


def test_frame_beyond_the_limit_of_bytes_is_dropped() -> None:
    recorder = FrameRecorder(max_bytes=1000)
    recorder.on_frame(1, send_frame(long="x" * 5000), sent=False)
    assert list(recorder) == []
    recorder.on_frame(1, send_frame(), sent=False)
    assert len(recorder) == 1


def test_beginning_of_a_body_is_kept_with_its_size() -> None:
    recorder = FrameRecorder(body_bytes=3)
    recorder.on_frame(1, send_frame(b"abcdef"), sent=True)
    (frame,) = recorder
    assert (frame.body, frame.size, frame.sent) == (b"abc", 6, True)


def test_frames_since_a_number_are_returned() -> None:
    recorder = FrameRecorder(max_frames=4)
    for _ in range(6):
        recorder.on_frame(1, send_frame(), sent=False)
    assert [[frame.number for frame in recorder.since(number)] for number in (0, 4, 6, 9)] == [
        [3, 4, 5, 6],
        [5, 6],
        [],
        [],
    ]
