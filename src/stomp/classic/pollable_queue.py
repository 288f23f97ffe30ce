"""`PollableQueue`, a name of stomp.py's `stomp.utils`. Nothing in this package uses it."""

from __future__ import annotations

import contextlib
import queue
import socket
from typing import Any


class PollableQueue(queue.Queue[Any]):
    """A queue for `select`: `fileno()` is readable while the queue is not empty."""

    def __init__(self) -> None:
        super().__init__()
        self._signal, self._sign = socket.socketpair()
        self._signal.setblocking(False)
        self._sign.setblocking(False)

    def fileno(self) -> int:
        """The file descriptor for `select`."""
        return self._signal.fileno()

    def put(self, item: Any) -> None:  # type: ignore[override]
        """Add an item. Never blocks."""
        with self.mutex:
            self._put(item)
            self.unfinished_tasks += 1
            # One byte while the queue is not empty. A byte per item would fill the socket's buffer.
            if self._qsize() == 1:
                with contextlib.suppress(OSError):
                    self._sign.send(b"x")
            self.not_empty.notify()

    def get(self) -> Any:  # type: ignore[override]
        """Remove and return the next item. Blocks until there is one."""
        with self.not_empty:
            while not self._qsize():
                self.not_empty.wait()
            item = self._get()
            if not self._qsize():
                with contextlib.suppress(OSError):
                    self._signal.recv(16)
            return item

    def shutdown(self) -> None:  # type: ignore[override,unused-ignore]
        """Close the sockets."""
        self._signal.close()
        self._sign.close()
