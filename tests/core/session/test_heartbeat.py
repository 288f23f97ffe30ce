"""stomp.core.session.heartbeat"""

import itertools

import pytest

from stomp.core.errors import RemoteProtocolError
from stomp.core.session.heartbeat import Heartbeat, negotiate, parse


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("0,0", (0, 0)),
        ("1000,2000", (1000, 2000)),
        (" 5 , 6 ", (5, 6)),
        ("999999999999999,1", (86_400_000, 1)),
        ("999999999999999999,1", (86_400_000, 1)),
    ],
)
def test_heartbeat_header_is_parsed(text: str, pair: tuple[int, int]) -> None:
    assert parse(text) == pair


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5,",
        ",5",
        "-1,0",
        "0,-1",
        "1.5,0",
        "a,b",
        "1,2,3",
        "٣,٣",
        "²,1",
        "9" * 19 + ",0",
        "9" * 5000 + ",0",
        "+1,1",
    ],
)
def test_malformed_heartbeat_header_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="is not two numbers of milliseconds"):
        parse(text)


def test_refused_header_is_cut() -> None:
    with pytest.raises(RemoteProtocolError, match=f"heart-beat '{'x' * 40}' is not"):
        parse("x" * 99)


@pytest.mark.parametrize(
    ("mine", "theirs", "agreed"),
    [
        ((0, 0), (0, 0), (0, 0)),
        ((1000, 0), (0, 2000), (2000, 0)),
        ((3000, 0), (0, 2000), (3000, 0)),
        ((0, 1000), (2000, 0), (0, 2000)),
        ((0, 3000), (2000, 0), (0, 3000)),
        ((1000, 1000), (0, 0), (0, 0)),
        ((0, 0), (1000, 1000), (0, 0)),
        ((1000, 2000), (500, 4000), (4000, 2000)),
    ],
)
def test_intervals_are_negotiated(
    mine: tuple[int, int], theirs: tuple[int, int], agreed: tuple[int, int]
) -> None:
    assert negotiate(mine, theirs) == agreed
    assert negotiate(theirs, mine) == agreed[::-1]


def test_send_and_timeout_moments_are_computed() -> None:
    pulse = Heartbeat(10.0, 5.0, 100.0)
    assert (pulse.next_send_at, pulse.timeout_at) == (108.0, 115.0)
    pulse.last_sent = 200.0
    pulse.read(300.0, b"\n")
    assert (pulse.next_send_at, pulse.timeout_at) == (208.0, 310.0)


@pytest.mark.parametrize("data", [b"MESSAGE\n", b"\0\n", b"x", b"\n\n", b""])
def test_timeout_is_longer_after_a_frame(data: bytes) -> None:
    """ActiveMQ beats up to two intervals after a frame: it looks once in an interval whether it has sent something."""
    pulse = Heartbeat(0.0, 1.0, 0.0)
    pulse.read(10.0, b"\n")
    assert pulse.timeout_at == 12.0
    pulse.read(20.0, data)
    assert pulse.timeout_at == 23.0
    pulse.read(30.0, b"\r\n")
    assert pulse.timeout_at == 32.0


def test_tolerance_is_configurable() -> None:
    pulse = Heartbeat(0.0, 4.0, 0.0, tolerance=1.5)
    assert pulse.timeout_at == 10.0
    pulse.read(0.0, b"\n")
    assert pulse.timeout_at == 6.0


def test_without_heartbeats_there_are_no_moments() -> None:
    pulse = Heartbeat(0.0, 0.0, 0.0)
    assert pulse.next_send_at is None
    assert pulse.timeout_at is None


@pytest.mark.parametrize("interval", [0.001, 0.05, 1.0, 3.0, 10.0, 86_400.0])
def test_beats_of_many_connections_are_due_at_the_same_moments(interval: float) -> None:
    """Early by a tenth of the interval at most, and never late."""
    moments = set()
    for part in range(100):
        sent = 12_345.678 + interval * part / 100
        due = Heartbeat(interval, 0.0, sent).next_send_at
        assert due is not None
        assert sent + 0.699 * interval < due < sent + 0.801 * interval
        moments.add(round(due / interval, 3))
    assert len(moments) <= 11


def test_beats_that_go_out_when_they_are_due_keep_their_pace() -> None:
    pulse = Heartbeat(3.0, 0.0, 100.3)
    due = [pulse.last_sent]
    for _ in range(1000):
        moment = pulse.next_send_at
        assert moment is not None
        pulse.last_sent = moment
        due.append(moment)
    assert all(2.39 < later - earlier < 2.41 for earlier, later in itertools.pairwise(due[1:]))
