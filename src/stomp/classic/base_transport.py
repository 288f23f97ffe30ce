"""`BaseTransport`: the part of a transport without I/O, which calls the listeners with the events of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stomp.classic.callbacks import Publisher, Waiter
from stomp.classic.deprecated import DeprecatedBaseTransport
from stomp.classic.dispatch import Registry
from stomp.classic.frames import BytesMessageFrame, ReceiptFrame, TextMessageFrame
from stomp.client.connect import ConnectHistory
from stomp.client.logging import RepeatLog, connections
from stomp.constants import CMD_DISCONNECT
from stomp.core.callables import check_function, check_result
from stomp.core.diagnostics import one_line
from stomp.core.errors import ConnectFailed
from stomp.core.frames.frame import Frame as CoreFrame
from stomp.core.session.error_frames import error_text
from stomp.core.session.events import (
    Closed,
    Connected,
    Error,
    Event,
    HeartbeatReceived,
    HeartbeatSent,
    Reason,
    Tolerated,
    Unknown,
)
from stomp.net.address import Address
from stomp.utils import HEARTBEAT_FRAME, Frame, default_create_thread, is_eol_default


class BaseTransport(DeprecatedBaseTransport, Publisher):
    """The listeners, and the dispatch of frames to them. `Transport` adds the network.

    Args:
        auto_decode: message bodies are text (UTF-8); with False they are bytes.
        encoding: not used; bodies and headers are UTF-8, whatever is given here.
        is_eol_fc: not used; the version of STOMP defines the line ends.
    """

    def __init__(
        self,
        auto_decode: bool = True,
        encoding: str | None = "utf-8",
        is_eol_fc: Callable[[bytes], bool] = is_eol_default,
    ) -> None:
        self._message_class: type[BytesMessageFrame] = TextMessageFrame if auto_decode else BytesMessageFrame
        self.registry = Registry(self._message_class, self._handle_event)
        self._history = ConnectHistory()
        self.current_host_and_port: tuple[str, int] | None = None
        self.connection_error = False
        self.create_thread_fc: Callable[[Callable[[], None]], Any] = default_create_thread
        self._auto_decode = auto_decode
        #: Rate-limited log for lines that the broker causes. Shared by all connections of the transport, so that
        #: frequent reconnects do not flood the log.
        self._lines = RepeatLog(connections)

    @property
    def listeners(self) -> dict[str, Any]:
        """The listeners by name. Use `set_listener` and `remove_listener` to change them."""
        return self.registry.listeners

    def set_listener(self, name: str, listener: Any) -> None:
        """Add a listener, or replace the one with that name.

        Raises:
            UsageError: one of its callbacks is a coroutine function, or is not callable.
        """
        if listener is None:
            raise AssertionError("'listener' is required")
        self.registry.set(name, listener)
        if isinstance(listener, Waiter):
            listener.add_callback_thread(self.is_callback_thread)

    def is_callback_thread(self) -> bool:
        """True on the thread that calls the listeners, where waiting for a frame of the broker would never end."""
        return False

    def remove_listener(self, name: str) -> None:
        """Remove a listener.

        Raises:
            KeyError: there is no listener with that name.
        """
        self.registry.remove(name)

    def get_listener(self, name: str) -> Any:
        """The listener with that name, or None."""
        return self.registry.listeners.get(name)

    def override_threading(self, create_thread_fc: Callable[[Callable[[], None]], Any]) -> None:
        """Start the receiving thread with `create_thread_fc(callable)`.

        Raises:
            UsageError: the function is a coroutine function, or is not callable.
        """
        check_function("create_thread_fc", create_thread_fc)
        self.create_thread_fc = create_thread_fc

    def transmit(self, frame: Frame) -> None:
        """Call on_send of the listeners for a frame; `Transport` sends it, too."""
        for target in self.registry.targets("on_send"):
            # As in stomp.py, a listener can prevent the send by raising.
            check_result("on_send", target.call(frame))

    # ------------------------------------------------------------------------------------- for stomp.protocol

    @property
    def is_open(self) -> bool:
        """True from the open socket to the end of the connection."""
        return False

    def stop_waiting(self) -> None:
        """See `Transport.stop_waiting`."""

    def connect(self, send_connect: Callable[[], object], *, wait: bool) -> None:
        """Open a connection, send CONNECT and wait for CONNECTED: see `Transport.connect`."""
        self.start()
        send_connect()
        if wait:
            self.wait_for_connection()

    def join(self) -> None:
        """Wait, for a limited time, until the connection has ended and the listeners were called."""

    # ------------------------------------------------------------------------------------- events

    def handle(self, batch: list[Event]) -> None:
        """Call the listeners for these events."""
        self.registry.dispatch(batch)

    def _handle_event(self, event: Event) -> None:
        """Handle an event that is not a message."""
        if type(event) is ReceiptFrame:
            self._handle_receipt(event)
        else:
            self._handle_control_event(event)

    def _handle_receipt(self, frame: ReceiptFrame) -> None:
        if frame.ticket is not None and frame.ticket.command == "SEND":
            self._history.confirmed = True
        command = self._receipts and self._receipts.pop(frame.headers.get("receipt-id", ""), None)
        frame.original_headers = frame.headers.copy()
        if self._auto_decode:
            frame.body = frame.body.decode("utf-8", "replace")
        self.registry.notify_frame("on_receipt", frame)
        if command == CMD_DISCONNECT:
            self.disconnect_socket()

    def _handle_control_event(self, event: Event) -> None:
        registry = self.registry
        if isinstance(event, Connected):
            self._lines.info(
                "connected to %s: STOMP %s, server %s, heart-beats %s,%s",
                self._address_text(),
                event.version.number,
                one_line(event.frame.headers.get("server", "unnamed"), 100),
                *event.heartbeat,
            )
            self._on_connected(event)
            registry.notify_frame("on_connected", self._frame(event.frame))
        elif isinstance(event, Error):
            if not registry.targets("on_error"):
                words = error_text(event.frame, before_connected=not self.is_open)
                self._lines.warning("the broker sent an ERROR, and no listener has on_error: %s", words)
            registry.notify_frame("on_error", self._frame(event.frame))
        elif isinstance(event, HeartbeatReceived):
            registry.notify("on_heartbeat")
        elif isinstance(event, HeartbeatSent):
            registry.notify("on_send", HEARTBEAT_FRAME)
        elif isinstance(event, Closed):
            self._log_end(event)
            self._on_closed(event)
            if event.reason is Reason.HEARTBEAT:
                registry.notify("on_heartbeat_timeout")
            registry.notify("on_disconnected")
            registry.notify_frame("on_receiver_loop_completed", None)
        elif isinstance(event, Unknown):
            self._lines.warning("unknown frame %s from the broker ignored", one_line(event.frame.command, 40))
        elif isinstance(event, Tolerated):
            self._lines.warning("from %s: %s", self._address_text(), event.text)

    def _log_end(self, event: Closed) -> None:
        if event.error is None or event.reason is Reason.CLEAN:
            self._lines.info("disconnected from %s", self._address_text())
        elif (failed := self._login_error(event)) is not None:
            self._lines.warning("%s", failed)
        else:
            self._lines.warning("the connection to %s ended: %s", self._address_text(), event.error)
        self._lines.flush()
        self.registry.lines.flush()

    def _address_text(self) -> str:
        pair = self.current_host_and_port
        return str(Address(*pair)) if pair is not None else "the broker"

    def _login_error(self, event: Closed) -> ConnectFailed | None:
        """The exception of `connect`, if there was no CONNECTED on the connection that has ended."""
        return None

    def _on_connected(self, event: Connected) -> None:
        """The broker sent CONNECTED."""

    def _on_closed(self, event: Closed) -> None:
        """The connection has ended."""

    def _frame(self, frame: CoreFrame) -> Frame:
        body = frame.body.decode("utf-8", "replace") if self._auto_decode else frame.body
        return Frame(frame.command, frame.headers, body)
