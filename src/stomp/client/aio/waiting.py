"""How `stomp.AsyncClient` waits and runs user functions: on its event loop, with tasks.

`stomp.client.sync.waiting` has the same names for threads. The other modules of this package are the source of those
of `stomp.client.sync`, see `scripts/generate_sync.py`: what differs more than by ``async`` and ``await`` is here.

Rules of this file:

- Everything runs on one event loop, so the steps of an operation need no lock.
- Methods that never wait yield to the loop from time to time, before their first step. Never after their last one,
  where a cancellation would lose the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, cast

from stomp.client.aio.link import AioLink, open_link
from stomp.client.base import BaseClient, log
from stomp.core.engine import lifecycle
from stomp.core.engine.status import ClientState
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from stomp.client.config import ResolvedConfig
    from stomp.core.engine.effects import Call, Effect, Operation, Wait
    from stomp.core.engine.message import BaseMessage
    from stomp.core.session.events import Event
    from stomp.net.address import Address

#: Seconds that a task may run without yielding to the loop, if its calls do not wait.
MAX_BUSY_TIME = 0.002
#: Number of calls between two checks of the clock.
YIELD_CHECK_INTERVAL = 16
#: The exception of a ``with`` statement that was cancelled.
INTERRUPTED = asyncio.CancelledError
#: Exceptions of a handler that end its consumer and not the program: none, a task passes them to the event loop.
EXITS: tuple[type[BaseException], ...] = ()


def current() -> asyncio.Task[Any] | None:
    """What runs the caller: the task."""
    return asyncio.current_task()


class AsyncWaiting(BaseClient):
    """The part of the driver that is not generated for `stomp.Client`."""

    _awaits = True

    def _setup(self, settings: ResolvedConfig) -> None:
        super()._setup(settings)
        self._lock = contextlib.nullcontext()  # an event loop needs no lock
        self._links: list[AioLink] = []  # links whose sockets may be open
        self._reconnecting: asyncio.Task[None] | None = None
        self._callbacks: set[asyncio.Future[Any]] | None = None  # running coroutines of the user
        self._loop: asyncio.AbstractEventLoop | None = None  # that of the last `connect`
        self._connecting: set[asyncio.Task[Any] | None] = set()  # the tasks that open a connection
        self._handling: dict[asyncio.Task[Any] | None, BaseMessage] = {}  # task -> the message it handles
        self._calls_since_check = 0  # number of calls since the last check of the clock
        self._last_yield = 0.0  # when a task last yielded to the loop
        self._deadlines = Deadlines(self._options.clock)
        self._engine.resumed.add_callback(self._resume_reading)

    async def _connect(self, operation: Operation[None]) -> None:
        raise NotImplementedError

    async def _join_consumers(self, deadline: float) -> None:
        raise NotImplementedError

    # ------------------------------------------------------------------------------------- the event loop

    def _must_yield(self) -> bool:
        """Check the event loop, and return True if the caller has to call `_yield_to_loop` before its first step.

        Raises:
            UsageError: the client belongs to another loop.
        """
        if asyncio.get_running_loop() is not self._loop:
            self._check_loop()
        self._calls_since_check += 1
        return self._calls_since_check >= YIELD_CHECK_INTERVAL

    async def _yield_to_loop(self) -> None:
        """Yield to the loop if no task has done so for `MAX_BUSY_TIME`."""
        if self._options.clock() - self._last_yield >= MAX_BUSY_TIME:
            await asyncio.sleep(0)
            self._mark_yield()
        else:
            self._calls_since_check = 0

    def _mark_yield(self) -> None:
        self._calls_since_check = 0
        self._last_yield = self._options.clock()

    def _check_loop(self) -> None:
        """Check the event loop. Call this if the running loop is not that of the client.

        Raises:
            UsageError: the client belongs to another loop.
        """
        loop = self._loop
        if loop is None or self._engine.state.over:
            return
        which = "an event loop that is closed" if loop.is_closed() else "another event loop"
        raise UsageError(
            f"the client was connected on {which}, and works on that loop only",
            hint="make an AsyncClient for each event loop, and close it before its loop ends",
        )

    # ------------------------------------------------------------------------------------- effects

    def _step(self, operation: Operation[Any], answer: Any, failure: BaseException | None) -> Effect:
        """Run an operation up to its next effect, and call the callbacks. Raises StopIteration at its end."""
        try:
            return operation.send(answer) if failure is None else operation.throw(failure)
        finally:
            if self._engine.callbacks:
                self._run_callbacks(self._engine.pop_callbacks())

    async def _call_user(self, call: Call) -> Any:
        try:
            result = call.function()
            return await result if inspect.isawaitable(result) else result
        except Exception:
            if not call.guarded:
                raise
            log.exception("a callback failed")
            return None

    async def _wait(self, wait: Wait, *, connects: bool) -> bool:
        """Wait; `connects` if the operation opens a connection.

        Raises:
            UsageError: a user function that connecting waits for would wait for the connection.
        """
        if wait.predicate():
            return True
        if self._connecting and not connects and current() in self._connecting:
            raise UsageError(
                "this call waits for a connection, and was made by a function that connecting waits for",
                hint="do not use the client in login, passcode or headers",
            )
        loop = asyncio.get_running_loop()
        happened: asyncio.Future[bool] = loop.create_future()

        def check() -> None:
            if not happened.done() and wait.predicate():
                happened.set_result(True)

        wait.signal.add_callback(check)
        if wait.deadline is not None:
            self._deadlines.add(happened, wait.deadline, loop)
        try:
            return await happened or wait.predicate()
        finally:
            wait.signal.remove_callback(check)
            self._deadlines.remove(happened)
            self._mark_yield()

    async def _open_link(self, address: Address) -> AioLink:
        tls = self._settings.tls if address.transport in ("tls", "wss") else None
        link = await open_link(address, self._options, tls, self._new_session(), self._on_events)
        self._links = [*(old for old in self._links if old.is_open), link]
        return link

    # ------------------------------------------------------------------------------------- for links

    def _on_events(self, link: AioLink, events: list[Event]) -> None:
        """Process the events of a link."""
        engine = self._engine
        engine.process_events(link, events, self._options.clock())
        if engine.callbacks:
            self._run_callbacks(engine.pop_callbacks())
        if engine.needs_reconnect:
            engine.needs_reconnect = False
            operation = lifecycle.reconnect_gen(engine, self._options.random)
            self._reconnecting = asyncio.get_running_loop().create_task(self._connect(operation))
        if engine.reading_paused:
            link.pause()

    def _resume_reading(self) -> None:
        connection = self._engine.connection
        if connection is not None:
            cast("AioLink", connection.link).resume()

    # ------------------------------------------------------------------------------------- callbacks

    def _run_callbacks(self, callbacks: list[Callable[[], object]]) -> None:
        for callback in callbacks:
            self._call(callback)

    def _call(self, function: Callable[[], object]) -> Any:
        result = super()._call(function)
        if asyncio.iscoroutine(result):
            if self._callbacks is None:
                self._callbacks = set()
            task = asyncio.get_running_loop().create_task(_log_errors(result))
            self._callbacks.add(task)
            task.add_done_callback(self._callbacks.discard)
        return result

    # ------------------------------------------------------------------------------------- connecting and closing

    @contextlib.asynccontextmanager
    async def _opening(self) -> AsyncGenerator[None, None]:
        """Around `connect`: the client belongs to the running loop from now on."""
        if self._engine.state is ClientState.NEW or self._engine.state.over:
            self._loop = asyncio.get_running_loop()
        yield

    @contextlib.asynccontextmanager
    async def _joining(
        self, timeout: float | None, deadline: float | None = None
    ) -> AsyncGenerator[None, None]:
        """Around `close`: wait for the handlers then, until `deadline` or `timeout` seconds, and for the callbacks.

        It also waits for the sockets. A reconnect is cancelled.
        """
        try:
            yield
        finally:
            if self._engine.state.over:
                self._stop_connecting()
        # After an exception, such as a cancellation, there are no more waits.
        await self._join_consumers(self._deadline(timeout) if deadline is None else deadline)
        await self._wait_closed()

    def _stop_connecting(self) -> None:
        task = self._reconnecting
        # A function that the reconnect has called, for the credentials, may have closed the client. Then this is the
        # task itself, which ends without being cancelled.
        if task is not None and task is not asyncio.current_task() and not task.done():
            task.cancel()

    async def _wait_closed(self) -> None:
        """Wait until all sockets are closed, which is soon once the client has ended; then briefly for callbacks."""
        links, self._links = self._links, []
        for link in links:
            await link.wait_closed()
        task, self._reconnecting = self._reconnecting, None
        running: set[asyncio.Future[Any]] = {*(self._callbacks or ()), *([] if task is None else [task])}
        running.discard(cast("asyncio.Task[Any]", asyncio.current_task()))
        if running:
            await asyncio.wait(running, timeout=self._short_deadline())
        self._deadlines.end()

    @contextlib.contextmanager
    def _stop_signal(self, signals: Sequence[int]) -> Generator[asyncio.Event, None, None]:
        """Handle these signals meanwhile: they set the result, as does the end of the client."""
        stop = asyncio.Event()

        def check() -> None:
            if self._engine.state.over:
                stop.set()

        check()
        self._engine.state_changed.add_callback(check)
        try:
            with _handled(signals, stop.set):
                yield stop
        finally:
            self._engine.state_changed.remove_callback(check)


@contextlib.contextmanager
def _handled(signals: Sequence[int], stop: Callable[[], None]) -> Generator[None, None, None]:
    """Have the event loop call `stop` when one of these signals arrives."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in signals}
    try:
        try:
            for number in signals:
                loop.add_signal_handler(number, stop)
        except (RuntimeError, ValueError) as err:
            raise UsageError(
                f"run_forever cannot wait for signals here: {err}",
                hint="call it on the main thread, or drain",
            ) from err
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def _log_errors(coroutine: Coroutine[Any, Any, object]) -> None:
    try:
        await coroutine
    except Exception:
        log.exception("a callback failed")


