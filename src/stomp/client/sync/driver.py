"""The driver of `stomp.Client`: runs the operations of the core, and carries out their effects with blocking calls.

Rules of this file:

- One lock is held briefly for every step of an operation and for all events of a link. While it is held, nothing is
  written, connected or waited for, and no user code is called.
- User code runs on the thread that calls a method of the client, or on the callback thread, which exists while there
  are callbacks to call. It never runs on a receiving thread, so user code may call every method.
- A wait that can never end, because it needs the waiting thread itself to end it, raises at once.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from stomp.client.base import BaseClient, log
from stomp.client.connect import open_stream
from stomp.client.options import start_daemon
from stomp.client.threads.link import Link
from stomp.core.callables import check_result
from stomp.core.engine import lifecycle
from stomp.core.engine.effects import (
    Call,
    CloseConnection,
    Effect,
    Now,
    OpenConnection,
    Operation,
    SendFrame,
    Signal,
    Wait,
)
from stomp.core.engine.status import ClientState
from stomp.core.errors import NotConnected, UsageError
from stomp.net.serving import check_not_served_here, running_loop

if TYPE_CHECKING:
    from stomp.client.config import ResolvedConfig
    from stomp.core.engine.message import BaseMessage
    from stomp.core.session.events import Event
    from stomp.net.address import Address

_T = TypeVar("_T")
#: Longest single wait, in seconds; longer waits are repeated.
LONGEST = 60.0
#: While reading is paused, seconds between two checks whether the connection is still open.
_GLANCE = 0.5


class SyncDriver(BaseClient):
    """Runs operations with blocking calls: see the module."""

    def _setup(self, settings: ResolvedConfig) -> None:
        super()._setup(settings)
        self._lock = threading.Lock()
        self._calling = False  # the callback thread is running
        self._called: Signal = Signal()  # fires when it has ended
        self._caller = 0  # ident of the callback thread
        self._connecting: set[int] = set()  # idents of the threads that open a connection
        self._handling: dict[int, BaseMessage] = {}  # ident of a thread -> the message it handles
        _DRIVERS.add(self)

    def _run(self, program: Operation[_T], *, connects: bool = False) -> _T:
        """Run an operation: its steps with the lock held, its effects without.

        Args:
            program: the operation.
            connects: the operation opens a connection: see `_connect`.
        """
        answer: Any = None
        failure: BaseException | None = None
        engine, lock = self._engine, self._lock
        while True:
            lock.acquire()
            try:
                effect = program.send(answer) if failure is None else program.throw(failure)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            finally:
                begin = engine.has_callbacks and self._begin_calling()
                lock.release()
                if begin:
                    self._start(self._make_calls, "stomp-callbacks")
            answer = failure = None
            try:
                if type(effect) is SendFrame:
                    engine.recorder.note(">", effect.frame)
                    effect.link.transmit(effect.frame, deadline=effect.deadline, may_delay=effect.may_delay)
                    continue
                if isinstance(effect, Wait) and not connects and threading.get_ident() in self._connecting:
                    self._refuse_to_wait(effect)
                answer = self._perform(effect)
            except BaseException as err:
                failure = err

    def _connect(self, program: Operation[None]) -> None:
        """Run an operation that opens a connection. User functions that it calls cannot wait for that connection."""
        ident = threading.get_ident()
        self._connecting.add(ident)
        try:
            self._run(program, connects=True)
        finally:
            self._connecting.discard(ident)

    def _start(self, run: Callable[[], None], name: str) -> None:
        start = self._options.start_thread
        if start is start_daemon:
            start_daemon(run, name)
        else:
            start(run)

    # ------------------------------------------------------------------------------------- callbacks

    def _begin_calling(self) -> bool:
        """True if the callback thread has to be started. The caller holds the lock."""
        if self._calling or not self._engine.has_callbacks:
            return False
        self._calling = True
        return True

    def _make_calls(self) -> None:
        """The callback thread: call the queued callbacks, in order, until none is left."""
        self._caller = threading.get_ident()
        calls: list[Callable[[], object]] = []
        try:
            while True:
                with self._lock:
                    calls = self._engine.pop_callbacks()
                    if not calls:
                        break
                for call in calls:
                    self._make_call(call)
        finally:
            with self._lock:
                self._caller = 0
                self._calling = False
                self._called.notify()
                begin = self._begin_calling()  # another one was queued, or an exception ended the loop
            if begin:
                self._start(self._make_calls, "stomp-callbacks")

    def _make_call(self, call: Callable[[], object]) -> None:
        try:
            self._call(call)
        except SystemExit:
            log.error("a callback called sys.exit(), which ends neither the client nor the program")

    def _join_calls(self, deadline: float) -> None:
        """Wait until all queued callbacks were called. Returns at once in a callback, which would wait for itself."""
        if threading.get_ident() != self._caller:
            self._wait(
                Wait(self._called, lambda: not (self._calling or self._engine.has_callbacks), deadline)
            )

    # ------------------------------------------------------------------------------------- effects

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Wait):
            return self._wait(effect)
        if isinstance(effect, Now):
            return self._options.clock()
        if isinstance(effect, Call):
            if effect.guarded:
                return self._call(effect.function)
            return check_result("the function", effect.function())
        if isinstance(effect, OpenConnection):
            return self._dial(effect.address)
        assert isinstance(effect, CloseConnection)
        return effect.link.close(effect.error)

    def _refuse_to_wait(self, wait: Wait) -> None:
        """Check a wait on a thread that is connecting: a user function called for that has called a method.

        Raises:
            UsageError: the method would have to wait.
        """
        with self._lock:
            ready = wait.predicate()
        if not ready:
            raise UsageError(
                "this call waits for a connection, and was made by a function that connecting waits for",
                hint="do not use the client in login, passcode, headers or a validator",
            )

    def _wait(self, wait: Wait) -> bool:
        # Released when the signal is notified. Cheaper than an Event, and used by every confirmed send.
        happened = threading.Lock()
        happened.acquire()

        def happen() -> None:  # the lock of the driver is held
            if happened.locked():
                happened.release()

        with self._lock:
            if wait.predicate():
                return True
            wait.signal.add_callback(happen)
            connection = self._engine.connection
            calls_back = threading.get_ident() == self._caller
            if calls_back:
                self._engine.callback_waits = True
                self._engine.maybe_resume()
        try:
            if connection is not None:
                link: Any = connection.link
                link.flush()
                check_not_served_here(link.sock)
            _warn_about_loop()
            while True:
                left = LONGEST if wait.deadline is None else wait.deadline - self._options.clock()
                if left > 0:
                    happened.acquire(timeout=min(left, LONGEST))
                with self._lock:
                    ready = wait.predicate()
                    if ready or left <= 0:
                        self._end_wait(wait, happen, calls_back)
                        return ready
        except BaseException:  # Ctrl-C, for example. Not `finally`: the loop above has called `_end_wait`
            with self._lock:
                self._end_wait(wait, happen, calls_back)
            raise

    def _end_wait(self, wait: Wait, happen: Callable[[], None], calls_back: bool) -> None:
        wait.signal.remove_callback(happen)
        if calls_back:
            self._engine.callback_waits = False

    def _dial(self, address: Address) -> Link:
        secure = address.transport in ("tls", "wss")
        stream = open_stream(address, self._options, self._settings.tls if secure else None)

        def handle(batch: list[Event]) -> None:
            self._take(link, batch)

        session = self._new_session()
        link = Link(stream.sock, session, handle, self._options, stream.layer, self._log_later)
        link.start()
        return link

    def _log_later(self, write: Callable[[], object]) -> None:
        with self._lock:
            self._engine.defer([write])
            begin = self._begin_calling()
        if begin:
            self._start(self._make_calls, "stomp-callbacks")

    def _take(self, link: Link, batch: list[Event]) -> None:
        """Process the events of a link. Called on its receiving thread."""
        engine = self._engine
        with self._lock:
            engine.process_events(link, batch, self._options.clock())
            begin = self._begin_calling()
            lost, engine.needs_reconnect = engine.needs_reconnect, False
        if lost:
            self._start(self._reconnect, "stomp-reconnect")
        if begin:
            self._start(self._make_calls, "stomp-callbacks")
        while engine.reading_paused and link.alive:
            # Only the timer thread reads now, until the link's read limit is reached.
            self._wait(
                Wait(engine.resumed, lambda: not engine.reading_paused, self._options.clock() + _GLANCE)
            )

    def _reconnect(self) -> None:
        self._connect(lifecycle.reconnect_gen(self._engine, self._options.random))

    def _disown(self) -> None:
        """In a forked child: fail the client, as its connection belongs to the parent."""
        self._lock = threading.Lock()
        self._calling = False
        self._caller = 0
        self._connecting = set()
        if not self._engine.state.over and self._engine.state is not ClientState.NEW:
            self._engine.connection = None
            self._engine.fail(NotConnected("the client belongs to the process that this one was forked from"))
            self._engine.pop_callbacks()


_warned: list[object] = []  # not empty once the warning was written


def _warn_about_loop() -> None:
    """Warn once that the event loop of this thread is blocked. No error: notebooks cannot avoid it."""
    if not _warned and running_loop() is not None:
        _warned.append(None)
        log.warning(
            "stomp.Client waits on a thread that runs an event loop, which stands still meanwhile;"
            " use stomp.AsyncClient, or asyncio.to_thread"
        )


#: All drivers, for `_disown_all`.
_DRIVERS: weakref.WeakSet[SyncDriver] = weakref.WeakSet()


def _disown_all() -> None:
    for driver in list(_DRIVERS):
        driver._disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
