"""Idle connections: an epoll thread watches the sockets of connections that have no receiving thread.

Rules of this file: while a link is idle, `stomp.client.threads.idle_poller` waits for its socket and reads it. The link
gets a receiving thread when there is an event for user code, or when a thread waits for the end of the connection.
Neither the poller nor the timer thread runs user code or waits.
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

#: When nothing but heart-beats has come for so many seconds, a link is tired.
_QUIET = 5.0
_BEATS = frozenset([HeartbeatReceived, HeartbeatSent])


class Sleeper(ABC):
    """See the module.

    Args:
        tireless: it never sleeps: its receiving thread is not ours, or the user is to hear of everything.

    Attributes:
        asleep: it is; then it has no receiving thread.
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
        """Drop the connection now."""

    @abstractmethod
    def _lend_thread(self) -> None: ...

    @abstractmethod
    def _read(self, flags: int) -> bool: ...

    @abstractmethod
    def _call_handler(self, batch: list[Event]) -> None: ...

    def glance(self) -> None:
        """See `stomp.client.threads.idle_poller.Watched`."""
        try:
            # Only the keeper may be at it, which never takes long.
            if self._reading.acquire(timeout=GRACE):
                try:
                    if self.asleep:
                        self._read(DONTWAIT)
                finally:
                    self._reading.release()
            self._look()
        except Exception:
            # A defect ends this connection. The others must not become deaf by it.
            connections.exception("reading failed")
            self.close()
            self._rouse()

    def _is_tired(self) -> bool:
        """True when nothing but heart-beats has come for some time, and nobody has to be told of them."""
        inbox = self._inbox
        if self._never_idle or not inbox or type(inbox[-1]) not in _BEATS:
            self._quiet_since = None
            return False
        if self._quiet_since is None or not only_heartbeats(inbox):
            self._quiet_since = self._clock()
        return self._clock() - self._quiet_since >= _QUIET and self._passed_over()

    def _fall_asleep(self) -> bool:
        """Leave the reading to the watch. False if it cannot be, and it stays with this thread."""
        with self._state:
            # The keeper may have read something since.
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
        """Take the reading over from the watch: True for who did, and has to see to it from now on."""
        with self._state:
            asleep, self.asleep = self.asleep, False
            if asleep:
                WATCH.forget(self.sock.fileno())
            return asleep

    def _rouse(self) -> None:
        """Give it a receiving thread again, if it is asleep."""
        if self._wake_up():
            self._lend_thread()

    def _look(self) -> None:
        """It is asleep, and there may be something to tell, or to end."""
        if self.session.closed is not None or not self._passed_over():
            self._rouse()

    def _told_quietly(self) -> bool:
        """Tell the handler on this thread what no code of the user will hear of. False if something is left to tell."""
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
        """Forget heart-beats that nobody hears of. False if something is left to tell."""
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
        """Take what is first in the inbox out of it. The caller has `_telling`, so others only append to it."""
        with self._state:
            del self._inbox[: len(batch)]
            self._told = self.session.counters.bytes_received

    def _hears_any(self, batch: list[Event]) -> bool:
        # Lines of the log are not written by the threads that all connections share.
        return self._hears is None or self._frames.look() or self._hears(batch)


def only_heartbeats(batch: list[Event]) -> bool:
    """True when all that happened is heart-beats."""
    return _BEATS.issuperset(map(type, batch))
