"""Buffers for bodies of a known length that arrive in several pieces.

Rules of this file:

- Each piece is copied once into the buffer, or read into it directly.
- Memory that is new to the process costs as much as all the rest of receiving. So the buffer of a bytes body becomes
  that body without another allocation, and the buffer of a text body is reused for the next text body.
"""

from __future__ import annotations

import io
from typing import Any, Final

from stomp.core.frames import native as native_codec

#: The maximum size in bytes of the buffer that is kept for text bodies. Larger ones get a new buffer.
PLACE: Final = 4 * 1024 * 1024


def _room_for(length: int) -> io.BytesIO:
    # Allocated in full: the system provides the memory only when it is used.
    return io.BytesIO(bytes(length))


class BodyBuffer:
    """A body of a known length that is being received.

    Args:
        length: its size in bytes.
        place: the buffer.
        text: decode it as UTF-8, with U+FFFD for invalid bytes.

    Attributes:
        left: the number of missing bytes.
    """

    __slots__ = ("_length", "_place", "_text", "left")

    def __init__(self, length: int, place: io.BytesIO, *, text: bool) -> None:
        self.left: int = length
        self._length = length
        self._place = place
        self._text = text

    def room(self) -> memoryview:
        """Return the part of the buffer for the missing bytes. Subtract the number of bytes written from `left`."""
        return self._place.getbuffer()[self._length - self.left : self._length]

    def write(self, data: memoryview) -> None:
        """Add bytes, at most `left`."""
        with self.room() as room:
            room[: len(data)] = data
        self.left -= len(data)

    def arrived(self) -> bytes:
        """Return the bytes that have arrived."""
        with self._place.getbuffer() as place, place[: self._length - self.left] as part:
            return bytes(part)

    def content(self) -> Any:
        """Return the body, bytes or str, once `left` is 0."""
        if not self._text:
            return self._place.getvalue()
        with self._place.getbuffer() as place, place[: self._length] as told:
            return (
                str(told, "utf-8", "replace")
                if native_codec.native is None
                else native_codec.native.text(told)
            )


class BodyBufferPool:
    """Makes the body buffers of one connection. Only one is in use at a time."""

    __slots__ = ("_place", "_size")

    def __init__(self) -> None:
        self._place: io.BytesIO | None = None
        self._size = 0

    def begin(self, length: int, *, text: bool) -> BodyBuffer:
        """Return the buffer for the next body."""
        if not text or length > PLACE:
            return BodyBuffer(length, _room_for(length), text=text)
        if self._place is None or self._size < length:
            self._size = 1 << (length - 1).bit_length()
            # glibc adjusts its trim and mmap thresholds to the largest block that was freed (mallopt(3),
            # M_MMAP_THRESHOLD), and Python needs twice the size of a text to decode it. Freeing a block of that size
            # makes glibc keep the memory of the decoded texts for the next ones. The block itself is never written to.
            bytes(2 * self._size)
            self._place = _room_for(self._size)
        return BodyBuffer(length, self._place, text=True)

    @property
    def spare(self) -> bool:
        """True while a buffer is kept for the next text body."""
        return self._place is not None

    def relax(self) -> None:
        """Free the buffer that is kept."""
        self._place = None
