"""Idle connections: an epoll thread polls the sockets of connections that have no receiving thread.

Rules of this file:

- While a link is idle, `stomp.client.threads.idle_poller` polls its socket, and the link reads it on the poller's
  thread.
- The link gets a receiving thread when there is an event for user code, or when the session has ended. A thread in
  `Link.join` reads the socket itself until then.
- Neither the idle poller nor the timer thread runs user code or blocks on a socket.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from stomp.client.logging import connections
from stomp.client.threads.idle_poller import WATCH, may_watch
from stomp.client.threads.write_scheduler import GRACE
from stomp.client.threads.writer import DONTWAIT
from stomp.core.session.events import HeartbeatReceived, HeartbeatSent

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from stomp.client.logging import FrameLog
    from stomp.core.session.client import ClientSession
    from stomp.core.session.events import Event

#: Seconds without any event but heart-beats after which a link becomes idle.
_QUIET = 5.0
_BEATS = frozenset([HeartbeatReceived, HeartbeatSent])


class Sleeper(ABC):
    """The idle state of a `Link`: see the module.

    Args:
        tireless: the link never becomes idle: its receiving thread comes from the user's `start_thread`, or every
            event runs user code.

    Attributes:
        asleep: the link is idle: it has no receiving thread, and the idle poller polls its socket.
    """

    sock: socket.socket
    session: ClientSession
    _clock: Callable[[], float]
    _frames: FrameLog
    _hears: Callable[[list[Event]], bool] | None
    _inbox: list[Event]
    _reading: threading.Lock
    _receiver: int
    _state: threading.Lock
    _telling: threading.Lock
    _told: int

    def __init__(self, *, tireless: bool) -> None:
        self.asleep = False
        self._never_idle = tireless or not may_watch()
        self._quiet_since: float | None = None

    @abstractmethod
    def close(self) -> None:
        """Close the connection now."""

    @abstractmethod
    def _lend_thread(self) -> None: ...

    @abstractmethod
    def _read(self, flags: int) -> bool: ...

    @abstractmethod
    def _call_handler(self, batch: list[Event]) -> None: ...

    def glance(self) -> None:
        """Read the socket on the poller's thread: see `stomp.client.threads.idle_poller.Watched`."""
        try:
            # Only the timer thread can hold this lock now, and it never blocks while reading.
            if self._reading.acquire(timeout=GRACE):
                try:
                    if self.asleep:
                        self._read(DONTWAIT)
                finally:
                    self._reading.release()
            self._look()
        except Exception:
            # A bug closes this connection only: the poller's thread must go on for the other connections.
            connections.exception("reading failed")
            self.close()
            self._rouse()

    def _is_tired(self) -> bool:
        """True when only heart-beats have arrived for `_QUIET` seconds, and no user code runs for them."""
        inbox = self._inbox
        if self._never_idle or not inbox or type(inbox[-1]) not in _BEATS:
            self._quiet_since = None
            return False
        if self._quiet_since is None or not only_heartbeats(inbox):
            self._quiet_since = self._clock()
        return self._clock() - self._quiet_since >= _QUIET and self._passed_over()

    def _fall_asleep(self) -> bool:
        """Register the socket with the idle poller. False if that is not possible: this thread goes on reading."""
        with self._state:
            # The timer thread may have read something in the meantime.
            if self._never_idle or self._inbox or self.session.closed is not None:
                return False
            try:
                WATCH.add(self.sock.fileno(), self)
            except OSError:  # no descriptors are left
                return False
            self.session.relax()
            self._quiet_since = None
            self._receiver = 0
            self.asleep = True
            return True

    def _wake_up(self) -> bool:
        """Unregister the socket from the idle poller. True if this call did so: the caller must read from now on."""
        with self._state:
            asleep, self.asleep = self.asleep, False
            if asleep:
                WATCH.forget(self.sock.fileno())
            return asleep

    def _rouse(self) -> None:
        """Start a receiving thread if the link is idle."""
        if self._wake_up():
            self._lend_thread()

    def _look(self) -> None:
        """Start a receiving thread if the session has ended or an event is left for the handler."""
        if self.session.closed is not None or not self._passed_over():
            self._rouse()

    def _told_quietly(self) -> bool:
        """Run the handler on this thread for events that run no user code. False if events are left in the inbox."""
        if not self._inbox:
            return True
        with self._telling:
            batch = self._inbox.copy()
            if self._hears_any(batch):
                return False
            self._take_out(batch)
            self._call_handler(batch)
        return not self._inbox

    def _passed_over(self) -> bool:
        """Drop heart-beats that run no user code. False if events are left in the inbox."""
        if not self._inbox:
            return True
        if not self._telling.acquire(False):
            return False
        try:
            batch = self._inbox.copy()
            if not only_heartbeats(batch) or self._hears_any(batch):
                return False
            self._take_out(batch)
        finally:
            self._telling.release()
        return not self._inbox

    def _take_out(self, batch: list[Event]) -> None:
        """Remove the first events of the inbox. The caller holds `_telling`, so other threads only append to it."""
        with self._state:
            del self._inbox[: len(batch)]
            self._told = self.session.counters.bytes_received

    def _hears_any(self, batch: list[Event]) -> bool:
        # The poller and timer threads, which all connections share, write no log lines: handlers of `logging` are user
        # code.
        return self._hears is None or self._frames.look() or self._hears(batch)


def only_heartbeats(batch: list[Event]) -> bool:
    """True when all events are heart-beats."""
    return _BEATS.issuperset(map(type, batch))
