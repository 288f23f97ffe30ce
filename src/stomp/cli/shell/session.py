"""The listener of the shell: shows received frames, and records ids and destinations for completion.

`ShellListener` is a mixin of `shell.StompCLI`. Its callbacks run on the receiving thread of the connection.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stomp.classic.callbacks import MISSING, ConnectionListener, unpack
from stomp.cli.framework.exit_status import Status
from stomp.cli.framework.terminal import clean, one_line
from stomp.cli.shell import received_files
from stomp.core.errors import ReceiptMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from stomp.cli.framework.terminal import Terminal
    from stomp.cli.shell.render import Renderer

#: Maximum number of ids, and of destinations, that are kept for completion.
_MAX_RECENT = 200
#: Maximum length of an ERROR in characters; the rest is cut off.
_MAX_ERROR = 2000


class RecentIds:
    """The most recent destinations and messages of this session, for completion."""

    def __init__(self) -> None:
        self.destinations: dict[str, None] = {}
        #: message-id -> (the ack header, used by ACK in STOMP 1.2; the subscription)
        self.messages: dict[str, tuple[str | None, str | None]] = {}

    def add_destination(self, name: str | None) -> None:
        """Record a destination."""
        if name:
            _keep_recent(self.destinations, name, None)

    def add_message(self, headers: Mapping[str, Any]) -> None:
        """Record the destinations of a message, and the ids with which it is acknowledged."""
        self.add_destination(headers.get("destination"))
        self.add_destination(headers.get("reply-to"))
        if (id := headers.get("message-id")) is not None:
            _keep_recent(self.messages, id, (headers.get("ack"), headers.get("subscription")))


def _keep_recent(table: dict[str, Any], key: str, value: Any) -> None:
    table.pop(key, None)
    table[key] = value
    if len(table) > _MAX_RECENT:
        table.pop(next(iter(table)), None)


class ShellListener(ConnectionListener):
    """Shows the frames that the broker sends.

    Attributes:
        status: the exit status: that of the first failure.
        lost: True while the connection is lost, and was not closed by the user.
        output_closed: True if the output was closed by its reader.
        received: the number of received messages.
        errors: the number of received ERROR frames.
        connects: the number of received CONNECTED frames.
        changed: the condition that is notified when one of these changes, except `status`.
        output_context: makes a context for writing output. It restores the line that is being typed.
    """

    terminal: Terminal
    renderer: Renderer
    save_to: Path

    def __init__(self) -> None:
        self.recent: RecentIds = RecentIds()
        self.status: Status = Status.OK
        self.lost: bool = False
        self.output_closed: bool = False
        self.changed: threading.Condition = threading.Condition()
        self.received: int = 0
        self.errors: int = 0
        self.connects: int = 0
        self._awaited_receipts: set[str] = set()
        self._confirmed_receipts: set[str] = set()
        self._silent_receipts: set[str] = set()
        self._connected = False
        self._closing = False
        self.output_context: Callable[[], AbstractContextManager[object]] = nullcontext

    def show(self, text: bytes | str) -> None:
        """Write a frame, or the answer to a command, to standard output."""
        if not text:
            return
        try:
            with self.output_context():
                self.terminal.put(text)
        except (BrokenPipeError, ValueError):
            with self.changed:
                self.output_closed = True
                self.changed.notify_all()

    def wake(self) -> None:
        """Let those that wait for `changed` look again. Call it on any thread, but not in a signal handler."""
        with self.changed:
            self.changed.notify_all()

    def fail(self, text: str, status: Status = Status.USAGE) -> None:
        """Report an error. The first failure sets the exit status."""
        if self.status is Status.OK:
            self.status = status
        self.info(text, "error")

    def info(self, text: str, style: str = "") -> None:
        """Write a message to standard error that is not the answer to a command."""
        with self.output_context():
            self.terminal.info(text, style)

    @contextmanager
    def wait_for_receipt(self, receipt: str, *, seconds: float, silent: bool = False) -> Generator[None]:
        """Wait for the RECEIPT of the frame that is sent inside the ``with`` statement, or for an ERROR.

        An ERROR raises nothing here, because `on_error` has reported it.

        Args:
            receipt: the receipt header of the frame.
            seconds: how long to wait.
            silent: do not show the RECEIPT.

        Raises:
            ReceiptMissing: there was no answer in time, or the connection ended.
        """
        errors = self.errors
        self._awaited_receipts.add(receipt)
        if silent:
            self._silent_receipts.add(receipt)
        try:
            yield
            with self.changed:
                self.changed.wait_for(
                    lambda: (
                        receipt in self._confirmed_receipts or self.errors != errors or not self._connected
                    ),
                    seconds,
                )
                if receipt in self._confirmed_receipts or self.errors != errors:
                    return
            reason = f"{seconds:g} s have passed" if self._connected else "the connection ended"
            raise ReceiptMissing(f"the broker has not confirmed the message: {reason}", receipt=receipt)
        finally:
            for ids in (self._awaited_receipts, self._confirmed_receipts):
                ids.discard(receipt)

    # ------------------------------------------------------------------------------------- callbacks

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """Do nothing; `on_connected` shows the result."""

    def on_connected(self, frame: Any, body: Any = MISSING) -> None:
        """Show the CONNECTED frame if verbose."""
        headers, body = unpack(frame, body)
        self.show(self.renderer.control_frame("CONNECTED", headers, body))
        with self.changed:
            self._connected, self.lost = True, False
            self.connects += 1
            self.changed.notify_all()

    def on_message(self, frame: Any, body: Any = MISSING) -> None:
        """Show a message, and save its body if it has a ``filename`` header."""
        headers, body = unpack(frame, body)
        self.recent.add_message(headers)
        if (name := headers.get("filename")) is not None:
            body = self._save(str(name), body)
        self.show(self.renderer.message(headers, body))
        with self.changed:
            self.received += 1
            self.changed.notify_all()

    def on_receipt(self, frame: Any, body: Any = MISSING) -> None:
        """Show the RECEIPT frame if verbose, and complete `wait_for_receipt`."""
        headers, body = unpack(frame, body)
        id = str(headers.get("receipt-id"))
        if not self._closing and id not in self._silent_receipts:
            self.show(self.renderer.control_frame("RECEIPT", headers, body))
        with self.changed:
            if id in self._awaited_receipts:
                self._confirmed_receipts.add(id)
                self.changed.notify_all()

    def on_error(self, frame: Any, body: Any = MISSING) -> None:
        """Report the text of the ERROR; if verbose also its headers."""
        headers, body = unpack(frame, body)
        if not self._connected:
            return  # `connect` raises an exception with this text
        data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body or b"")
        parts = [str(headers.get("message", "")), data.decode("utf-8", "replace")]
        text = one_line(": ".join(filter(None, map(str.strip, parts))))
        self.fail("ERROR: " + text[:_MAX_ERROR], Status.REFUSED)
        if self.renderer.verbose:
            for name, value in headers.items():
                self.info(f"{name}: {value}")
        with self.changed:
            self.errors += 1
            self.changed.notify_all()

    def on_disconnected(self) -> None:
        """Report that the connection was lost, unless the shell has closed it."""
        with self.changed:
            self.lost = self._connected and not self._closing
            self._connected = False
            self.changed.notify_all()
        if self.lost:
            self.fail("lost connection", Status.UNREACHED)

    def on_send(self, frame: Any) -> None:
        """Show a sent frame if verbose. Heart-beats are never shown."""
        if self.renderer.verbose and frame.cmd is not None and not self._closing:
            self.info(self.renderer.sent_frame(frame.cmd, frame.headers, frame.body), "faint")

    def _save(self, name: str, body: Any) -> Any:
        try:
            file = received_files.save(self.save_to, name, body)
        except ValueError:
            self.info(f"{clean(name, lines=False)}: not saved, the body is not base64")
            return body
        except OSError as err:
            self.fail(f"{clean(name, lines=False)}: not saved: {err.strerror or err}")
            return body
        return f"Saved file: {file}"
