"""Where bodies of a known length are put together that do not come in one piece.

What comes is copied once, or read straight into its place. Memory that is new to the process costs as much as all the
rest of receiving. So a body of bytes is put together where it is to stay; the place of a text is used again for the
next one, and a long text is made of it piece by piece.
"""

from __future__ import annotations

import codecs
import io
from abc import ABC, abstractmethod
from typing import Any, Final

from stomp.core import codec

#: The place for texts is of this size at most: longer ones pass through it.
PLACE: Final = 4 * 1024 * 1024


class Body(ABC):
    """A body of so many bytes.

    Attributes:
        left: how many of them are missing.
    """

    __slots__ = ("left",)

    def __init__(self, length: int) -> None:
        self.left = length

    def write(self, data: memoryview) -> None:
        """Add bytes, not more than are missing."""
        while len(data):
            with self.room() as room, data[: len(room)] as part:
                room[: len(part)] = part
                self.advance(len(part))
                data = data[len(part) :]

    @abstractmethod
    def room(self) -> memoryview:
        """Where the next bytes belong: some of those that are missing, or all. Release it before the next call."""

    def advance(self, count: int) -> None:
        """So many bytes were put into the room."""
        self.left -= count

    @abstractmethod
    def content(self) -> Any:
        """All of it, once nothing is missing."""


class Bytes(Body):
    """A body as bytes."""

    __slots__ = ("_bytes",)

    def __init__(self, length: int) -> None:
        super().__init__(length)
        # All of its memory, which costs nothing before it is used.
        self._bytes = io.BytesIO(bytes(length))

    def room(self) -> memoryview:
        """See `Body.room`."""
        room = self._bytes.getbuffer()
        return room[len(room) - self.left :]

    def content(self) -> bytes:
        """See `Body.content`."""
        return self._bytes.getvalue()


class Text(Body):
    """A body as text: UTF-8, and what is none is replaced.

    Args:
        length: in bytes.
        place: to put it together in.
    """

    __slots__ = ("_at", "_made", "_place")

    def __init__(self, length: int, place: io.BytesIO) -> None:
        super().__init__(length)
        self._place = place
        self._at = 0  # how much of the place is taken
        self._made: io.StringIO | None = None

    def room(self) -> memoryview:
        """See `Body.room`."""
        return self._place.getbuffer()[self._at : self._at + self.left]

    def advance(self, count: int) -> None:
        """See `Body.advance`."""
        self.left -= count
        self._at += count
        if self.left and self._at == self._size():
            self._make_piece()

    def _size(self) -> int:
        return self._place.seek(0, io.SEEK_END)

    def _make_piece(self) -> None:
        if self._made is None:
            self._made = io.StringIO()
        with self._place.getbuffer() as place, place[: self._at] as taken:
            text, used = codecs.utf_8_decode(taken, "replace", not self.left)
            rest = bytes(taken[used:])  # the beginning of a character that was cut
            place[: len(rest)] = rest
        self._at = len(rest)
        self._made.write(text)

    def content(self) -> str:
        """See `Body.content`."""
        if self._made is None:
            with self._place.getbuffer() as place, place[: self._at] as taken:
                return str(taken, "utf-8", "replace") if codec.native is None else codec.native.text(taken)
        self._make_piece()
        return self._made.getvalue()


class Bodies:
    """Makes the bodies of one connection, one at a time."""

    __slots__ = ("_place", "_size")

    def __init__(self) -> None:
        self._place: io.BytesIO | None = None
        self._size = 0

    def begin(self, length: int, *, text: bool) -> Body:
        """The next one."""
        if not text:
            return Bytes(length)
        if self._place is None or self._size < min(length, PLACE):
            self._size = min(1 << (length - 1).bit_length(), PLACE)
            # The texts themselves come and go. glibc keeps memory for the next one up to twice the largest block that
            # was ever freed, and Python takes twice a text's size to make one: this is such a block, and never used.
            bytes(2 * self._size)
            self._place = io.BytesIO(bytes(self._size))
        return Text(length, self._place)

    def relax(self) -> None:
        """Let go of the memory that is kept for the next one."""
        self._place = None
