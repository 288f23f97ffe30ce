"""What waits to be written to one socket, and the writing of it.

Rules of this file: frames leave in the order in which they were put; writing never waits while a lock is held;
whoever writes looks again for what came meanwhile before it is content, so that nobody need wait to be let in;
what the kernel has no room for stays here, for whoever comes next.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from stomp.core.errors import SendStalled
from stomp.core.flow import Gate
from stomp.net.dial import Deadline, wait_ready

if TYPE_CHECKING:
    from stomp.net.layer import Layer

#: From this many bytes on, it is full: senders are held up until there is less than a batch.
HIGH = 1024 * 1024
#: As much as is worth a call to the socket.
BATCH = 64 * 1024
#: What one call to the socket writes at most.
_WRITE = 256 * 1024
#: Writes of less than this are joined: copying is cheaper than another call.
_JOIN = 32 * 1024

#: Makes a call return at once instead of waiting, where the system has it (Windows does not).
DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)


class Outbox:
    """See the module.

    Args:
        sock: the socket.
        layer: TLS, or None.
        state: the lock of the session: the order of frames is decided under it.
        codec: the lock of the layer.
        patience: seconds that a full outbox may hold up a sender.
    """

    def __init__(
        self,
        sock: socket.socket,
        layer: Layer | None,
        state: threading.Lock,
        codec: threading.Lock,
        patience: float,
    ) -> None:
        self._sock = sock
        self._layer = layer
        self._state = state
        self._codec = codec
        self._patience = patience
        self._writing = threading.Lock()
        self._gate = Gate(HIGH, BATCH)  # counts the queue, and what the socket has not taken of it
        self._queue: list[bytes] = []  # not yet with the layer
        self._wire: list[memoryview] = []  # what the socket takes next, last first; of whoever has _writing
        self._charged = 0  # what of the gate's level is in _wire

    def put(self, parts: list[bytes]) -> None:
        """Add bytes. The caller has the state lock."""
        self._queue += parts
        self._gate.add(len(parts[0]) if len(parts) == 1 else sum(map(len, parts)))

    @property
    def level(self) -> int:
        """How many bytes wait."""
        return self._gate.level

    @property
    def full(self) -> bool:
        """True from `HIGH` on until there is less than a batch."""
        return self._gate.full

    @property
    def waiting(self) -> bool:
        """True when there may be something to write; a layer may always have something to say."""
        return bool(self._queue or self._wire or self._layer is not None)

    def close(self) -> None:
        """Close the socket, when nobody is writing it."""
        with self._writing:
            self._sock.close()

    def write(self, *, leave: int | None = None, seconds: float | None = None) -> bool:
        """Write what is here. True when nothing is left, or somebody else is at it and will look again.

        Args:
            leave: wait until no more than this many bytes are left; None for not waiting at all.
            seconds: how long to wait; the outbox's patience if None.

        Raises:
            OSError: the socket is broken.
            SendStalled: it took too long.
        """
        deadline: Deadline | None = None
        while self.waiting:
            # Only who is to be held up, or must know that all is written, waits to be let in.
            wait = leave == 0 or (leave is not None and self._gate.full)
            if not self._writing.acquire(blocking=wait):
                return True
            try:
                written = self._write()
            except OSError:
                if self._charged:
                    raise
                # Nothing of the session was lost: the good-bye of TLS, to a peer that has gone already.
                self._wire.clear()
                written = True
            finally:
                self._writing.release()
            if written:
                if self._queue:
                    continue
                return True
            if leave is None or self._gate.level <= leave:
                return False
            deadline = deadline or Deadline(self._patience if seconds is None else seconds)
            if not deadline.left:
                raise self.stalled()
            wait_ready(self._sock, read=False, write=True, seconds=deadline.left)
        return True

    def stalled(self) -> SendStalled:
        """The error for a broker that does not read."""
        return SendStalled(
            f"the broker has not read for {self._patience:g} s; {self._gate.level} bytes wait to be written",
            hint="look at the broker's memory and disk alarms",
        )

    def _write(self) -> bool:
        """Write until nothing is left (True) or the kernel has no room (False). The caller has `_writing`."""
        while True:
            wire = self._wire
            if not wire:
                if not self._fill_wire():
                    return True
                wire = self._wire
            try:
                while wire:
                    sent = self._sock.send(wire[-1], DONTWAIT)
                    if sent == len(wire[-1]):
                        wire.pop()
                    else:
                        wire[-1] = wire[-1][sent:]
            except (BlockingIOError, InterruptedError):
                return False

    def _fill_wire(self) -> bool:
        """Take everything that is queued to be written next; False if there is nothing."""
        with self._state:
            parts = self._queue
            self._queue = []
            self._gate.remove(self._charged)
            self._charged = sum(map(len, parts))
        if self._layer is not None:
            with self._codec:
                self._layer.send(parts)
                out = self._layer.outgoing()
            parts = [out] if out else []
        self._wire = [memoryview(part) for part in reversed(_joined(parts))]
        return bool(parts)


def _joined(parts: list[bytes]) -> list[bytes]:
    """Join small neighbours, so that one call writes many frames; large bodies are not copied."""
    if len(parts) < 2:
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
