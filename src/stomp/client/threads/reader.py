"""`SocketReader`: reads from a socket, and chooses the size of each read and the buffer.

Rule of this file: a connection with little traffic uses little memory.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.core.diagnostics import Counters

#: Most bytes per read.
_READ = 64 * 1024
#: The same while large frames arrive: fewer frames are split between two reads. With small frames a read of this size
#: makes more objects than fit into the cache of a processor, and is a third slower.
_READ_MORE = 512 * 1024
#: Frames of this many bytes on average are large.
_LARGE = 2 * 1024


class ByteSink(Protocol):
    """Receives the bytes: a session."""

    counters: Counters

    @property
    def wants_direct_read(self) -> bool:
        """See `stomp.core.session.base.Session.wants_direct_read`."""
        ...

    def read_into(self, read: Callable[[memoryview], int]) -> int:
        """See `stomp.core.session.base.Session.read_into`."""
        ...


class SocketReader:
    """Reads a socket for a session.

    Args:
        sock: the socket.
        sink: the session.
        direct: there is no layer, so bytes can be read directly into the buffer of a body.
    """

    __slots__ = ("_direct", "_frames", "_read_bytes", "_sink", "_size", "_sock")

    def __init__(self, sock: socket.socket, sink: ByteSink, *, direct: bool) -> None:
        self._sock = sock
        self._sink = sink
        self._direct = direct
        self._size = _READ  # of the next read
        self._read_bytes = 0  # how many bytes the last read returned
        self._frames = 0  # how many frames had been received before it

    def read(self, flags: int) -> tuple[bytes, int]:
        """Read once.

        Returns:
            The bytes that were read, and how many bytes were read directly into the buffer of a body instead;
            (b"", 0) at EOF.

        Raises:
            OSError: reading failed.
        """
        sink = self._sink
        if self._direct and sink.wants_direct_read:
            self._read_bytes = 0
            return b"", sink.read_into(lambda buffer: self._sock.recv_into(buffer, 0, flags))
        frames = sink.counters.frames_received
        if self._read_bytes:
            average = self._read_bytes // ((frames - self._frames) or self._read_bytes)
            large = self._read_bytes >= _READ and average >= _LARGE
            self._size = _READ_MORE if large else _READ
            self._read_bytes = 0
        self._frames = frames
        data = self._sock.recv(self._size, flags)
        self._read_bytes = len(data)
        return data, 0
