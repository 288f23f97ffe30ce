"""`ReadBuffer`: the buffer into which the event loop reads, whose size follows the traffic.

Rule of this file: a connection with little traffic uses little memory.
"""

from __future__ import annotations

#: The size at the start, and of a connection with little traffic, in bytes.
SMALL = 4 * 1024
#: The size while the buffer is filled by each read.
MEDIUM = 64 * 1024
#: The same while large frames arrive: fewer frames are split between two reads.
LARGE = 512 * 1024
#: Frames of this many bytes on average are large.
_LARGE_FRAME = 2 * 1024
#: After this many short reads in succession the buffer is small again.
_SHORT_READS = 16


class ReadBuffer:
    """The buffer of one connection.

    It exists because `asyncio.Protocol` allocates 256 KiB for each read: depending on the state of the heap that is a
    system call for memory, and 60 page faults, which took 25 us of a round trip of 90 us.

    >>> buffer = ReadBuffer()
    >>> buffer.view[:5] = b"hello"
    >>> buffer.take(5, frames=0)
    b'hello'

    Attributes:
        view: for the next read.
    """

    __slots__ = ("_count", "_frames", "_short_reads", "view")

    def __init__(self) -> None:
        self.view: memoryview = memoryview(bytearray(SMALL))
        self._count = 0  # how many bytes the last read returned
        self._frames = 0  # how many frames had been received before it
        self._short_reads = 0

    def take(self, count: int, frames: int) -> bytes:
        """Return the bytes of a read, and choose the size of the buffer for the next one.

        Args:
            count: how many bytes were read into `view`.
            frames: how many frames were received on this connection before this read.
        """
        data = bytes(self.view[:count])
        size = len(self.view)
        if count == size:
            large = size >= MEDIUM and self._count // max(1, frames - self._frames) >= _LARGE_FRAME
            self._resize(LARGE if large else MEDIUM)
        if count >= SMALL:
            self._short_reads = 0
        elif size > SMALL:
            self._short_reads += 1
            if self._short_reads == _SHORT_READS:
                self._short_reads = 0
                self._resize(SMALL)
        self._count, self._frames = count, frames
        return data

    def _resize(self, size: int) -> None:
        if size != len(self.view):
            self.view = memoryview(bytearray(size))
