"""`Hooks`: the interface by which metrics, tracing and logging follow what a client does."""

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
    """Methods that are called on the events of a client. Subclass it and pass instances as ``hooks=[...]``.

    By default every method does nothing.

    `sending` is called by the thread that sends, `processing` by the one that handles the message, all others
    in order on the callback thread of a `Client`, or on the event loop of an `AsyncClient`. No lock is held,
    and any method of the client may be called. With `AsyncClient` all but `processing` may be coroutine
    functions. An exception in a method is logged and has no other effect.
    """

    def sending(self, frame: Frame) -> Callable[[StompError | None], object] | None:
        """Called before a SEND, by the thread that sends. Headers may be added to the frame.

        If the frame could not be sent after all, this is called again for the next attempt.

        Returns:
            None, or a callback for the outcome. Its argument is None on success, else the error. For a send
            without confirmation, the sending thread calls it when the frame was passed to the connection. For
            a confirmed send, it is called when the outcome is known, on the callback thread (`Client`) or the
            event loop.
        """
        return None

    def received(self, message: BaseMessage) -> None:
        """Called when a message has arrived and is queued for the program."""

    def processing(self, message: BaseMessage) -> AbstractContextManager[object]:
        """Return a context manager, in which ``with message:`` or a handler handles the message."""
        return _NOTHING

    def settled(self, message: BaseMessage, how: str) -> None:
        """Called when a message was settled; `how` is "ack" or "nack"."""

    def error(self, frame: Frame) -> None:
        """Called when the broker has sent an ERROR frame."""

    def state_changed(self, change: StateChange) -> None:
        """Called when the state of the client has changed."""
