"""`SocketWriter`: writes the bytes of a session to its socket, and buffers what the socket does not take.

Rules of this file:

- Frames are written in the order in which the session queued them.
- No thread waits for the socket while it holds a lock.
- A thread that writes checks for new bytes before it returns, so another thread that finds the lock `_write_lock` taken
  can return at once.
- What does not fit into the kernel's send buffer stays here; the next call of `write` goes on with it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from stomp.client.write_scheduler import BATCH
from stomp.core.errors import SendStalled
from stomp.net.dial import Deadline, wait_ready

if TYPE_CHECKING:
    from stomp.net.layer import Layer

#: High-water mark in bytes: from here on senders block until at most `BATCH` bytes are left.
HIGH = 1024 * 1024
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
        self._write_lock = threading.Lock()
        self._kept: list[bytes] = []  # taken from the session, not passed to the layer yet
        self._unsent: Sequence[Part] = []  # written to the socket next; guarded by _write_lock
        self._in_flight_bytes = 0  # bytes taken from the session and not known to be written completely
        self._full = False

    def take_before_abort(self) -> None:
        """Take the queued bytes of a session that is about to drop them. The caller holds the state lock."""
        self._in_flight_bytes += self._source.outgoing
        self._kept += self._source.data_to_send(self._clock())

    @property
    def buffered_bytes(self) -> int:
        """How many bytes are buffered."""
        return self._source.outgoing + self._in_flight_bytes

    @property
    def full(self) -> bool:
        """True from `HIGH` buffered bytes on, until at most `BATCH` are left."""
        buffered = self.buffered_bytes
        if buffered >= HIGH:
            self._full = True
        elif buffered <= BATCH:
            self._full = False
        return self._full

    @property
    def waiting(self) -> bool:
        """True when there may be bytes to write. A layer may always have bytes, so with one this is always True."""
        return bool(self._source.outgoing or self._unsent or self._kept or self._layer is not None)

    def close(self) -> None:
        """Close the socket, once no thread is writing to it."""
        with self._write_lock:
            self._sock.close()

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
        while True:
            # Wait for the lock only where the caller is to block, or must know that everything is written.
            full = self._source.outgoing + self._in_flight_bytes >= HIGH
            wait = last or leave == 0 or (leave is not None and full)
            if not self._write_lock.acquire(wait):
                return True
            try:
                written = self._write()
            except OSError:
                if self._in_flight_bytes:
                    raise
                # No bytes of the session were lost: this was TLS's close_notify, to a peer that has closed already.
                self._unsent = []
                written = True
            finally:
                self._write_lock.release()
            if written and not self._source.outgoing and not self._kept:
                return True  # else another thread has queued bytes, and found the lock taken
            if not written:
                if leave is None or self.buffered_bytes <= leave:
                    return False
                deadline = deadline or Deadline(self._patience if seconds is None else seconds)
                if not deadline.left:
                    raise self.stalled()
                wait_ready(self._sock, read=False, write=True, seconds=deadline.left)

    def stalled(self) -> SendStalled:
        """The exception for a broker that does not read."""
        return SendStalled(
            f"the broker has not read for {self._patience:g} s; {self.buffered_bytes} bytes wait to be written",
            hint="check the memory and disk alarms of the broker",
        )

    def _write(self) -> bool:
        """Write until nothing is left (True) or the kernel's buffer is full (False). The caller holds `_write_lock`."""
        source, layer = self._source, self._layer
        try:
            while True:
                if not self._unsent and (source.outgoing or self._kept or layer is not None):
                    with self._state:
                        size = self._in_flight_bytes = source.outgoing + sum(map(len, self._kept))
                        queued = self._kept + source.data_to_send(self._clock())
                        self._kept = []
                    self._unsent = queued if layer is None else self._through_layer(layer, queued)
                    if len(self._unsent) > 1:
                        self._unsent = _coalesced(queued, size)
                parts = self._unsent
                if not parts:
                    self._in_flight_bytes = 0
                    return True
                if len(parts) == 1 or not _GATHERS:
                    sent = self._sock.send(parts[0], DONTWAIT)
                else:
                    sent = self._sock.sendmsg(parts[:_PARTS], (), DONTWAIT)
                self._unsent = [] if len(parts) == 1 and sent == len(parts[0]) else _remaining(parts, sent)
        except (BlockingIOError, InterruptedError):
            return False

    def _through_layer(self, layer: Layer, parts: list[bytes]) -> list[bytes]:
        with self._codec:
            layer.send(parts)
            out = layer.outgoing()
        return [out] if out else []


def _remaining(parts: Sequence[Part], sent: int) -> Sequence[Part]:
    """The rest of these parts after this many bytes were sent."""
    for at, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[at + 1 :]]
        sent -= len(part)
    return []


def _coalesced(parts: list[bytes], size: int) -> list[bytes]:
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
