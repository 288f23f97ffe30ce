"""Where bodies of a known length are put together that do not come in one piece.

What comes is copied once, or read straight into its place. Memory that is new to the process costs as much as all the
rest of receiving. So a body of bytes is put together where it is to stay, and the place of a text is used again for
the next one.
"""

from __future__ import annotations

import io
from typing import Any, Final

from stomp.core.frames import native as native_codec

#: The place that is kept for texts is of this size at most: longer ones have one of their own.
PLACE: Final = 4 * 1024 * 1024


def _room_for(length: int) -> io.BytesIO:
    # All of it at once: that costs nothing before it is used.
    return io.BytesIO(bytes(length))


class BodyBuffer:
    """A body of so many bytes.

    Args:
        length: how many.
        place: to put it together in.
        text: it is UTF-8 and wanted as text; what is none is replaced.

    Attributes:
        left: how many of them are missing.
    """

    __slots__ = ("_length", "_place", "_text", "left")

    def __init__(self, length: int, place: io.BytesIO, *, text: bool) -> None:
        self.left: int = length
        self._length = length
        self._place = place
        self._text = text

    def room(self) -> memoryview:
        """Where those belong that are missing. Take as many from `left` as were put there."""
        return self._place.getbuffer()[self._length - self.left : self._length]

    def write(self, data: memoryview) -> None:
        """Add bytes, not more than are missing."""
        with self.room() as room:
            room[: len(data)] = data
        self.left -= len(data)

    def arrived(self) -> bytes:
        """The bytes that are not missing."""
        with self._place.getbuffer() as place, place[: self._length - self.left] as part:
            return bytes(part)

    def content(self) -> Any:
        """All of it, bytes or text, once nothing is missing."""
        if not self._text:
            return self._place.getvalue()
        with self._place.getbuffer() as place, place[: self._length] as told:
            return (
                str(told, "utf-8", "replace")
                if native_codec.native is None
                else native_codec.native.text(told)
            )


class BodyBufferPool:
    """Makes the bodies of one connection, one at a time."""

    __slots__ = ("_place", "_size")

    def __init__(self) -> None:
        self._place: io.BytesIO | None = None
        self._size = 0

    def begin(self, length: int, *, text: bool) -> BodyBuffer:
        """The next one."""
        if not text or length > PLACE:
            return BodyBuffer(length, _room_for(length), text=text)
        if self._place is None or self._size < length:
            self._size = 1 << (length - 1).bit_length()
            # The texts themselves come and go. glibc keeps memory for the next one up to twice the largest block that
            # was ever freed, and Python takes twice a text's size to make one: this is such a block, and never used.
            bytes(2 * self._size)
            self._place = _room_for(self._size)
        return BodyBuffer(length, self._place, text=True)

    @property
    def spare(self) -> bool:
        """True while memory is kept for the next one."""
        return self._place is not None

    def relax(self) -> None:
        """Let go of it."""
        self._place = None
