"""The way from a session to its socket: what waits to be written, and the writing of it.

Rules of this file: frames leave in the order in which the session has them; writing never waits while a lock is
held; whoever writes looks again for what came meanwhile before it is content, so that nobody need wait to be let
in; what the kernel has no room for stays here, for whoever comes next.
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

#: From this many bytes on, it is full: senders are held up until there is less than a batch.
HIGH = 1024 * 1024
#: As much as is worth a call to the socket.
BATCH = 64 * 1024
#: What one call to the socket writes at most, of small writes that were joined.
_WRITE = 256 * 1024
#: Parts of less than this are joined: copying is cheaper than one more part.
_JOIN = 4 * 1024
#: Parts that are shorter than this on the average are joined without a look at each: the looking would cost more.
_SHORT = 2 * 1024
#: One call to the socket takes so many parts, where it takes more than one. (Linux, macOS and BSD allow for 1,024.)
_PARTS = 256

#: Makes a call return at once instead of waiting, where the system has it (Windows does not).
DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)
#: The system takes several parts in one call (Windows does not).
_GATHERS = hasattr(socket.socket, "sendmsg")

#: What is left of a part that was written in part is a view of it.
Part = bytes | memoryview


class ByteSource(Protocol):
    """Where the bytes come from: a session."""

    outgoing: int

    def data_to_send(self, now: float) -> list[bytes]:
        """See `stomp.core.session.base.Session.data_to_send`."""
        ...


class SocketWriter:
    """See the module.

    Args:
        sock: the socket.
        source: the session.
        layer: TLS, or None.
        state: the lock of the session: the order of frames is decided under it.
        codec: the lock of the layer.
        patience: seconds that a full outbox may hold up a sender.
        clock: what the session is told.
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
        self._kept: list[bytes] = []  # taken from the session, not yet with the layer
        self._wire: Sequence[Part] = []  # what the socket takes next; of whoever has _writing
        self._in_flight_bytes = 0  # how many bytes were taken that the socket has not taken all of
        self._full = False

    def keep(self) -> None:
        """Take what the session has, before it drops it. The caller has the state lock."""
        self._in_flight_bytes += self._source.outgoing
        self._kept += self._source.data_to_send(self._clock())

    @property
    def level(self) -> int:
        """How many bytes wait."""
        return self._source.outgoing + self._in_flight_bytes

    @property
    def full(self) -> bool:
        """True from `HIGH` on until there is less than a batch."""
        level = self.level
        if level >= HIGH:
            self._full = True
        elif level <= BATCH:
            self._full = False
        return self._full

    @property
    def waiting(self) -> bool:
        """True when there may be something to write; a layer may always have something to say."""
        return bool(self._source.outgoing or self._wire or self._kept or self._layer is not None)

    def close(self) -> None:
        """Close the socket, when nobody is writing it."""
        with self._writing:
            self._sock.close()

    def dash(self) -> bool:
        """Write what the session has by one call, which is nearly always all that there is to do.

        Returns:
            False where it is not, and `write` is to see to the rest.

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
        """Write what is here. True when nothing is left, or somebody else is at it and will look again.

        Args:
            leave: wait until no more than this many bytes are left; None for not waiting at all.
            seconds: how long to wait; the outbox's patience if None.
            last: the socket is shut down then, so wait for who is writing now, who could not write what came meanwhile.

        Raises:
            OSError: the socket is broken.
            SendStalled: it took too long.
        """
        deadline: Deadline | None = None
        while last or self.waiting:
            # Only who is to be held up, or must know that all is written, waits to be let in.
            wait = last or leave == 0 or (leave is not None and self.full)
            if not self._writing.acquire(blocking=wait):
                return True
            try:
                written = self._write()
            except OSError:
                if self._in_flight_bytes:
                    raise
                # Nothing of the session was lost: the good-bye of TLS, to a peer that has gone already.
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
        """The error for a broker that does not read."""
        return SendStalled(
            f"the broker has not read for {self._patience:g} s; {self.level} bytes wait to be written",
            hint="look at the broker's memory and disk alarms",
        )

    def _write(self) -> bool:
        """Write until nothing is left (True) or the kernel has no room (False). The caller has `_writing`."""
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
        """Call the socket once; returns how many bytes it took."""
        if len(wire) == 1 or not _GATHERS:
            return self._sock.send(wire[0], DONTWAIT)
        return self._sock.sendmsg(wire[:_PARTS], (), DONTWAIT)

    def _fill_wire(self) -> bool:
        """Take everything that waits to be written next; False if there is nothing."""
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
    """What is left of it when so many bytes are sent."""
    for at, part in enumerate(wire):
        if sent < len(part):
            return [memoryview(part)[sent:], *wire[at + 1 :]]
        sent -= len(part)
    return []


def _joined(parts: list[bytes], size: int) -> list[bytes]:
    """Join small neighbours, so that one call writes many frames; large bodies are not copied."""
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
