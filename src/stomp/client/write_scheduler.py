"""`WriteScheduler`: decides when the queued frames of a connection are written.

Rule of this file: a frame is written at once, by the thread or task that sends it, unless

- it may be delayed, because no thread waits for its answer yet, or a handler sends it while it handles a batch of
  events,
- it follows another frame within `BURST` seconds: a system call for each frame of a burst would take more time than
  all the rest,
- or other frames are queued already.

Then it stays queued. The queued frames are written together: as soon as they are `BATCH` bytes, and

- by a `Link` (threads): at the end of the handler's batch, before a thread waits for an answer (`Link.flush`), and at
  the latest `FLUSH_DELAY` seconds later, by the timer thread,
- by an `AioLink`: in the next iteration of the event loop.
"""

from __future__ import annotations

#: Bytes that are worth a system call.
BATCH = 64 * 1024
#: Frames that follow each other within this many seconds are a burst. A request and its reply are further apart: a
#: round trip takes 100 us even on loopback.
BURST = 20e-6
#: Longest time that a frame stays queued, in seconds.
FLUSH_DELAY = 0.001


class WriteScheduler:
    """The decision when to write: see the module. It reads no clock and writes nothing; the link does.

    Attributes:
        flush_scheduled: frames are queued, and the timer thread or the event loop was asked to write them.
        last_sent: the time of the last frame that was not queued behind others.
    """

    __slots__ = ("flush_scheduled", "last_sent")

    def __init__(self) -> None:
        # Changed without a lock. A frame is queued before these are read, and `flush_scheduled` is reset before the
        # timer thread writes. So each frame is written; at worst it is written earlier than needed.
        self.flush_scheduled = False
        self.last_sent = 0.0

    def decide(self, queued: int, now: float, *, may_delay: bool) -> bool:
        """True if the frame that was just queued is to be written now. False if it stays queued.

        Args:
            queued: how many bytes are queued, with those of the frame.
            now: the time in seconds.
            may_delay: the frame may be delayed.

        >>> scheduler = WriteScheduler()
        >>> scheduler.decide(100, 5.0, may_delay=False), scheduler.decide(100, 5.0, may_delay=True)
        (True, False)
        """
        delay = may_delay or self.flush_scheduled or now - self.last_sent < BURST
        self.last_sent = now
        return not delay or queued >= BATCH
