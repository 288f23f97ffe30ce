"""`EventDispatcher`: queues the events of one connection, and runs the handler with them.

Rules of this file:

- The handler gets the events in order, in batches, and runs on one thread at a time. That is the receiving thread, or
  another one if an event must not wait for it: see `Link.on_timer`.
- No lock is held while the handler runs. A thread that finds the handler running leaves its events in the queue: the
  thread that runs it takes them before it returns.
- An exception of the handler is logged and does not end the connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from logging import DEBUG
from typing import TYPE_CHECKING

from stomp.client.logging import connections

if TYPE_CHECKING:
    from stomp.client.logging import FrameLog
    from stomp.core.diagnostics import Counters
    from stomp.core.session.events import Event

#: Called with events, in order. No lock of the link is held, so a handler may call any method.
Handler = Callable[[list["Event"]], None]


class EventDispatcher:
    """The event queue and the handler of one connection: see the module.

    Args:
        handler: called with each batch of events.
        frames: logs the received frames.
        counters: those of the session.
        state: the lock of the session, which guards the queue, too.

    Attributes:
        queue: the events that wait for the handler.
        thread: the ident of the thread that runs the handler; 0 while it does not run.
        batching: the handler is running, with several events: its frames can be written together.
        finished: set when the last event was handled.
    """

    __slots__ = (
        "_counters",
        "_dispatched_bytes",
        "_ended",
        "_frames",
        "_handler",
        "_state",
        "batching",
        "finished",
        "queue",
        "thread",
    )

    def __init__(self, handler: Handler, frames: FrameLog, counters: Counters, state: threading.Lock) -> None:
        self._handler = handler
        self._frames = frames
        self._counters = counters
        self._state = state
        # Guarded by the state lock.
        self.queue: list[Event] = []
        self.thread = 0  # reset by the thread itself, without the lock
        self._dispatched_bytes = 0  # how many bytes had been received when the last batch was taken
        self._ended = False  # no event will be added
        # Written by the thread that runs the handler.
        self.batching = False
        self.finished: threading.Event = threading.Event()

    @property
    def waiting_bytes(self) -> int:
        """How many bytes were received since the last batch was taken."""
        return self._counters.bytes_received - self._dispatched_bytes

    def end(self) -> None:
        """The session has ended and its events are queued: `finished` is set after the last one was handled."""
        with self._state:
            self._ended = True
        self._check_finished()

    def run_batch(self) -> bool:
        """Run the handler with all queued events.

        Returns:
            False if another thread is running it. After True, check `queue` again.

        Raises:
            SystemExit: the handler has raised it.
        """
        with self._state:
            if self.thread or not self.queue:
                return False
            batch, self.queue = self.queue, []
            self._dispatched_bytes = self._counters.bytes_received
            self.thread = threading.get_ident()
        self.batching = len(batch) > 1
        try:
            frames = self._frames
            frames.on = frames.logger.isEnabledFor(
                DEBUG
            )  # `update`, inlined: the call takes longer than the check
            if frames.on:
                frames.received(batch)
            self._handler(batch)
        except Exception:
            # Handlers catch the exceptions of callbacks; a bug in a handler must not end the connection.
            connections.exception("the handler of a connection failed")
        finally:
            self.batching = False
            self.thread = 0
            if self._ended:
                self._check_finished()
        return True

    def _check_finished(self) -> None:
        with self._state:
            finished = not self.thread and not self.queue
        if finished:
            self.finished.set()
