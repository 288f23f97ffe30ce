"""What may be told to somebody else as it happens: the interface for metrics, tracing and logs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.status import StateChange
    from stomp.core.errors import StompError
    from stomp.core.frames.frame import Frame

_NOTHING: AbstractContextManager[object] = nullcontext()


class Hooks:
    """Told what a client does. Subclass it and give it as ``hooks=[...]``; every method does nothing by itself.

    `sending` is called by the thread that sends, `processing` by the one that handles the message, all others in order
    on the callback thread of a `Client`, or on the event loop of an `AsyncClient`. No lock is held, and any verb of the
    client may be called. With `AsyncClient` all but `processing` may be coroutine functions. An exception in a method
    is logged and changes nothing.
    """

    def sending(self, frame: Frame) -> Callable[[StompError | None], object] | None:
        """A SEND was asked for; headers may be added to the frame. Called by the thread that sends.

        Returns:
            None, or what is to be called with the outcome: with None when the frame was handed over, by the thread
            that sends, or, where that was asked for, confirmed, on the callback thread; else with the error.
        """
        return None

    def received(self, message: BaseMessage) -> None:
        """A message arrived and waits to be taken."""

    def processing(self, message: BaseMessage) -> AbstractContextManager[object]:
        """A context in which the message is handled: that of ``with message:``, or of a handler."""
        return _NOTHING

    def settled(self, message: BaseMessage, how: str) -> None:
        """A message was settled: "ack" or "nack"."""

    def error(self, frame: Frame) -> None:
        """The broker sent an ERROR."""

    def state_changed(self, change: StateChange) -> None:
        """The client connects, is connected, has lost its connection ..."""
