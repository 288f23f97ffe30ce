"""The sending half of a `stomp.client.threads.link.Link`: what is sent, and when it is written.

Rules of this file: a frame on its own is written at once, by the thread that sends it; frames that follow each other
fast wait for company, and leave together when they are a batch or when the keeper comes, be that about a millisecond
later; what a handler sends leaves with the end of the batch that it handles, or when the keeper comes; the keeper is
woken as seldom as can be, since each time costs more than to send ten frames.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from stomp.client.threads.writer import BATCH
from stomp.core.errors import ConnectionLost, NotConnected, SendStalled
from stomp.core.frames import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.client.logging import FrameLog
    from stomp.client.threads.timer_thread import TimerThread
    from stomp.client.threads.writer import SocketWriter
    from stomp.core.frames.frame import Frame
    from stomp.core.session.client import ClientSession
    from stomp.core.session.events import Closed, Message
    from stomp.core.session.ledger import PendingReceipt

#: A sender that comes back within this many seconds is busy: its frames may wait for company.
_BUSY = 20e-6
#: No frame waits longer than about this, in seconds, for company.
FLUSH_DELAY = 0.001
#: But what a handler sends waits for the end of its batch, and the keeper is there for handlers that take their time.
#: As long as it finds nothing to do, it comes after twice the time, up to this: each time costs a fast handler 0.1 ms.
_CORK = 8 * FLUSH_DELAY
#: While messages of so many bytes fill batches,
_LARGE = 8 * 1024
#: a batch has so many: who reads them is woken less often, at the expense of who writes.
_STREAM = 512 * 1024
#: When the kernel's buffer is full, try again after this many seconds.
_RETRY = 0.01
#: How long the end of a connection may wait for a broker that does not read, in seconds.
CLOSE_TIMEOUT = 2.0
#: Before silence is taken for the end, the receiving thread may run for this many seconds.
GRACE = 0.02


class SendingHalf(ABC):
    """See the module. `Link` is the other half, and has the parts that both use."""

    session: ClientSession
    removed: bool
    _clock: Callable[[], float]
    _frames: FrameLog
    _keeper: TimerThread
    _outbox: SocketWriter
    _state: threading.Lock
    _receiver: int
    _batching: bool
    _due: float | None

    def __init__(self) -> None:
        self._last_sent = 0.0  # when a sender was last here
        self._lingering = False  # the keeper was asked to write what is queued
        self._streaming = False  # senders fill batches, which leave without the keeper
        self._corking = False  # the keeper was asked to write what the handler leaves waiting
        self._cork = FLUSH_DELAY  # in so many seconds
        self._broken: OSError | None = None  # what a write failed with

    @property
    @abstractmethod
    def alive(self) -> bool:
        """True until the session has ended, for whatever reason."""

    @abstractmethod
    def attend(self) -> float | None:
        """See `Timed.attend`."""

    @abstractmethod
    def _collect(self) -> None: ...

    @abstractmethod
    def _ask_keeper(self) -> None: ...

    @abstractmethod
    def _read_while_blocked(self) -> None: ...

    @abstractmethod
    def _hang_up(self) -> None: ...

    @abstractmethod
    def _wake(self) -> None: ...

    @abstractmethod
    def _write_error(self, err: OSError, patience: float) -> ConnectionLost: ...

    # ------------------------------------------------------------------------------------- for clients

    def transmit(
        self, frame: Frame, *, escaped: bool = False, deadline: float | None = None, patient: bool = False
    ) -> PendingReceipt | None:
        """Send a frame, from any thread. See `ClientSession.transmit`.

        When it returns, the frame is with the kernel, or queued behind frames that are being written.

        Args:
            frame: the frame.
            escaped: its headers are in escaped form already.
            deadline: when to give up waiting for its answer.
            patient: nobody waits for it now, so it may wait a moment for company; see `flush`.

        Raises:
            NotConnected: there is no connection any more.
            FrameError: the frame cannot be encoded.
            SendStalled: the broker has not read for `Options.send_timeout`. The frame is queued.
        """
        session = self.session
        with self._state:
            if session.closed is not None:
                self._refuse(session.closed)
            ticket = session.transmit(frame, escaped=escaped, deadline=deadline)
            if not self.alive:
                self._collect()
            if deadline is not None and (self._due is None or deadline < self._due):
                self._ask_keeper()
        if self._logs():
            self._frames.sent(frame.command, frame.headers, frame.body)
        self._send(patient=patient)
        return ticket

    def flush(self) -> None:
        """Write what waits for company: to be called by whoever is going to wait for an answer."""
        if self._lingering:
            self._try_write()

    def send(
        self,
        destination: str,
        body: bytes,
        content_type: str | None = None,
        receipt: str | None = None,
        deadline: float | None = None,
        patient: bool = False,
        content_length: bool = True,
    ) -> None:
        """Send a message that has no other headers: `transmit` in less steps, with the same promises and errors."""
        # Not `with`, here as in the other short ways: that takes 0.1 us more, which is a tenth of all of this.
        self._state.acquire()
        try:
            sent = self.session.send_plain(destination, body, content_type, receipt, deadline, content_length)
            if deadline is not None and (self._due is None or deadline < self._due):
                self._ask_keeper()
        finally:
            self._state.release()
        if not sent:
            frame = commands.send(
                destination, body, content_type=content_type, content_length=content_length, receipt=receipt
            )
            self.transmit(frame, deadline=deadline, patient=patient)
            return
        if self._frames.on if self._lingering else self._logs():
            length = len(body) if content_length else None
            headers = {"destination": destination, "content-type": content_type, "receipt": receipt}
            self._frames.sent("SEND", {**headers, "content-length": length}, body)
        if not self._lingering or self.session.outgoing >= BATCH:
            self._send(patient=patient, large=len(body) >= _LARGE)

    def acknowledge(self, message: Message) -> str | None:
        """Acknowledge a delivery in less steps: see `ClientSession.acknowledge`. It may wait for company."""
        self._state.acquire()
        try:
            name = self.session.acknowledge(message)
        finally:
            self._state.release()
        if name is not None:
            if self._logs():
                self._frames.sent("ACK", {"id": name})
            self._send(patient=True)
        return name

    def transmit_plain(self, command: str, headers: dict[str, Any], body: bytes = b"") -> bool:
        """`transmit` in less steps: see `ClientSession.transmit_plain`. False where nothing was done."""
        self._state.acquire()
        try:
            sent = self.session.transmit_plain(command, headers, body)
        finally:
            self._state.release()
        if sent:
            if self._frames.on if self._lingering else self._logs():
                length = {"content-length": len(body)} if body else {}
                self._frames.sent(command, {**headers, **length}, body)
            self._send()
        return sent

    def answer_plain(self, command: str, name: str) -> bool:
        """ACK or NACK in less steps: see `ClientSession.answer_plain`. False where nothing was done."""
        self._state.acquire()  # not `with`: see `send`
        try:
            sent = self.session.answer_plain(command, name)
        finally:
            self._state.release()
        if sent and (self._frames.on if self._lingering or self._batching else self._logs()):
            self._frames.sent(command, {"id": name})
        # While a batch is handled, it leaves with the others, which the keeper knows of.
        if sent and not (self._batching and self._corking and self.session.outgoing < BATCH):
            self._send()
        return sent

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are, behind the frames that are queued."""
        with self._state:
            if self.session.closed is not None:
                self._refuse(self.session.closed)
            self.session.send_raw(data)
        self._send()

    def flush_within(self, seconds: float) -> None:
        """Write what is queued, as far as the peer takes it within so many seconds."""
        with contextlib.suppress(NotConnected, SendStalled):
            self._write(leave=0, seconds=seconds)

    def _refuse(self, closed: Closed) -> NoReturn:
        raise NotConnected(f"the connection has ended: {closed.why}", hint="connect again")

    def _logs(self) -> bool:
        """True if frames are logged. Of frames that leave together, only the first looks whether DEBUG is on.

        What is sent a lot does not call this for the others: that would take 50 ns, of 600.
        """
        return self._frames.on if self._lingering or self._batching else self._frames.look()

    # ------------------------------------------------------------------------------------- writing

    def _send(self, *, patient: bool = False, large: bool = False) -> None:
        """Write what this thread has queued, at once or in good company."""
        small = self.session.outgoing < (_STREAM if large and self._streaming else BATCH)
        if (self._lingering or patient) and small and self.alive:
            self.schedule_flush(FLUSH_DELAY)
            return
        if self._batching and small and threading.get_ident() == self._receiver:
            if not self._corking:
                self._corking = True
                self._keeper.attend_in(self, self._cork)
        elif (now := self._clock()) - self._last_sent < _BUSY and small:
            self.schedule_flush(0.0)
            self._last_sent = now
        elif threading.get_ident() == self._receiver:
            self._try_write()
            if self._outbox.full:
                self._read_while_blocked()
            self._last_sent = self._clock()
        else:
            # Frames that were to linger have become a batch before the keeper came. So will the next ones, and waking
            # it for each batch would cost more than to write it.
            self._streaming = streaming = self._lingering and not small
            self._write(leave=BATCH)
            if streaming:
                self.schedule_flush(FLUSH_DELAY)
            self._last_sent = self._clock()
        if self.session.closed is not None:
            self._hang_up()

    def schedule_flush(self, seconds: float) -> None:
        """Have the keeper write what is queued, within so many seconds."""
        if not self._lingering:
            self._lingering = True
            self._keeper.attend_in(self, seconds)

    def _on_timer_fired(self) -> None:
        """The keeper has come, and what it was asked for begins anew."""
        if self._corking:
            self._cork = (
                FLUSH_DELAY if self._batching and self.session.outgoing else min(2 * self._cork, _CORK)
            )
        self._lingering = self._corking = False

    def _try_write(self, *, last: bool = False) -> None:
        """Write what the kernel takes without waiting; the keeper will see to the rest."""
        with contextlib.suppress(ConnectionLost):
            self._write(leave=None, last=last)

    def _write(self, *, leave: int | None, seconds: float | None = None, last: bool = False) -> None:
        """Write what is in the outbox: see `SocketWriter.write`. What is left then, the keeper will write.

        Raises:
            ConnectionLost: the socket is broken.
            SendStalled: it took too long.
        """
        try:
            if not self._outbox.dash() and not self._outbox.write(leave=leave, seconds=seconds, last=last):
                self._keeper.attend_in(self, _RETRY)
        except SendStalled:
            self._keeper.attend_in(self, _RETRY)
            raise
        except OSError as err:
            self._broken = self._broken or err
            # The receiving thread reads what is still there, the broker's ERROR perhaps, and then finds the end.
            self._wake()
            raise self._write_error(err, patience=GRACE if leave is None else CLOSE_TIMEOUT) from err
