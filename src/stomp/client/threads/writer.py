"""`SocketWriter`: writes the bytes of a session to its socket, and buffers what the socket does not take.

Rules of this file:

- Frames are written in the order in which the session queued them.
- No thread waits for the socket while it holds a lock.
- A thread that writes checks for new bytes before it returns, so another thread that finds the lock `_writing` taken
  can return at once.
- What does not fit into the kernel's send buffer stays here; the next call of `write` goes on with it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from stomp.core.errors import SendStalled
from stomp.net.dial import Deadline, wait_ready

if TYPE_CHECKING:
    from stomp.net.layer import Layer

#: High-water mark in bytes: from here on senders block until at most `BATCH` bytes are left.
HIGH = 1024 * 1024
#: Bytes that are worth a system call, and the low-water mark.
BATCH = 64 * 1024
#: Largest size of small parts that are joined into one, in bytes.
_WRITE = 256 * 1024
#: Parts of fewer bytes are joined: copying them is cheaper than passing one more part.
_JOIN = 4 * 1024
#: Parts of fewer bytes on average are all joined without checking each of them, which would cost more.
_SHORT = 2 * 1024
#: Most parts per call of `sendmsg`. (Linux, macOS and BSD allow 1,024.)
_PARTS = 256

#: The flag that makes one call of a blocking socket non-blocking; 0 where the system has none (Windows).
DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)
#: The system has `sendmsg`, which writes several parts in one call (Windows has not).
_GATHERS = hasattr(socket.socket, "sendmsg")

#: The rest of a part that was written partly is a memoryview of it.
Part = bytes | memoryview


class ByteSource(Protocol):
    """Supplies the bytes: a session."""

    outgoing: int

    def data_to_send(self, now: float) -> list[bytes]:
        """See `stomp.core.session.base.Session.data_to_send`."""
        ...


class SocketWriter:
    """Writes the bytes of a session to a socket: see the module.

    Args:
        sock: the socket.
        source: the session.
        layer: TLS, or None.
        state: the lock of the session, under which the order of frames is decided.
        codec: the lock of the layer.
        patience: seconds that a sender may be blocked while the writer is full.
        clock: the clock whose time is passed to the session.
    """

    def __init__(
        self,
        sock: socket.socket,
        source: ByteSource,
        layer: Layer | None,
        state: threading.Lock,
        codec: threading.Lock,
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self._sock = sock
        self._source = source
        self._layer = layer
        self._state = state
        self._codec = codec
        self._patience = patience
        self._clock = clock
        self._writing = threading.Lock()
        self._kept: list[bytes] = []  # taken from the session, not passed to the layer yet
        self._wire: Sequence[Part] = []  # written to the socket next; guarded by _writing
        self._in_flight_bytes = 0  # bytes taken from the session and not known to be written completely
        self._full = False

    def keep(self) -> None:
        """Take the queued bytes of a session that is about to drop them. The caller holds the state lock."""
        self._in_flight_bytes += self._source.outgoing
        self._kept += self._source.data_to_send(self._clock())

    @property
    def level(self) -> int:
        """How many bytes are buffered."""
        return self._source.outgoing + self._in_flight_bytes

    @property
    def full(self) -> bool:
        """True from `HIGH` buffered bytes on, until at most `BATCH` are left."""
        level = self.level
        if level >= HIGH:
            self._full = True
        elif level <= BATCH:
            self._full = False
        return self._full

    @property
    def waiting(self) -> bool:
        """True when there may be bytes to write. A layer may always have bytes, so with one this is always True."""
        return bool(self._source.outgoing or self._wire or self._kept or self._layer is not None)

    def close(self) -> None:
        """Close the socket, once no thread is writing to it."""
        with self._writing:
            self._sock.close()

    def dash(self) -> bool:
        """Write the session's bytes with one system call, which is enough nearly always.

        Returns:
            False if something is left, or nothing could be done: call `write`.

        Raises:
            OSError: the socket is broken.
        """
        if self._layer is not None or not self._writing.acquire(False):
            return False
        source = self._source
        # Not `with`: see `Link.send`.
        try:
            if self._wire or self._kept:
                return False
            self._state.acquire()
            try:
                size = self._in_flight_bytes = source.outgoing
                parts = source.data_to_send(self._clock())
            finally:
                self._state.release()
            if parts:
                wire = parts if len(parts) == 1 else _joined(parts, size)
                try:
                    sent = self._give(wire)
                except (BlockingIOError, InterruptedError):
                    sent = 0
                if sent < size:
                    self._wire = _rest(wire, sent)
                    return False
            self._in_flight_bytes = 0
        finally:
            self._writing.release()
        return not source.outgoing and not self._kept

    def write(self, *, leave: int | None = None, seconds: float | None = None, last: bool = False) -> bool:
        """Write the buffered bytes.

        Args:
            leave: block until at most this many bytes are left; None never blocks.
            seconds: timeout for that; the `patience` of the writer if None.
            last: the socket is shut down afterwards. Wait for a thread that is writing now, as it could not write later
                bytes after the shutdown.

        Returns:
            True when nothing is left, or when another thread is writing and will write the rest.

        Raises:
            OSError: the socket is broken.
            SendStalled: the timeout has passed.
        """
        deadline: Deadline | None = None
        while last or self.waiting:
            # Wait for the lock only where the caller is to block, or must know that everything is written.
            wait = last or leave == 0 or (leave is not None and self.full)
            if not self._writing.acquire(blocking=wait):
                return True
            try:
                written = self._write()
            except OSError:
                if self._in_flight_bytes:
                    raise
                # No bytes of the session were lost: this was TLS's close_notify, to a peer that has closed already.
                self._wire = []
                written = True
            finally:
                self._writing.release()
            if written:
                if self._source.outgoing or self._kept:
                    continue
                return True
            if leave is None or self.level <= leave:
                return False
            deadline = deadline or Deadline(self._patience if seconds is None else seconds)
            if not deadline.left:
                raise self.stalled()
            wait_ready(self._sock, read=False, write=True, seconds=deadline.left)
        return True

    def stalled(self) -> SendStalled:
        """The exception for a broker that does not read."""
        return SendStalled(
            f"the broker has not read for {self._patience:g} s; {self.level} bytes wait to be written",
            hint="look at the broker's memory and disk alarms",
        )

    def _write(self) -> bool:
        """Write until nothing is left (True) or the kernel's buffer is full (False). The caller holds `_writing`."""
        while True:
            if not self._wire:
                if not self._source.outgoing and not self._kept and self._layer is None:
                    self._in_flight_bytes = 0
                    return True
                if not self._fill_wire():
                    return True
            try:
                while self._wire:
                    self._wire = _rest(self._wire, self._give(self._wire))
            except (BlockingIOError, InterruptedError):
                return False

    def _give(self, wire: Sequence[Part]) -> int:
        """Make one system call. Returns how many bytes were written."""
        if len(wire) == 1 or not _GATHERS:
            return self._sock.send(wire[0], DONTWAIT)
        return self._sock.sendmsg(wire[:_PARTS], (), DONTWAIT)

    def _fill_wire(self) -> bool:
        """Move all queued bytes to `_wire`, through the layer. False if there are none."""
        with self._state:
            size = self._in_flight_bytes = self._source.outgoing + sum(map(len, self._kept))
            parts = self._kept + self._source.data_to_send(self._clock())
            self._kept = []
        if self._layer is not None:
            with self._codec:
                self._layer.send(parts)
                out = self._layer.outgoing()
            parts, size = [out] if out else [], len(out)
        self._wire = _joined(parts, size)
        return bool(parts)


def _rest(wire: Sequence[Part], sent: int) -> Sequence[Part]:
    """The rest of these parts after this many bytes were sent."""
    for at, part in enumerate(wire):
        if sent < len(part):
            return [memoryview(part)[sent:], *wire[at + 1 :]]
        sent -= len(part)
    return []


def _joined(parts: list[bytes], size: int) -> list[bytes]:
    """Join small adjacent parts, so that one call writes many frames. Large bodies are not copied."""
    if len(parts) > 1 and size < _SHORT * len(parts) and size <= _WRITE:
        return [b"".join(parts)]
    if len(parts) <= _PARTS and (_GATHERS or len(parts) < 2):
        return parts
    out: list[bytes] = []
    run: list[bytes] = []
    size = 0
    for part in parts:
        large = len(part) >= _JOIN
        if large or size + len(part) > _WRITE:
            if run:
                out.append(b"".join(run))
            run, size = [], 0
        if large:
            out.append(part)
        else:
            run.append(part)
            size += len(part)
    if run:
        out.append(b"".join(run))
    return out
