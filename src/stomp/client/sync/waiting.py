"""How `stomp.Client` waits and runs user functions: by blocking, with threads.

`stomp.client.aio.waiting` has the same names for tasks. The other modules of this package are generated from those of
`stomp.client.aio`, see `scripts/generate_sync.py`: what differs more than by ``async`` and ``await`` is here.

Rules of this file:

- One lock is held briefly for every step of an operation and for all events of a link. While it is held, nothing is
  written, connected or waited for, and no user code is called.
- User code runs on the thread that calls a method of the client, or on the callback thread, which exists while there
  are callbacks to call. It never runs on a receiving thread, so user code may call every method.
- A wait that can never end, because it needs the waiting thread itself to end it, raises at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from stomp.client.base import BaseClient, log
from stomp.client.connect import open_stream
from stomp.client.options import start_daemon
from stomp.client.threads.link import Link
from stomp.core.callables import check_result
from stomp.core.engine import lifecycle
from stomp.core.engine.effects import Signal, Wait
from stomp.core.engine.status import ClientState
from stomp.core.errors import NotConnected, UsageError
from stomp.net.serving import check_not_served_here, running_loop

if TYPE_CHECKING:
    from stomp.client.config import ResolvedConfig
    from stomp.core.engine.effects import Call, Effect, Operation
    from stomp.core.engine.message import BaseMessage
    from stomp.core.session.events import Event
    from stomp.net.address import Address

#: Longest single wait, in seconds; longer waits are repeated.
LONGEST = 60.0
#: While reading is paused, seconds between two checks whether the connection is still open.
_CHECK_INTERVAL = 0.5
#: The exception of a ``with`` statement that was interrupted by Ctrl-C.
INTERRUPTED = KeyboardInterrupt
#: Exceptions of a handler that end its consumer and not the program: its thread is not the main thread.
EXITS: tuple[type[BaseException], ...] = (SystemExit,)


def current() -> int:
    """What runs the caller: the ident of the thread."""
    return threading.get_ident()


class SyncWaiting(BaseClient):
    """The part of the driver that is not generated from `stomp.AsyncClient`."""

    def _setup(self, settings: ResolvedConfig) -> None:
        super()._setup(settings)
        self._lock = threading.Lock()
        self._callbacks_running = False  # the callback thread is running
        self._callbacks_ended: Signal = Signal()  # notified when it has ended
        self._callback_thread = 0  # ident of the callback thread
        self._connecting: set[int] = set()  # idents of the threads that open a connection
        self._handling: dict[int, BaseMessage] = {}  # ident of a thread -> the message it handles
        _CLIENTS.add(self)

    def _connect(self, operation: Operation[None]) -> None:
        raise NotImplementedError

    def _join_consumers(self, deadline: float) -> None:
        raise NotImplementedError

    def _start(self, run: Callable[[], None], name: str) -> None:
        start = self._options.start_thread
        if start is start_daemon:
            start_daemon(run, name)
        else:
            start(run)

    # ------------------------------------------------------------------------------------- callbacks

    def _claim_callbacks(self) -> bool:
        """True if the callback thread has to be started. The caller holds the lock."""
        if self._callbacks_running or not self._engine.callbacks:
            return False
        self._callbacks_running = True
        return True

    def _start_callbacks(self) -> None:
        self._start(self._run_callbacks, "stomp-callbacks")

    def _run_callbacks(self) -> None:
        """The callback thread: call the queued callbacks, in order, until none is left."""
        self._callback_thread = threading.get_ident()
        callbacks: list[Callable[[], object]] = []
        try:
            while True:
                with self._lock:
                    callbacks = self._engine.pop_callbacks()
                    if not callbacks:
                        break
                for callback in callbacks:
                    self._run_callback(callback)
        finally:
            with self._lock:
                self._callback_thread = 0
                self._callbacks_running = False
                self._callbacks_ended.notify()
                begin = self._claim_callbacks()  # another one was queued, or an exception ended the loop
            if begin:
                self._start_callbacks()

    def _run_callback(self, callback: Callable[[], object]) -> None:
        try:
            self._call(callback)
        except SystemExit:
            log.error("a callback called sys.exit(), which ends neither the client nor the program")

    def _join_callbacks(self, deadline: float) -> None:
        """Wait until all queued callbacks were called. Returns at once in a callback, which would wait for itself."""
        if threading.get_ident() != self._callback_thread:
            self._block(
                Wait(
                    self._callbacks_ended,
                    lambda: not (self._callbacks_running or self._engine.callbacks),
                    deadline,
                )
            )

    # ------------------------------------------------------------------------------------- effects

    def _step(self, operation: Operation[Any], answer: Any, failure: BaseException | None) -> Effect:
        """Run an operation up to its next effect, and start the callbacks. Raises StopIteration at its end."""
        lock = self._lock
        lock.acquire()  # not `with`, which takes 0.1 us more
        try:
            return operation.send(answer) if failure is None else operation.throw(failure)
        finally:
            begin = bool(self._engine.callbacks) and self._claim_callbacks()
            lock.release()
            if begin:
                self._start_callbacks()

    def _call_user(self, call: Call) -> Any:
        if call.guarded:
            return self._call(call.function)
        return check_result("the function", call.function())

    def _wait(self, wait: Wait, *, connects: bool) -> bool:
        """Wait; `connects` if the operation opens a connection.

        Raises:
            UsageError: a user function that connecting waits for would wait for the connection.
        """
        if not connects and threading.get_ident() in self._connecting:
            with self._lock:
                ready = wait.predicate()
            if not ready:
                raise UsageError(
                    "this call waits for a connection, and was made by a function that connecting waits for",
                    hint="do not use the client in login, passcode, headers or a validator",
                )
        return self._block(wait)

    def _block(self, wait: Wait) -> bool:
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
            is_callback = threading.get_ident() == self._callback_thread
            if is_callback:
                self._engine.callback_waits = True
                self._engine.maybe_resume()
        try:
            link = connection.link if connection is not None else None
            if isinstance(link, Link):
                link.flush()
            if running_loop() is not None:
                if isinstance(link, Link):
                    check_not_served_here(link.sock)
                _warn_about_loop()
            while True:
                left = LONGEST if wait.deadline is None else wait.deadline - self._options.clock()
                if left > 0:
                    happened.acquire(timeout=min(left, LONGEST))
                with self._lock:
                    ready = wait.predicate()
                    if ready or left <= 0:
                        self._end_wait(wait, happen, is_callback)
                        return ready
        except BaseException:  # Ctrl-C, for example. Not `finally`: the loop above has called `_end_wait`
            with self._lock:
                self._end_wait(wait, happen, is_callback)
            raise

    def _end_wait(self, wait: Wait, happen: Callable[[], None], is_callback: bool) -> None:
        wait.signal.remove_callback(happen)
        if is_callback:
            self._engine.callback_waits = False

    def _open_link(self, address: Address) -> Link:
        secure = address.transport in ("tls", "wss")
        stream = open_stream(address, self._options, self._settings.tls if secure else None)

        def handle(batch: list[Event]) -> None:
            self._on_events(link, batch)

        session = self._new_session()
        link = Link(stream.sock, session, handle, self._options, stream.layer, self._log_later)
        link.start()
        return link

    def _log_later(self, write: Callable[[], object]) -> None:
        with self._lock:
            self._engine.defer([write])
            begin = self._claim_callbacks()
        if begin:
            self._start_callbacks()

    # ------------------------------------------------------------------------------------- for links

    def _on_events(self, link: Link, batch: list[Event]) -> None:
        """Process the events of a link. Called on its receiving thread."""
        engine = self._engine
        with self._lock:
            engine.process_events(link, batch, self._options.clock())
            begin = self._claim_callbacks()
            lost, engine.needs_reconnect = engine.needs_reconnect, False
        if lost:
            self._start(self._reconnect, "stomp-reconnect")
        if begin:
            self._start_callbacks()
        while engine.reading_paused and link.alive:
            # Only the timer thread reads now, until the link's read limit is reached.
            deadline = self._options.clock() + _CHECK_INTERVAL
            self._block(Wait(engine.resumed, lambda: not engine.reading_paused, deadline))

    def _reconnect(self) -> None:
        self._connect(lifecycle.reconnect_gen(self._engine, self._options.random))

    # ------------------------------------------------------------------------------------- connecting and closing

    @contextlib.contextmanager
    def _opening(self) -> Generator[None, None, None]:
        """Around `connect`: wait briefly for the callbacks then."""
        try:
            yield
        finally:
            self._join_callbacks(self._deadline(self._short_deadline()))

    @contextlib.contextmanager
    def _joining(self, timeout: float | None, deadline: float | None = None) -> Generator[None, None, None]:
        """Around `close`: wait for the handlers then, until `deadline` or `timeout` seconds, and for the callbacks."""
        yield  # after an exception, such as Ctrl-C, there are no more waits
        if deadline is None:
            deadline = self._deadline(timeout)
        self._join_callbacks(min(deadline, self._deadline(self._short_deadline())))
        self._join_consumers(deadline)

    @contextlib.contextmanager
    def _stop_signal(self, signals: Sequence[int]) -> Generator[_Stop, None, None]:
        """Handle these signals meanwhile: they set the result, as does the end of the client."""
        if threading.current_thread() is not threading.main_thread():
            raise UsageError(
                "run_forever waits for signals, and was not called on the main thread",
                hint="call drain instead",
            )
        stop = _Stop()

        def check() -> None:
            if self._engine.state.over:
                stop.set()

        before = {number: signal.signal(number, stop.set) for number in signals}
        with self._lock:
            check()
            self._engine.state_changed.add_callback(check)
        try:
            yield stop
        finally:
            with self._lock:
                self._engine.state_changed.remove_callback(check)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _abandon_after_fork(self) -> None:
        """In a forked child: fail the client, as its connection belongs to the parent."""
        self._lock = threading.Lock()
        self._callbacks_running = False
        self._callback_thread = 0
        self._connecting = set()
        if not self._engine.state.over and self._engine.state is not ClientState.NEW:
            self._engine.connection = None
            self._engine.fail(NotConnected("the client belongs to the process that this one was forked from"))
            self._engine.pop_callbacks()


class _Stop:
    """Set when `run_forever` has to stop.

    Not an Event: a signal handler may run on the waiting thread while it holds the lock of the Event.
    """

    def __init__(self) -> None:
        from queue import SimpleQueue

        self._queue: SimpleQueue[None] = SimpleQueue()

    def set(self, *_: object) -> None:
        """End `wait`. It is also a signal handler."""
        self._queue.put(None)

    def wait(self) -> None:
        """Wait until it is set."""
        from queue import Empty

        while True:
            with contextlib.suppress(Empty):
                return self._queue.get(timeout=LONGEST)


def call_handler(handler: Callable[[Any], object], message: BaseMessage) -> None:
    """Call the handler of a consumer, and check its result."""
    check_result("the handler", handler(message))


class Workers:
    """The threads of a consumer.

    Args:
        work: the function that each of them runs.
        count: how many.
    """

    def __init__(self, work: Callable[[], None], count: int) -> None:
        self._threads = [
            threading.Thread(target=work, name=f"stomp-consumer-{n}", daemon=True) for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the others have ended, at most this many seconds."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))


_warned: list[object] = []  # not empty once the warning was written


def _warn_about_loop() -> None:
    """Warn once that the event loop of this thread is blocked. No error: notebooks cannot avoid it."""
    if not _warned:
        _warned.append(None)
        log.warning(
            "stomp.Client waits on a thread that runs an event loop, which stands still meanwhile;"
            " use stomp.AsyncClient, or asyncio.to_thread"
        )


#: All clients, for `_abandon_all_after_fork`.
_CLIENTS: weakref.WeakSet[SyncWaiting] = weakref.WeakSet()


def _abandon_all_after_fork() -> None:
    for client in list(_CLIENTS):
        client._abandon_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all_after_fork)
