"""The way from a socket to its session: how much is read at once, and where to.

Rule of this file: a connection on which little comes takes little memory.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

#: As much as is read at once, in bytes.
_READ = 64 * 1024
#: The same while large frames come: less of them are cut, and it is less work. Of small frames so many would be more
#: objects than the cache of a processor holds, which costs a third.
_READ_MORE = 512 * 1024
#: Frames that have so many bytes each are large.
_LARGE = 2 * 1024


class ByteSink(Protocol):
    """Where the bytes go: a session."""

    @property
    def wants_direct_read(self) -> bool:
        """See `stomp.core.session.base.Session.wants_direct_read`."""
        ...

    def read_into(self, read: Callable[[memoryview], int]) -> int:
        """See `stomp.core.session.base.Session.read_into`."""
        ...


class SocketReader:
    """See the module.

    Args:
        sock: the socket.
        sink: the session.
        direct: what is read is for the session as it is: there is no layer.
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
            what was read, and how many bytes of a body were read into their place instead; neither at the end.

        Raises:
            OSError: what the socket says.
        """
        if self._direct and self._sink.wants_direct_read:
            return b"", self._sink.read_into(lambda room: self._sock.recv_into(room, 0, flags))
        return self._sock.recv(self._most, flags), 0

    def note(self, size: int, frames: int) -> None:
        """So many bytes were read, and so many frames were complete then: that decides how much to read next."""
        large = size >= _READ and 0 < frames * _LARGE <= size
        # What was read of a body that is read into its place would only have to be moved there.
        self._most = _READ_MORE if large and not self._sink.wants_direct_read else _READ
