"""`SocketReader`: reads from a socket, and chooses the size of each read and the buffer.

Rule of this file: a connection with little traffic uses little memory.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

#: Most bytes per read.
_READ = 64 * 1024
#: The same while large frames arrive: fewer frames are split between two reads. With small frames a read of this size
#: makes more objects than fit into the cache of a processor, and is a third slower.
_READ_MORE = 512 * 1024
#: Frames of this many bytes on average are large.
_LARGE = 2 * 1024


class ByteSink(Protocol):
    """Receives the bytes: a session."""

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

    __slots__ = ("_direct", "_most", "_sink", "_sock")

    def __init__(self, sock: socket.socket, sink: ByteSink, *, direct: bool) -> None:
        self._sock = sock
        self._sink = sink
        self._direct = direct
        self._most = _READ

    def read(self, flags: int) -> tuple[bytes, int]:
        """Read once.

        Returns:
            The bytes that were read, and how many bytes were read directly into the buffer of a body instead;
            (b"", 0) at EOF.

        Raises:
            OSError: reading failed.
        """
        if self._direct and self._sink.wants_direct_read:
            return b"", self._sink.read_into(lambda room: self._sock.recv_into(room, 0, flags))
        return self._sock.recv(self._most, flags), 0

    def note(self, size: int, frames: int) -> None:
        """Choose the size of the next read.

        Args:
            size: how many bytes the last read returned.
            frames: how many events were queued after it.
        """
        large = size >= _READ and 0 < frames * _LARGE <= size
        # While a body is read directly into its buffer, bytes read otherwise would have to be copied there.
        self._most = _READ_MORE if large and not self._sink.wants_direct_read else _READ
