"""The driver of `stomp.Client`: carries out by blocking what the programs of the core ask for.

Rules of this file: one lock, short, around every step of a program and everything that a link has to tell; nothing
is written, dialed, waited for or called while it is held.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from stomp.client.base import BaseClient
from stomp.client.dialing import open_stream
from stomp.client.sleeper import only_beats
from stomp.client.threads import Link
from stomp.core import life
from stomp.core.callables import check_result
from stomp.core.effects import Call, Dial, Effect, HangUp, Now, Program, Transmit, Wait
from stomp.core.errors import NotConnected
from stomp.core.status import ClientState

if TYPE_CHECKING:
    from stomp.client.settings import Setup
    from stomp.core.events import Event
    from stomp.net.address import Address

_T = TypeVar("_T")
#: No wait is longer than this many seconds without looking up.
LONGEST = 60.0
#: While reading is paused, it is looked this often, in seconds, whether the connection still stands.
_GLANCE = 0.5


class Driver(BaseClient):
    """See the module."""

    def _setup(self, settings: Setup) -> None:
        super()._setup(settings)
        self._lock = threading.Lock()
        _DRIVERS.add(self)

    def _run(self, program: Program[_T]) -> _T:
        """Carry a program out: its steps under the lock, its effects without."""
        answer: Any = None
        failure: BaseException | None = None
        lock, conv = self._lock, self._conv
        while True:
            lock.acquire()
            try:
                effect = program.send(answer) if failure is None else program.throw(failure)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            finally:
                calls = conv.calls()
                lock.release()
                if calls:
                    self._make(calls)
            answer = failure = None
            try:
                answer = self._perform(effect)
            except BaseException as err:
                failure = err

    def _make(self, calls: list[Callable[[], object]]) -> None:
        for call in calls:
            self._call(call)

    def _perform(self, effect: Effect) -> Any:
        if type(effect) is Transmit:
            self._conv.recorder.note(">", effect.frame)
            return effect.link.transmit(effect.frame, deadline=effect.deadline, patient=effect.patient)
        if isinstance(effect, Wait):
            return self._wait(effect)
        if isinstance(effect, Now):
            return self._options.clock()
        if isinstance(effect, Call):
            if effect.guarded:
                return self._call(effect.function)
            return check_result("the function", effect.function())
        if isinstance(effect, Dial):
            return self._dial(effect.address)
        assert isinstance(effect, HangUp)
        return effect.link.close(effect.error)

    def _wait(self, wait: Wait) -> bool:
        # Free when it has happened. An Event is made of several of these, and this is in every confirmed send.
        happened = threading.Lock()
        happened.acquire()

        def happen() -> None:  # the lock of the driver is held
            if happened.locked():
                happened.release()

        with self._lock:
            if wait.ready():
                return True
            wait.signal.watch(happen)
            era = self._conv.era
        if era is not None:
            link: Any = era.link
            link.flush()
        try:
            while True:
                left = LONGEST if wait.deadline is None else wait.deadline - self._options.clock()
                if left > 0:
                    happened.acquire(timeout=min(left, LONGEST))
                with self._lock:
                    ready = wait.ready()
                    if ready or left <= 0:
                        wait.signal.unwatch(happen)
                        return ready
        except BaseException:  # an interrupt; or the lock would be taken once more
            with self._lock:
                wait.signal.unwatch(happen)
            raise

    def _dial(self, address: Address) -> Link:
        secure = address.transport in ("tls", "wss")
        stream = open_stream(address, self._options, self._settings.tls if secure else None)

        def handle(batch: list[Event]) -> None:
            self._take(link, batch)

        link = Link(stream.sock, self._new_session(), handle, self._options, stream.layer, _matters)
        link.start()
        return link

    def _take(self, link: Link, batch: list[Event]) -> None:
        """What a link has to tell; called on its receiving thread."""
        conv = self._conv
        with self._lock:
            conv.take(link, batch, self._options.clock())
            calls = conv.calls()
            lost, conv.needs_link = conv.needs_link, False
        if calls:
            self._make(calls)
        if lost:
            self._options.start_thread(self._reconnect)
        while conv.paused and link.alive:
            # Nothing is read now, but by the keeper, for as long as it has room.
            self._wait(Wait(conv.relief, lambda: not conv.paused, self._options.clock() + _GLANCE))

    def _reconnect(self) -> None:
        self._run(life.reconnect(self._conv, self._options.dice))

    def _disown(self) -> None:
        """In a forked child: the connection is its parent's."""
        self._lock = threading.Lock()
        if not self._conv.state.over and self._conv.state is not ClientState.NEW:
            self._conv.era = None
            self._conv.fail(NotConnected("the client belongs to the process that this one was forked from"))
            self._conv.calls()


def _matters(batch: list[Event]) -> bool:
    """Of heart-beats nobody is told."""
    return not only_beats(batch)


#: For forks.
_DRIVERS: weakref.WeakSet[Driver] = weakref.WeakSet()


def _disown_all() -> None:
    for driver in list(_DRIVERS):
        driver._disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
