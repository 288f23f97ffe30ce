"""What a listener is: the callbacks, with defaults that do nothing. `stomp.listener` has those that do something."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.utils import Frame

_F = TypeVar("_F", bound="Callable[..., Any]")
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _does_nothing(method: _F) -> _F:
    """Mark a default, so that no time is spent on calling it.

    It takes any arguments, since subclasses call it with those of their own time: `(frame)` or `(headers, body)`.
    """

    @functools.wraps(method)
    def nothing(self: Any, *args: Any, **kwargs: Any) -> None:
        pass

    # Itself, so that a wrapper that copies attributes is not taken for it.
    nothing.is_noop_marker = nothing  # type: ignore[attr-defined]
    return cast("_F", nothing)


def in_either_shape(
    base: Callable[Concatenate[Any, _P], _R],
) -> Callable[[Callable[..., _R]], Callable[Concatenate[Any, _P], _R]]:
    """Mark a callback that takes `(frame)`, and `(headers, body)` from subclasses that are written so.

    Type checkers take it for one like that of `base`, so that subclasses may override it with `(self, frame)`.
    """
    return lambda method: method


class Waiter:
    """What waits for something that a connection receives: not on the thread that calls the listeners."""

    _callback_threads: tuple[Callable[[], bool], ...] = ()

    def add_callback_thread(self, is_callback_thread: Callable[[], bool]) -> None:
        """It was set as a listener of a connection.

        Args:
            is_callback_thread: tells whether this thread calls the listeners of that connection.
        """
        if is_callback_thread not in self._callback_threads:
            self._callback_threads = (*self._callback_threads, is_callback_thread)

    def _check_thread(self) -> None:
        """Raise instead of waiting in vain.

        Raises:
            UsageError: it is called by a callback of the connection that would have to receive meanwhile.
        """
        asked = self._callback_threads
        if asked and all(is_callback_thread() for is_callback_thread in asked):
            raise UsageError(
                "a callback waits for what its own connection receives, which cannot come before it returns",
                hint="wait on another thread, or let on_receipt or on_message go on with the work",
            )


class Publisher:
    """Something that listeners can be set on."""

    def get_listener(self, name: str) -> Any:
        """The listener of that name, or None."""
        return None

    def remove_listener(self, name: str) -> None:
        """Remove the listener of that name."""

    def set_listener(self, name: str, listener: Any) -> None:
        """Add a listener, or replace the one of that name."""


class ConnectionListener:
    """The methods of a listener. Override those you want.

    Those that take a `frame` (see `stomp.utils.Frame`) may also be written with `(self, headers, body)`.
    The order for one connection is: on_connecting, on_connected, then frames and heart-beats as they come,
    at its end on_disconnecting if it was ours, on_heartbeat_timeout if that was why, on_disconnected,
    on_receiver_loop_completed.
    """

    @_does_nothing
    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """The socket is open; CONNECT was not sent yet. Called on the thread that connects."""

    @_does_nothing
    def on_connected(self, frame: Frame) -> None:
        """The broker has let us in: its CONNECTED frame."""

    @_does_nothing
    def on_disconnecting(self) -> None:
        """`disconnect` was called; DISCONNECT was not sent yet. Called on that thread."""

    @_does_nothing
    def on_disconnected(self) -> None:
        """The connection is over, for whatever reason. Exactly once for each. `connect` may be called here."""

    @_does_nothing
    def on_heartbeat_timeout(self) -> None:
        """The broker was silent for too long; on_disconnected follows."""

    @_does_nothing
    def on_before_message(self, frame: Frame) -> Any:
        """A MESSAGE came. Called on all listeners before on_message; may change the frame."""

    @_does_nothing
    def on_message(self, frame: Frame) -> None:
        """A MESSAGE came."""

    @_does_nothing
    def on_receipt(self, frame: Frame) -> None:
        """A RECEIPT came."""

    @_does_nothing
    def on_error(self, frame: Frame) -> None:
        """An ERROR came. The broker may close the connection now; on_disconnected tells."""

    @_does_nothing
    def on_send(self, frame: Frame) -> None:
        """A frame is about to be sent; may change its headers. Called on the thread that sends.

        For a heart-beat, which has gone out then, `frame.cmd` is None.
        """

    @_does_nothing
    def on_heartbeat(self) -> None:
        """The broker sent a heart-beat."""

    @_does_nothing
    def on_receiver_loop_completed(self, frame: Frame | None) -> None:
        """The receiving thread of a connection ends; the frame is None."""


def unpack(frame_or_headers: Any, body: Any) -> tuple[Any, Any]:
    """Headers and body, from either shape of a callback."""
    if body is MISSING:
        return frame_or_headers.headers, frame_or_headers.body
    return frame_or_headers, body


#: Tells a callback that it was called in the new shape. Ellipsis cannot be a body.
MISSING: Any = ...
