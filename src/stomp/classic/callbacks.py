"""`ConnectionListener`: the callbacks of a listener, with defaults that do nothing.

Rule of this file: listeners that do something are in `stomp.classic.listeners`.
"""

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


def _noop(method: _F) -> _F:
    """Mark a default method, so that the dispatch can skip it.

    It takes any arguments, because subclasses call it with `(frame)` or `(headers, body)`.
    """

    @functools.wraps(method)
    def noop(self: Any, *args: Any, **kwargs: Any) -> None:
        pass

    # The marker is the function itself, so that a wrapper that copies the attributes does not count as marked.
    noop.is_noop_marker = noop  # type: ignore[attr-defined]
    return cast("_F", noop)


def in_either_shape(
    base: Callable[Concatenate[Any, _P], _R],
) -> Callable[[Callable[..., _R]], Callable[Concatenate[Any, _P], _R]]:
    """Mark a callback that accepts `(frame)`, and `(headers, body)` from subclasses in the old style.

    For type checkers it has the signature of `base`, so that subclasses may override it with `(self, frame)`.
    """
    return lambda method: method


class Waiter:
    """Base of listeners that wait for a frame. Waiting on the thread that calls the listeners is an error."""

    _callback_threads: tuple[Callable[[], bool], ...] = ()

    def add_callback_thread(self, is_callback_thread: Callable[[], bool]) -> None:
        """Register a connection of which this is a listener.

        Args:
            is_callback_thread: returns True on a thread that calls the listeners of that connection.
        """
        if is_callback_thread not in self._callback_threads:
            self._callback_threads = (*self._callback_threads, is_callback_thread)

    def _check_thread(self) -> None:
        """Check that waiting is possible on this thread.

        Raises:
            UsageError: this is a callback of the connection, which cannot dispatch the next frame before it returns.
        """
        checks = self._callback_threads
        if checks and all(is_callback_thread() for is_callback_thread in checks):
            raise UsageError(
                "a callback waits for a frame of its own connection, which is dispatched only after it returns",
                hint="wait on another thread, or continue in on_receipt or on_message",
            )


class Publisher:
    """An object with listeners."""

    def get_listener(self, name: str) -> Any:
        """The listener with that name, or None."""
        return None

    def remove_listener(self, name: str) -> None:
        """Remove the listener with that name."""

    def set_listener(self, name: str, listener: Any) -> None:
        """Add a listener, or replace the one with that name."""


class ConnectionListener:
    """The methods of a listener. Override the ones you need.

    Methods that take a `frame` (see `stomp.utils.Frame`) may also be written with `(self, headers, body)`.
    The order for one connection is: on_connecting, on_connected, then frames and heart-beats as they arrive. At the
    end: on_disconnecting if `disconnect` was called, on_heartbeat_timeout if that was the reason, on_disconnected,
    on_receiver_loop_completed.
    """

    @_noop
    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """The socket is open; CONNECT is not sent yet. Called on the thread that connects."""

    @_noop
    def on_connected(self, frame: Frame) -> None:
        """The broker sent CONNECTED; the login was accepted."""

    @_noop
    def on_disconnecting(self) -> None:
        """`disconnect` was called; DISCONNECT is not sent yet. Called on the thread that called `disconnect`."""

    @_noop
    def on_disconnected(self) -> None:
        """The connection has ended. Called exactly once for each connection. `connect` may be called here."""

    @_noop
    def on_heartbeat_timeout(self) -> None:
        """No data was received within the heart-beat timeout. on_disconnected follows."""

    @_noop
    def on_before_message(self, frame: Frame) -> Any:
        """A MESSAGE was received. Called on all listeners before on_message; may change the frame."""

    @_noop
    def on_message(self, frame: Frame) -> None:
        """A MESSAGE was received."""

    @_noop
    def on_receipt(self, frame: Frame) -> None:
        """A RECEIPT was received."""

    @_noop
    def on_error(self, frame: Frame) -> None:
        """An ERROR was received. If the broker closes the connection, on_disconnected follows."""

    @_noop
    def on_send(self, frame: Frame) -> None:
        """A frame is about to be sent; may change its headers. Called on the thread that sends.

        For a heart-beat, which was sent already, `frame.cmd` is None.
        """

    @_noop
    def on_heartbeat(self) -> None:
        """A heart-beat was received."""

    @_noop
    def on_receiver_loop_completed(self, frame: Frame | None) -> None:
        """The receiving thread of a connection ends; the frame is None."""


def unpack(frame_or_headers: Any, body: Any) -> tuple[Any, Any]:
    """Headers and body, from the arguments of a callback in either style."""
    if body is MISSING:
        return frame_or_headers.headers, frame_or_headers.body
    return frame_or_headers, body


#: The default of `body`: the callback was called with a frame. Ellipsis cannot be a body.
MISSING: Any = ...


#: The default of `ConnectionListener.on_send`, which does nothing. A wrapper that replaces it is another function.
NO_ON_SEND: object = vars(ConnectionListener)["on_send"]
