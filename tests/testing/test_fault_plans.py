"""stomp.testing.fault_plans"""

from __future__ import annotations

from typing import Any

import pytest

from stomp.testing.fault_plans import PLACES, Cut, CutPoint, FrameMeter, frame_cuts, random_cuts

#: A stream, with its frames cut into what is before, inside and behind: first line, rest.
PIECES = [
    b"\r\n\n",
    b"CONNECT\n",
    b"accept-version:1.2\n\n\0",
    b"\n\n",
    b"SEND\r\n",
    b"content-length: 7 \r\ncontent-length:1\r\n\r\n\0\n\nABC\0\0",
    b"",
    b"SEND\n",
    b"content-length:0\n\n\0",
    b"\n",
    b"BEGIN\n",
    b"\n\0",
    b"",
    b"SEND\n",
    b"a:content-length:9\n\n\nbody\0",
    b"\r\n",
]
STREAM = b"".join(PIECES)


def expected() -> list[tuple[str, int]]:
    places: list[tuple[str, int]] = []
    offset = 0
    for number, piece in enumerate(PIECES[:-1]):
        offset += len(piece)
        places.append((PLACES[number % 3], offset))
    return places


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 1000])
def test_frames_are_found_in_any_split(size: int) -> None:
    meter = FrameMeter()
    found = []
    for start in range(0, len(STREAM), size):
        found += list(meter.feed(STREAM[start : start + size]))
    assert found == expected()


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize("frame", [1, 2, 5])
@pytest.mark.parametrize("place", PLACES)
def test_cut_point_is_at_its_frame(size: int, frame: int, place: Any) -> None:
    wanted = [offset for found, offset in expected() if found == place][frame - 1]
    point = CutPoint(Cut(direction="to_client", frame=frame, place=place))
    passed = b""
    for start in range(0, len(STREAM), size):
        piece = STREAM[start : start + size]
        left = point.bytes_before_cut(piece)
        if left is not None:
            passed += piece[:left]
            break
        passed += piece
    assert passed == STREAM[:wanted]


def test_cut_point_is_at_its_byte() -> None:
    point = CutPoint(Cut(direction="to_client", bytes=5))
    assert point.bytes_before_cut(b"abcd") is None
    assert point.bytes_before_cut(b"efgh") == 1
    assert CutPoint(Cut(direction="to_client", bytes=4)).bytes_before_cut(b"abcd") == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"direction": "up", "bytes": 1},
        {"direction": "to_client"},
        {"direction": "to_client", "bytes": 1, "frame": 1},
        {"direction": "to_client", "bytes": 0},
        {"direction": "to_client", "frame": 0},
        {"direction": "to_client", "frame": 1, "place": "near"},
    ],
)
def test_invalid_cut_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"bytes or frame|one of"):
        Cut(**wrong)


def test_frame_cuts_cover_each_place_once() -> None:
    cuts = list(frame_cuts(range(2, 5)))
    assert len(cuts) == len(set(cuts)) == 3 * 2 * 3
    assert {cut.frame for cut in cuts} == {2, 3, 4}


def test_random_cuts_stay_within_their_limits() -> None:
    cuts = list(random_cuts(seed=3, count=500, minimum=10, maximum=20))
    assert {cut.bytes for cut in cuts} == set(range(10, 21))
    assert {(cut.direction, cut.close) for cut in cuts} == {
        (way, close) for way in ("to_target", "to_client") for close in (False, True)
    }
    assert cuts != list(random_cuts(seed=4, count=500, minimum=10, maximum=20))
