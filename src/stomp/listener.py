"""Listeners: objects whose methods are called when something happens on a connection.

Any object will do; the methods it does not have are not called. `ConnectionListener` lists them all.
A callback runs on the thread that receives, in order, and holds no lock: it may call anything of the
connection. While it runs, heart-beats go on.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from stomp.core.errors import ReceiptMissing
from stomp.utils import clean_headers

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("stomp.py")

_F = TypeVar("_F", bound="Callable[..., Any]")


def _does_nothing(method: _F) -> _F:
    """Mark a default, so that no time is spent on calling it."""
    method.does_nothing = True  # type: ignore[attr-defined]
    return method


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
    def on_connected(self, frame: Any) -> None:
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
    def on_before_message(self, frame: Any) -> Any:
        """A MESSAGE came. Called on all listeners before on_message; may change the frame."""

    @_does_nothing
    def on_message(self, frame: Any) -> None:
        """A MESSAGE came."""

    @_does_nothing
    def on_receipt(self, frame: Any) -> None:
        """A RECEIPT came."""

    @_does_nothing
    def on_error(self, frame: Any) -> None:
        """An ERROR came. The broker may close the connection now; on_disconnected tells."""

    @_does_nothing
    def on_send(self, frame: Any) -> None:
        """A frame is about to be sent; may change its headers. Called on the thread that sends.

        For a heart-beat, which has gone out then, `frame.cmd` is None.
        """

    @_does_nothing
    def on_heartbeat(self) -> None:
        """The broker sent a heart-beat."""

    @_does_nothing
    def on_receiver_loop_completed(self, frame: Any) -> None:
        """The receiving thread of a connection ends; the frame is None."""


def _unpack(frame_or_headers: Any, body: Any) -> tuple[Any, Any]:
    """Headers and body, from either shape of a callback."""
    if body is _MISSING:
        return frame_or_headers.headers, frame_or_headers.body
    return frame_or_headers, body


#: Tells a callback that it was called in the new shape. Ellipsis cannot be a body.
_MISSING: Any = ...


class WaitingListener(ConnectionListener):
    """Waits for the RECEIPT of one frame, or for the end of the connection.

    >>> listener = WaitingListener("my-receipt")  # doctest: +SKIP
    >>> conn.set_listener("waiting", listener)  # doctest: +SKIP
    >>> conn.send("/queue/a", "x", receipt="my-receipt")
    ... listener.wait_on_receipt()  # doctest: +SKIP
    """

    def __init__(self, receipt: object) -> None:
        self.receipt = receipt
        self.received = False
        self.disconnected = False
        self.receipt_condition = threading.Condition()
        self.disconnect_condition = threading.Condition()

    def on_receipt(self, frame: Any, body: Any = _MISSING) -> None:
        """Note the receipt, if it is the one."""
        headers, _ = _unpack(frame, body)
        if headers.get("receipt-id") == str(self.receipt):
            with self.receipt_condition:
                self.received = True
                self.receipt_condition.notify_all()

    def on_disconnected(self) -> None:
        """Note the end; nobody waits for a receipt any longer."""
        with self.receipt_condition:
            self.disconnected = True
            self.receipt_condition.notify_all()
        with self.disconnect_condition:
            self.disconnect_condition.notify_all()

    def wait_on_receipt(self, timeout: float = 60.0) -> None:
        """Wait for the receipt, at most `timeout` seconds.

        Raises:
            ReceiptMissing: time is up, or the connection ended first. The outcome is unknown.
        """
        with self.receipt_condition:
            self.receipt_condition.wait_for(lambda: self.received or self.disconnected, timeout)
            received, self.received = self.received, False
        if not received:
            why = "the connection ended" if self.disconnected else f"{timeout:g} s have passed"
            raise ReceiptMissing(f"no receipt {self.receipt!r}: {why}", receipt=str(self.receipt))

    def wait_on_disconnected(self, timeout: float = 60.0) -> None:
        """Wait for the end of the connection, at most `timeout` seconds."""
        with self.disconnect_condition:
            self.disconnect_condition.wait_for(lambda: self.disconnected, timeout)


class StatsListener(ConnectionListener):
    """Counts what happens. `str()` of it is a table."""

    def __init__(self) -> None:
        self.errors = 0
        self.connections = 0
        self.disconnects = 0
        self.messages = 0
        self.messages_sent = 0
        self.heartbeat_timeouts = 0
        self.heartbeat_count = 0

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """Count."""
        self.connections += 1
        log.info("connecting %s %s (x %s)", host_and_port[0], host_and_port[1], self.connections)

    def on_disconnected(self) -> None:
        """Count."""
        self.disconnects += 1
        log.info("disconnected (x %s)", self.disconnects)

    def on_error(self, frame: Any, body: Any = _MISSING) -> None:
        """Count."""
        self.errors += 1
        log.info("received an error (x %s)", self.errors)

    def on_message(self, frame: Any, body: Any = _MISSING) -> None:
        """Count."""
        self.messages += 1

    def on_send(self, frame: Any) -> None:
        """Count. Every frame counts, heart-beats too."""
        self.messages_sent += 1

    def on_heartbeat(self) -> None:
        """Count."""
        self.heartbeat_count += 1

    def on_heartbeat_timeout(self) -> None:
        """Count."""
        self.heartbeat_timeouts += 1
        log.debug("received heartbeat timeout")

    def __str__(self) -> str:
        return (
            f"Connections: {self.connections}\n"
            f"Disconnects: {self.disconnects}\n"
            f"Messages sent: {self.messages_sent}\n"
            f"Messages received: {self.messages}\n"
            f"Heartbeats received: {self.heartbeat_count}\n"
            f"Errors: {self.errors}"
        )


class PrintingListener(ConnectionListener):
    """Prints one line for each callback, to standard output or to the log. Credentials are masked."""

    def __init__(self, print_to_log: bool = False) -> None:
        self.print_to_log = print_to_log

    def __print(self, text: str) -> None:
        if self.print_to_log:
            log.info("%s", text)
        else:
            # One write for the line and its end: the thread that sends prints, too, and lines must not mix.
            print(text + "\n", end="", file=sys.stdout, flush=True)

    def __frame(self, method: str, frame: Any, body: Any) -> None:
        headers, body = _unpack(frame, body)
        self.__print(f"{method} {clean_headers(headers)} {body if body is not None else ''}")

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """Print."""
        self.__print(f"on_connecting {host_and_port[0]} {host_and_port[1]}")

    def on_connected(self, frame: Any, body: Any = _MISSING) -> None:
        """Print."""
        self.__frame("on_connected", frame, body)

    def on_disconnecting(self) -> None:
        """Print nothing: the DISCONNECT that follows is printed."""

    def on_disconnected(self) -> None:
        """Print."""
        self.__print("on_disconnected")

    def on_heartbeat_timeout(self) -> None:
        """Print."""
        self.__print("on_heartbeat_timeout")

    def on_before_message(self, frame: Any, body: Any = _MISSING) -> Any:
        """Print."""
        self.__frame("on_before_message", frame, body)
        return frame if body is _MISSING else (frame, body)

    def on_message(self, frame: Any, body: Any = _MISSING) -> None:
        """Print."""
        self.__frame("on_message", frame, body)

    def on_receipt(self, frame: Any, body: Any = _MISSING) -> None:
        """Print."""
        self.__frame("on_receipt", frame, body)

    def on_error(self, frame: Any, body: Any = _MISSING) -> None:
        """Print."""
        self.__frame("on_error", frame, body)

    def on_send(self, frame: Any) -> None:
        """Print."""
        self.__print(f"on_send {frame.cmd} {clean_headers(frame.headers)} {frame.body}")

    def on_heartbeat(self) -> None:
        """Print."""
        self.__print("on_heartbeat")