async def call_handler(handler: Callable[[Any], object], message: BaseMessage) -> None:
    """Call the handler of a consumer, and await its result if that is awaitable."""
    result = handler(message)
    if inspect.isawaitable(result):
        await result


class Deadlines:
    """The deadlines of the waits of a client, with one timer of the event loop for all.

    Most waits end long before their deadline, and the next one has a later deadline: then nothing is set or cancelled.
    A timer for each wait took 8 us of a confirmed send.

    Args:
        clock: the client's clock.
    """

    __slots__ = ("_clock", "_due", "_loop", "_timer", "_waits")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waits: dict[asyncio.Future[bool], float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # that of the timer
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # the time for which the timer is set

    def add(self, wait: asyncio.Future[bool], deadline: float, loop: asyncio.AbstractEventLoop) -> None:
        """Set the result of `wait` to False at this time, unless it is removed before. `loop` is the running loop."""
        if loop is not self._loop:  # a client may be used again on another loop, when its first one has ended
            self._cancel_timer()
            self._loop, self._waits = loop, {}
        self._waits[wait] = deadline
        if self._timer is None or deadline < self._due:
            self._set(loop, deadline)

    def remove(self, wait: asyncio.Future[bool]) -> None:
        """Remove a wait, if it was added. The timer stays, for the next ones."""
        self._waits.pop(wait, None)

    def end(self) -> None:
        """The client has ended: cancel the timer, unless there are waits left."""
        if not self._waits:
            self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._cancel_timer()
        self._due = due
        self._timer = loop.call_later(max(0.0, due - self._clock()), self._run, loop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = self._clock()
        # In the order of their deadlines, also when the loop is late.
        for wait in sorted((w for w, due in self._waits.items() if due <= now), key=self._waits.__getitem__):
            del self._waits[wait]
            if not wait.done():
                wait.set_result(False)
        if self._waits:
            self._set(loop, min(self._waits.values()))


class Workers:
    """The tasks of a consumer.

    Args:
        work: the function that each of them runs.
        count: how many.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = {loop.create_task(work(), name=f"stomp-consumer-{n}") for n in range(count)}

    async def join(self, seconds: float) -> None:
        """Wait until the others have ended, and cancel those that are still running after this many seconds."""
        others = self._tasks - {asyncio.current_task()}
        if not others:
            return
        _, late = await asyncio.wait(others, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=seconds)
