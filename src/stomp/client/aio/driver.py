"""The driver of `stomp.AsyncClient`: runs the operations of the core, and awaits their effects.

Rules of this file:

- Everything runs on one event loop, so the steps of an operation need no lock.
- When a method is cancelled while it waits, the exception is thrown into the operation there, so that it can clean up.
- Methods that never wait yield to the loop from time to time, before their first step. Never after their last one,
  where a cancellation would lose the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from stomp.client.aio.link import AioLink, open_link
from stomp.client.base import BaseClient, log
from stomp.core.engine import lifecycle
from stomp.core.engine.effects import (
    Call,
    CloseConnection,
    Effect,
    Now,
    OpenConnection,
    Operation,
    SendFrame,
    Wait,
)
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from stomp.client.config import ResolvedConfig
    from stomp.core.engine.message import BaseMessage
    from stomp.core.session.events import Event

_T = TypeVar("_T")
#: Seconds that a task may run without yielding to the loop, if its calls do not wait.
MAX_BUSY_TIME = 0.002
#: Number of calls between two checks of the clock.
LOOK = 16


class AsyncDriver(BaseClient):
    """Runs operations by awaiting their effects: see the module."""

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
        self._verbs = 0  # number of calls since the last check of the clock
        self._since = 0.0  # when a task last yielded to the loop
        self._engine.resumed.add_callback(self._read_on)

    async def _connect(self, program: Operation[None]) -> None:
        """Run an operation that opens a connection. User functions that it calls cannot wait for that connection."""
        task = asyncio.current_task()
        self._connecting.add(task)
        try:
            await self._run(program, connects=True)
        finally:
            self._connecting.discard(task)

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

    async def _run(self, program: Operation[_T], *, connects: bool = False) -> _T:
        """Run an operation.

        Args:
            program: the operation.
            connects: the operation opens a connection: see `_connect`.
        """
        if asyncio.get_running_loop() is not self._loop:
            self._check_loop()
        self._verbs += 1
        if self._verbs >= LOOK:
            await self._yield_to_loop()
        engine = self._engine
        answer: Any = None
        failure: BaseException | None = None
        try:
            while True:
                try:
                    effect = program.send(answer) if failure is None else program.throw(failure)
                finally:
                    if calls := engine.pop_callbacks():
                        self._make(calls)
                answer = failure = None
                try:
                    if type(effect) is SendFrame:
                        engine.recorder.note(">", effect.frame)
                        link = cast("AioLink", effect.link)
                        link.transmit(effect.frame, deadline=effect.deadline, may_delay=effect.may_delay)
                        if link.full:
                            await link.room()
                    elif type(effect) is Now:
                        answer = self._options.clock()
                    else:
                        answer = await self._perform(effect, connects)
                except BaseException as err:
                    failure = err
        except StopIteration as stop:
            result: _T = stop.value
            return result
        finally:
            failure = None  # its traceback refers to this frame: break the reference cycle

    async def _perform(self, effect: Effect, connects: bool) -> Any:
        if isinstance(effect, Wait):
            if effect.predicate():
                return True
            if not connects and asyncio.current_task() in self._connecting:
                raise UsageError(
                    "this call waits for a connection, and was made by a function that connecting waits for",
                    hint="do not use the client in login, passcode or headers",
                )
            return await self._wait(effect)
        if isinstance(effect, Call):
            return await self._ask(effect)
        if isinstance(effect, OpenConnection):
            return await self._dial(effect.address)
        assert isinstance(effect, CloseConnection)
        return effect.link.close(effect.error)

    async def _ask(self, call: Call) -> Any:
        try:
            result = call.function()
            return await result if inspect.isawaitable(result) else result
        except Exception:
            if not call.guarded:
                raise
            log.exception("a callback failed")
            return None

    async def _wait(self, wait: Wait) -> bool:
        loop = asyncio.get_running_loop()
        happened: asyncio.Future[bool] = loop.create_future()

        def look() -> None:
            if not happened.done() and wait.predicate():
                happened.set_result(True)

        def give_up() -> None:
            if not happened.done():
                happened.set_result(wait.predicate())

        wait.signal.add_callback(look)
        timer = None
        if wait.deadline is not None:
            timer = loop.call_later(max(0.0, wait.deadline - self._options.clock()), give_up)
        try:
            return await happened
        finally:
            wait.signal.remove_callback(look)
            if timer is not None:
                timer.cancel()
            self._mark_yield()

    async def _yield_to_loop(self) -> None:
        """Yield to the loop if no task has done so for `MAX_BUSY_TIME`."""
        if self._options.clock() - self._since >= MAX_BUSY_TIME:
            await asyncio.sleep(0)
            self._mark_yield()
        else:
            self._verbs = 0

    def _mark_yield(self) -> None:
        self._verbs = 0
        self._since = self._options.clock()

    async def _dial(self, address: Any) -> AioLink:
        tls = self._settings.tls if address.transport in ("tls", "wss") else None
        link = await open_link(address, self._options, tls, self._new_session(), self._take)
        self._links = [*(old for old in self._links if old.open), link]
        return link

    # ------------------------------------------------------------------------------------- for links

    def _take(self, link: AioLink, events: list[Event]) -> None:
        """Process the events of a link."""
        engine = self._engine
        engine.process_events(link, events, self._options.clock())
        self._make(engine.pop_callbacks())
        if engine.needs_reconnect:
            engine.needs_reconnect = False
            program = lifecycle.reconnect_gen(engine, self._options.random)
            self._reconnecting = asyncio.get_running_loop().create_task(self._connect(program))
        if engine.reading_paused:
            link.pause()

    def _read_on(self) -> None:
        connection = self._engine.connection
        if connection is not None:
            cast("AioLink", connection.link).resume()

    def _make(self, calls: list[Callable[[], object]]) -> None:
        for call in calls:
            self._call(call)

    def _call(self, function: Callable[[], object]) -> Any:
        result = super()._call(function)
        if inspect.iscoroutine(result):
            if self._callbacks is None:
                self._callbacks = set()
            task = asyncio.get_running_loop().create_task(_guarded(result))
            self._callbacks.add(task)
            task.add_done_callback(self._callbacks.discard)
        return result

    # ------------------------------------------------------------------------------------- the end

    def _stop_connecting(self) -> None:
        """The client has ended: cancel a reconnect."""
        task = self._reconnecting
        # A function that the reconnect has called, for the credentials, may have closed the client. Then this is the
        # task itself, which ends without being cancelled.
        if task is not None and task is not asyncio.current_task() and not task.done():
            task.cancel()

    async def _part(self) -> None:
        """Wait until all sockets are closed, which is soon once the client has ended; then briefly for callbacks."""
        links, self._links = self._links, []
        for link in links:
            await link.gone()
        task, self._reconnecting = self._reconnecting, None
        at_work: set[asyncio.Future[Any]] = {*(self._callbacks or ()), *([] if task is None else [task])}
        at_work.discard(cast("asyncio.Task[Any]", asyncio.current_task()))
        if at_work:
            await asyncio.wait(at_work, timeout=self._short_deadline())


async def _guarded(coroutine: Any) -> None:
    try:
        await coroutine
    except Exception:
        log.exception("a callback failed")
