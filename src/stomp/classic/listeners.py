"""The listeners that are ready to use: `WaitingListener`, `StatsListener`, `PrintingListener` and `TestListener`.

`stomp.listener` has their public names. `stomp.classic.callbacks` has the methods of a listener.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from stomp import log
from stomp.classic.callbacks import MISSING, ConnectionListener, Waiter, in_either_shape, unpack
from stomp.client.logging import RepeatLog, connections
from stomp.core.diagnostics import one_line
from stomp.core.errors import ReceiptMissing, StompError
from stomp.core.frames.frame import text_of
from stomp.utils import clean_headers, encode

if TYPE_CHECKING:
    from stomp.utils import Frame

#: Longest line, in characters, of a `PrintingListener` that prints to the log.
_LOGGED = 4000


class WaitingListener(ConnectionListener, Waiter):
    """Waits for the RECEIPT of one frame, or for the end of the connection.

    >>> listener = WaitingListener("my-receipt")  # doctest: +SKIP
    >>> conn.set_listener("waiting", listener)  # doctest: +SKIP
    >>> conn.send("/queue/a", "x", receipt="my-receipt")
    ... listener.wait_on_receipt()  # doctest: +SKIP
    """

    def __init__(self, receipt: object) -> None:
        self.receipt = receipt
        self.received: bool = False
        self.disconnected: bool = False
        self.receipt_condition: threading.Condition = threading.Condition()
        self.disconnect_condition: threading.Condition = threading.Condition()
        # `disconnected` stays True, for later calls of `wait_on_disconnected`; this is about the current connection.
        self._ended = False

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """A new connection: the receipt may arrive on it."""
        self._ended = False

    @in_either_shape(ConnectionListener.on_receipt)
    def on_receipt(self, frame: Any, body: Any = MISSING) -> None:
        """Wake the waiting thread, if this is the expected receipt."""
        headers, _ = unpack(frame, body)
        if headers.get("receipt-id") == text_of(self.receipt):
            with self.receipt_condition:
                self.received = True
                self.receipt_condition.notify_all()

    def on_disconnected(self) -> None:
        """Wake the waiting threads: no receipt can arrive any more."""
        with self.receipt_condition:
            self.disconnected = self._ended = True
            self.receipt_condition.notify_all()
        with self.disconnect_condition:
            self.disconnect_condition.notify_all()

    def wait_on_receipt(self, timeout: float = 60.0) -> None:
        """Wait for the receipt, at most `timeout` seconds.

        Raises:
            ReceiptMissing: the timeout has passed, or the connection ended first. The outcome is unknown.
            UsageError: it was called by a callback of this connection, where the receipt could never arrive.
        """
        with self.receipt_condition:
            if not (self.received or self._ended):
                self._check_thread()
            self.receipt_condition.wait_for(lambda: self.received or self._ended, timeout)
            received, self.received = self.received, False
        if not received:
            why = "the connection ended" if self._ended else f"{timeout:g} s have passed"
            raise ReceiptMissing(f"no receipt {self.receipt!r}: {why}", receipt=str(self.receipt))

    def wait_on_disconnected(self, timeout: float = 60.0) -> None:
        """Wait for the end of the connection, at most `timeout` seconds.

        Raises:
            UsageError: it was called by a callback of this connection, where the end could never be reported.
        """
        with self.disconnect_condition:
            if not self.disconnected:
                self._check_thread()
            self.disconnect_condition.wait_for(lambda: self.disconnected, timeout)


class StatsListener(ConnectionListener):
    """Counts events. `str()` of it is a table of the counts."""

    def __init__(self) -> None:
        self.errors: int = 0
        self.connections: int = 0
        self.disconnects: int = 0
        self.messages: int = 0
        self.messages_sent: int = 0
        self.heartbeat_timeouts: int = 0
        self.heartbeat_count: int = 0
        self.__lines = RepeatLog(connections)  # rate-limited: a broker may send many ERROR frames

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """Count."""
        self.connections += 1
        self.__lines.info("connecting %s %s (x %s)", host_and_port[0], host_and_port[1], self.connections)

    def on_disconnected(self) -> None:
        """Count."""
        self.disconnects += 1
        self.__lines.flush()
        self.__lines.info("disconnected (x %s)", self.disconnects)

    @in_either_shape(ConnectionListener.on_error)
    def on_error(self, frame: Any, body: Any = MISSING) -> None:
        """Count."""
        self.errors += 1
        self.__lines.info("received an error (x %s)", self.errors)

    @in_either_shape(ConnectionListener.on_message)
    def on_message(self, frame: Any, body: Any = MISSING) -> None:
        """Count."""
        self.messages += 1

    def on_send(self, frame: Frame) -> None:
        """Count. Every frame is counted, heart-beats too."""
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
            # A log record is one line, also if the body has several; print() shows them as stomp.py does.
            log.info("%s", one_line(text, _LOGGED))
        else:
            # One write for the text and the newline: sending threads print, too, and lines must not be mixed.
            print(text + "\n", end="", file=sys.stdout, flush=True)

    def __frame(self, method: str, frame: Any, body: Any) -> None:
        headers, body = unpack(frame, body)
        self.__print(f"{method} {clean_headers(headers)} {body if body is not None else ''}")

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """Print."""
        self.__print(f"on_connecting {host_and_port[0]} {host_and_port[1]}")

    @in_either_shape(ConnectionListener.on_connected)
    def on_connected(self, frame: Any, body: Any = MISSING) -> None:
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

    @in_either_shape(ConnectionListener.on_before_message)
    def on_before_message(self, frame: Any, body: Any = MISSING) -> Any:
        """Print."""
        self.__frame("on_before_message", frame, body)
        return frame if body is MISSING else (frame, body)

    @in_either_shape(ConnectionListener.on_message)
    def on_message(self, frame: Any, body: Any = MISSING) -> None:
        """Print."""
        self.__frame("on_message", frame, body)

    @in_either_shape(ConnectionListener.on_receipt)
    def on_receipt(self, frame: Any, body: Any = MISSING) -> None:
        """Print."""
        self.__frame("on_receipt", frame, body)

    @in_either_shape(ConnectionListener.on_error)
    def on_error(self, frame: Any, body: Any = MISSING) -> None:
        """Print."""
        self.__frame("on_error", frame, body)

    def on_send(self, frame: Frame) -> None:
        """Print."""
        # Text is printed as the bytes that are sent, as in the documentation of stomp.py.
        body: object = encode(frame.body) if isinstance(frame.body, str) and frame.body else frame.body
        self.__print(f"on_send {frame.cmd} {clean_headers(frame.headers)} {body}")

    def on_heartbeat(self) -> None:
        """Print."""
        self.__print("on_heartbeat")


#: The same classes without types, for calls with a frame or with (headers, body).
_STATS: Any = StatsListener
_WAITING: Any = WaitingListener
_PRINTING: Any = PrintingListener


class TestListener(StatsListener, WaitingListener, PrintingListener):
    """All of these listeners in one, for tests: counts, prints, keeps the messages, and can wait for the next event.

    Args:
        receipt: the receipt id for `wait_on_receipt`.
        print_to_log: print to the log instead of standard output.
    """

    __test__ = False  # for pytest: this is no test

    def __init__(self, receipt: object = None, print_to_log: bool = False) -> None:
        StatsListener.__init__(self)
        WaitingListener.__init__(self, receipt)
        PrintingListener.__init__(self, print_to_log)
        #: (headers, body) of each message.
        self.message_list: list[tuple[Any, Any]] = []
        self.message_received: bool = False
        self.heartbeat_received: bool = False
        self.message_condition: threading.Condition = threading.Condition()
        self.heartbeat_condition: threading.Condition = threading.Condition()
        #: The time of creation as text, for example for names of destinations.
        self.timestamp: str = time.strftime("%Y%m%d%H%M%S")

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """Count, print."""
        StatsListener.on_connecting(self, host_and_port)
        WaitingListener.on_connecting(self, host_and_port)
        PrintingListener.on_connecting(self, host_and_port)

    def on_disconnected(self) -> None:
        """Count, print, wake the waiting threads."""
        StatsListener.on_disconnected(self)
        PrintingListener.on_disconnected(self)
        WaitingListener.on_disconnected(self)
        for condition in (self.message_condition, self.heartbeat_condition):
            with condition:
                condition.notify_all()

    @in_either_shape(ConnectionListener.on_receipt)
    def on_receipt(self, frame: Any, body: Any = MISSING) -> None:
        """Print, wake the waiting thread."""
        _PRINTING.on_receipt(self, frame, body)
        _WAITING.on_receipt(self, frame, body)

    @in_either_shape(ConnectionListener.on_error)
    def on_error(self, frame: Any, body: Any = MISSING) -> None:
        """Count, print."""
        _STATS.on_error(self, frame, body)
        _PRINTING.on_error(self, frame, body)

    def on_send(self, frame: Frame) -> None:
        """Count, print."""
        StatsListener.on_send(self, frame)
        PrintingListener.on_send(self, frame)

    @in_either_shape(ConnectionListener.on_message)
    def on_message(self, frame: Any, body: Any = MISSING) -> None:
        """Count, print, keep."""
        _STATS.on_message(self, frame, body)
        _PRINTING.on_message(self, frame, body)
        with self.message_condition:
            self.message_list.append(unpack(frame, body))
            self.message_received = True
            self.message_condition.notify_all()

    def on_heartbeat(self) -> None:
        """Count, print, wake the waiting thread."""
        StatsListener.on_heartbeat(self)
        PrintingListener.on_heartbeat(self)
        with self.heartbeat_condition:
            self.heartbeat_received = True
            self.heartbeat_condition.notify_all()

    def on_heartbeat_timeout(self) -> None:
        """Count, print."""
        StatsListener.on_heartbeat_timeout(self)
        PrintingListener.on_heartbeat_timeout(self)

    def wait_for_message(self, timeout: float = 60.0) -> None:
        """Wait for a message, at most `timeout` seconds. A message received since the last wait counts.

        Raises:
            StompError: the timeout has passed, or the connection ended first.
        """
        with self.message_condition:
            if not (self.message_received or self._ended):
                self._check_thread()
            self.message_condition.wait_for(lambda: self.message_received or self._ended, timeout)
            received, self.message_received = self.message_received, False
        self.__check(received, "message", timeout)

    def wait_for_heartbeat(self, timeout: float = 60.0) -> None:
        """Wait for a heart-beat, at most `timeout` seconds. A heart-beat received since the last wait counts.

        Raises:
            StompError: the timeout has passed, or the connection ended first.
        """
        with self.heartbeat_condition:
            if not (self.heartbeat_received or self._ended):
                self._check_thread()
            self.heartbeat_condition.wait_for(lambda: self.heartbeat_received or self._ended, timeout)
            received, self.heartbeat_received = self.heartbeat_received, False
        self.__check(received, "heart-beat", timeout)

    def __check(self, received: bool, what: str, timeout: float) -> None:
        if not received:
            why = "the connection ended" if self._ended else f"{timeout:g} s have passed"
            raise StompError(f"no {what}: {why}")

    def get_latest_message(self) -> tuple[Any, Any]:
        """(headers, body) of the last message."""
        return self.message_list[-1]
