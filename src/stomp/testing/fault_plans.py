"""Fault plans for a `Relay`: where to cut connections, counted in bytes or in STOMP frames.

>>> from stomp.testing.relay import Relay
>>> def worried(relay: Relay) -> None:
...     relay.follow(frame_cuts(range(2, 40)))  # before, in and behind each frame, each way
...     relay.follow(random_cuts(seed=7, count=100, maximum=20_000))

Each connection gets the next `Cut` of the plan. Connections after the end of the plan are not cut. Each connection
counts from its beginning. Frames can only be counted in plain TCP, not in TLS or WebSocket connections.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

#: The direction of bytes: to the target (the broker) or to the client.
Direction = Literal["to_target", "to_client"]
#: Where a frame is cut: before its first byte, after its first line, or after its NUL.
Place = Literal["before", "inside", "behind"]

DIRECTIONS: tuple[Direction, Direction] = ("to_target", "to_client")
PLACES: tuple[Place, Place, Place] = ("before", "inside", "behind")

_HEAD_END = re.compile(rb"\n\r?\n")
#: The first of repeated headers is used (STOMP 1.2, "Repeated Header Entries").
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One cut of a connection. Set either `bytes` or `frame`.

    Attributes:
        direction: the direction in which bytes or frames are counted; both directions are cut.
        bytes: cut after this number of bytes.
        frame: cut at this frame, counted from 1; in the direction to the target, CONNECT is the first frame.
        place: where to cut the frame: "before" its first byte, "inside" (after its first line) or "behind" its NUL.
        close: True closes the connection (FIN), False resets it (RST).

    Raises:
        ValueError: `direction` or `place` is unknown; both or none of `bytes` and `frame` are set, or less than 1.
    """

    direction: Direction
    bytes: int | None = None
    frame: int | None = None
    place: Place = "behind"
    close: bool = False

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(f"{self.direction!r} is not one of {', '.join(DIRECTIONS)}")
        if self.place not in PLACES:
            raise ValueError(f"{self.place!r} is not one of {', '.join(PLACES)}")
        count = self.bytes if self.frame is None else self.frame
        if (self.bytes is None) == (self.frame is None) or count is None or count < 1:
            raise ValueError("a cut needs bytes or frame, counted from 1")


def frame_cuts(
    frames: Iterable[int],
    *,
    directions: Iterable[Direction] = DIRECTIONS,
    places: Iterable[Place] = PLACES,
    close: bool = False,
) -> Iterator[Cut]:
    """Return a plan with one cut for each combination of frame, direction and place.

    Pass it to `Relay.follow`; each connection gets one cut.

    Args:
        frames: numbers of frames, counted from 1.
        directions: the directions to count in.
        places: where to cut a frame, see `Cut`.
        close: True closes the connections (FIN), False resets them (RST).

    >>> [(cut.frame, cut.place) for cut in frame_cuts([3], directions=["to_client"])]
    [(3, 'before'), (3, 'inside'), (3, 'behind')]
    """
    direction_list, place_list = tuple(directions), tuple(places)
    for frame in frames:
        for direction in direction_list:
            for place in place_list:
                yield Cut(direction=direction, frame=frame, place=place, close=close)


def random_cuts(
    seed: int, *, count: int, maximum: int, directions: Iterable[Direction] = DIRECTIONS, minimum: int = 1
) -> Iterator[Cut]:
    """Return a plan with cuts after a random number of bytes; about half of them close, the others reset.

    Pass it to `Relay.follow`. The same seed gives the same cuts.

    Args:
        seed: the seed of the random numbers.
        count: number of cuts.
        maximum: maximum number of bytes before the cut.
        directions: the directions to count in.
        minimum: minimum number of bytes before the cut.

    >>> list(random_cuts(seed=1, count=9, maximum=500)) == list(random_cuts(seed=1, count=9, maximum=500))
    True
    """
    choices = random.Random(seed)
    direction_list = tuple(directions)
    for _ in range(count):
        yield Cut(
            direction=choices.choice(direction_list),
            bytes=choices.randint(minimum, maximum),
            close=choices.random() < 0.5,
        )


class FrameMeter:
    """Finds the frames in a stream that arrives in parts. Newlines between frames belong to no frame.

    >>> meter = FrameMeter()
    >>> list(meter.feed(b"\\nACK\\nid:1\\n")), list(meter.feed(b"\\n\\0"))
    ([('before', 1), ('inside', 5)], [('behind', 12)])
    """

    def __init__(self) -> None:
        self._offset = 0  # of the next byte in the stream
        self._head: bytearray | None = None  # header block of the current frame
        self._first_line_complete = False  # its first line is complete
        self._body: int | None = None  # remaining bytes of its body, if it has a content-length
        self._head_complete = False  # its header block is complete

    def feed(self, data: bytes) -> Iterator[tuple[Place, int]]:
        """Yield the places found in these bytes, each with its offset in the whole stream."""
        start = 0
        while start < len(data):
            if self._head_complete:
                start = self._read_body(data, start)
                if self._head is None:
                    yield "behind", self._offset
            elif self._head is None:
                rest = data[start:].lstrip(b"\r\n")
                skipped = len(data) - start - len(rest)
                self._offset += skipped
                start += skipped
                if rest:
                    self._head = bytearray()
                    self._first_line_complete = False
                    yield "before", self._offset
            else:
                head_start = self._offset - len(self._head)
                start = self._read_head(data, start)
                if not self._first_line_complete and (end := self._head.find(b"\n")) >= 0:
                    self._first_line_complete = True
                    yield "inside", head_start + end + 1

    def _read_head(self, data: bytes, start: int) -> int:
        head = self._head
        assert head is not None
        known = len(head)
        head += data[start:]
        end = _HEAD_END.search(head, max(0, known - 2))
        if end is None:
            self._offset += len(data) - start
            return len(data)
        length = _LENGTH.search(head, 0, end.end())
        self._body = int(length[1]) if length is not None else None
        self._head_complete = True
        consumed = end.end() - known
        del head[end.end() :]
        self._offset += consumed
        return start + consumed

    def _read_body(self, data: bytes, start: int) -> int:
        if self._body:
            consumed = min(self._body, len(data) - start)
            self._body -= consumed
        else:
            nul = start if self._body == 0 else data.find(b"\0", start)
            consumed = len(data) - start if nul < 0 else nul + 1 - start
            if nul >= 0:
                self._head_complete, self._head, self._body = False, None, None
        self._offset += consumed
        return start + consumed


class CutPoint:
    """Finds the position of a `Cut` in one connection."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self._meter = FrameMeter()
        self._offset_of_data = 0
        self._frames = 0

    def bytes_before_cut(self, data: bytes) -> int | None:
        """The number of these bytes before the cut; None if the cut is not within or directly after them."""
        start, self._offset_of_data = self._offset_of_data, self._offset_of_data + len(data)
        cut = self.cut
        if cut.frame is None:
            assert cut.bytes is not None
            return cut.bytes - start if cut.bytes <= self._offset_of_data else None
        for place, offset in self._meter.feed(data):
            self._frames += place == "before"
            if place == cut.place and self._frames == cut.frame:
                return offset - start
        return None
