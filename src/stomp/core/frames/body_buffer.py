"""`BodyBuffer`: a body of a known length that arrives in several pieces.

Rule of this file: each piece is copied once into the buffer, or read into it directly. The buffer of a bytes body
becomes that body without being copied.
"""

from __future__ import annotations

import io
from typing import Any

from stomp.core.frames import native as native_codec


class BodyBuffer:
    """A body of a known length that is being received.

    Args:
        length: its size in bytes.
        text: decode it as UTF-8, with U+FFFD for invalid bytes.

    Attributes:
        left: the number of missing bytes.
    """

    __slots__ = ("_buffer", "_length", "_text", "left")

    def __init__(self, length: int, *, text: bool) -> None:
        self.left: int = length
        self._length = length
        self._text = text
        # Allocated in full: the system provides the memory only when it is used. `BytesIO` returns its buffer as bytes
        # without copying it.
        self._buffer = io.BytesIO(bytes(length))

    def unfilled(self) -> memoryview:
        """Return the part of the buffer for the missing bytes. Subtract the number of bytes written from `left`."""
        return self._buffer.getbuffer()[self._length - self.left :]

    def write(self, data: memoryview) -> None:
        """Add bytes, at most `left`."""
        with self.unfilled() as unfilled:
            unfilled[: len(data)] = data
        self.left -= len(data)

    def arrived(self) -> bytes:
        """Return the bytes that have arrived."""
        with self._buffer.getbuffer() as buffer, buffer[: self._length - self.left] as part:
            return bytes(part)

    def content(self) -> Any:
        """Return the body, bytes or str, once `left` is 0."""
        if not self._text:
            return self._buffer.getvalue()
        with self._buffer.getbuffer() as content:
            if native_codec.native is None:
                return str(content, "utf-8", "replace")
            return native_codec.native.text(content)
