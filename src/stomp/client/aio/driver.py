"""The driver of `stomp.AsyncClient`: runs the operations of the core, and performs their effects.

Rules of this file:

- A step of an operation changes the engine, and does not wait. Effects are performed between the steps.
- An exception of an effect, also a cancellation or Ctrl-C, is thrown into the operation there, so that it can clean up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from stomp.client.aio.link import AioLink
from stomp.client.aio.waiting import AsyncWaiting, current
from stomp.core.engine.effects import Call, CloseConnection, Now, OpenConnection, SendFrame, Wait
from stomp.core.errors import ConnectionLost, NotConnected

if TYPE_CHECKING:
    from stomp.core.engine.effects import Effect, Operation
    from stomp.core.engine.send import OutgoingMessage

_T = TypeVar("_T")


class AsyncDriver(AsyncWaiting):
    """Runs operations: see the module."""

    async def _run(self, operation: Operation[_T], *, connects: bool = False) -> _T:
        """Run an operation.

        Args:
            operation: the operation.
            connects: the operation opens a connection: see `_connect`.
        """
        if True:  # ASYNC
            if self._must_yield():
                await self._yield_to_loop()
        answer: Any = None
        failure: BaseException | None = None
        try:
            while True:
                effect = self._step(operation, answer, failure)
                answer = failure = None
                try:
                    if type(effect) is SendFrame:
                        self._engine.recorder.note(">", effect.frame)
                        effect.link.transmit(
                            effect.frame, deadline=effect.deadline, may_delay=effect.may_delay
                        )
                        if True:  # ASYNC
                            if isinstance(effect.link, AioLink) and effect.link.write_paused:
                                await effect.link.wait_writable()
                    elif type(effect) is Wait:
                        answer = await self._wait(effect, connects=connects)
                    else:
                        answer = await self._perform(effect)
                except BaseException as err:
                    failure = err
        except StopIteration as stop:
            result: _T = stop.value
            return result
        finally:
            failure = None  # its traceback refers to this frame: break the reference cycle

    async def _connect(self, operation: Operation[None]) -> None:
        """Run an operation that opens a connection. User functions that it calls cannot wait for that connection."""
        caller = current()
        self._connecting.add(caller)
        try:
            await self._run(operation, connects=True)
        finally:
            self._connecting.discard(caller)

    async def _try_now(self, outgoing: OutgoingMessage) -> bool:
        """Send without an operation, if that needs no waiting and there are no hooks: it takes half of the time.

        Returns:
            False if nothing was sent.

        Raises:
            ConnectionLost: the connection was lost meanwhile; the outcome is unknown.
        """
        if True:  # ASYNC
            if self._must_yield():
                await self._yield_to_loop()
        engine = self._engine
        connection = engine.ready_connection
        if connection is None or engine.config.hooks:
            return False
        frame = outgoing.frame(connection)
        engine.recorder.note(">", frame)
        try:
            connection.link.transmit(frame)
            if True:  # ASYNC
                if isinstance(connection.link, AioLink) and connection.link.write_paused:
                    await connection.link.wait_writable()
        except ConnectionLost:
            raise
        except NotConnected:
            return False  # the session was closed, but the engine has not processed that yet
        return True

    async def _perform(self, effect: Effect) -> Any:
        """Perform an effect other than SendFrame and Wait."""
        if isinstance(effect, Now):
            return self._options.clock()
        if isinstance(effect, Call):
            return await self._call_user(effect)
        if isinstance(effect, OpenConnection):
            return await self._open_link(effect.address)
        assert isinstance(effect, CloseConnection)
        return effect.link.close(effect.error)
