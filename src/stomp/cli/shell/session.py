"""What the shell has seen and says: frames as they come, and the words that completion offers.

A mixin of `shell.StompCLI`: the part that listens. Its methods run on the thread that receives.
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

#: Ids and destinations that are remembered for completion.
_REMEMBERED = 200
#: An ERROR is cut to so many characters.
_LONGEST = 2000


class RecentIds:
    """Destinations and messages of this session, the last ones."""

    def __init__(self) -> None:
        self.destinations: dict[str, None] = {}
        #: message-id -> (what ACK says in STOMP 1.2, the subscription)
        self.messages: dict[str, tuple[str | None, str | None]] = {}

    def destination(self, name: str | None) -> None:
        """Remember a destination."""
        if name:
            _remember(self.destinations, name, None)

    def message(self, headers: Mapping[str, Any]) -> None:
        """Remember where a message is from, and how it is acknowledged."""
        self.destination(headers.get("destination"))
        self.destination(headers.get("reply-to"))
        if (id := headers.get("message-id")) is not None:
            _remember(self.messages, id, (headers.get("ack"), headers.get("subscription")))


def _remember(table: dict[str, Any], key: str, value: Any) -> None:
    table.pop(key, None)
    table[key] = value
    if len(table) > _REMEMBERED:
        table.pop(next(iter(table)), None)


class ShellListener(ConnectionListener):
    """Shows what the broker sends.

    Attributes:
        status: the exit status: that of the first thing that went wrong.
        lost: set while a connection is gone that nobody has ended.
        deaf: nobody reads the output any more.
        changed: is notified of all of it.
        around: a context in which output is written; it keeps the line whole that somebody is typing.
    """

    terminal: Terminal
    renderer: Renderer
    save_to: Path

    def __init__(self) -> None:
        self.seen: RecentIds = RecentIds()
        self.status: Status = Status.OK
        self.lost: bool = False
        self.deaf: bool = False
        self.changed: threading.Condition = threading.Condition()
        self.arrived: int = 0
        self.refusals: int = 0
        self.greetings: int = 0
        self._awaited: set[str] = set()
        self._confirmed: set[str] = set()
        self._silent: set[str] = set()
        self._up = False
        self._leaving = False
        self.around: Callable[[], AbstractContextManager[object]] = nullcontext

    def show(self, text: bytes | str) -> None:
        """Show a frame, or an answer to a command."""
        if not text:
            return
        try:
            with self.around():
                self.terminal.put(text)
        except (BrokenPipeError, ValueError):
            with self.changed:
                self.deaf = True
                self.changed.notify_all()

    def fail(self, words: str, status: Status = Status.USAGE) -> None:
        """Tell what went wrong; the first failure decides the exit status."""
        if self.status is Status.OK:
            self.status = status
        self.tell(words, "error")

    def tell(self, words: str, style: str = "") -> None:
        """Something that is no answer to a command."""
        with self.around():
            self.terminal.say(words, style)

    @contextmanager
    def waiting(self, receipt: str, *, seconds: float, silent: bool = False) -> Generator[None]:
        """Leaves when the broker has confirmed what was sent inside, or has refused something, which was told then.

        Args:
            receipt: the id that the frame asks for.
            seconds: how long to wait.
            silent: the RECEIPT is not shown.

        Raises:
            ReceiptMissing: there was no answer.
        """
        refusals = self.refusals
        self._awaited.add(receipt)
        if silent:
            self._silent.add(receipt)
        try:
            yield
            with self.changed:
                self.changed.wait_for(
                    lambda: receipt in self._confirmed or self.refusals != refusals or not self._up, seconds
                )
                if receipt in self._confirmed or self.refusals != refusals:
                    return
            why = f"{seconds:g} s have passed" if self._up else "the connection ended"
            raise ReceiptMissing(f"the broker has not confirmed it: {why}", receipt=receipt)
        finally:
            for ids in (self._awaited, self._confirmed):
                ids.discard(receipt)

    # ------------------------------------------------------------------------------------- callbacks

    def on_connecting(self, host_and_port: tuple[str, int]) -> None:
        """Nothing; `on_connected` tells."""

    def on_connected(self, frame: Any, body: Any = MISSING) -> None:
        """Show the frame, if it is to be."""
        headers, body = unpack(frame, body)
        self.show(self.renderer.other("CONNECTED", headers, body))
        with self.changed:
            self._up, self.lost = True, False
            self.greetings += 1
            self.changed.notify_all()

    def on_message(self, frame: Any, body: Any = MISSING) -> None:
        """Show a message, and save it if it is a file."""
        headers, body = unpack(frame, body)
        self.seen.message(headers)
        if (name := headers.get("filename")) is not None:
            body = self._save(str(name), body)
        self.show(self.renderer.message(headers, body))
        with self.changed:
            self.arrived += 1
            self.changed.notify_all()

    def on_receipt(self, frame: Any, body: Any = MISSING) -> None:
        """Show the frame, if it is to be."""
        headers, body = unpack(frame, body)
        id = str(headers.get("receipt-id"))
        if not self._leaving and id not in self._silent:
            self.show(self.renderer.other("RECEIPT", headers, body))
        with self.changed:
            if id in self._awaited:
                self._confirmed.add(id)
                self.changed.notify_all()

    def on_error(self, frame: Any, body: Any = MISSING) -> None:
        """Tell what the broker says."""
        headers, body = unpack(frame, body)
        if not self._up:
            return  # who connects is told by the exception
        data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body or b"")
        words = [str(headers.get("message", "")), data.decode("utf-8", "replace")]
        text = one_line(": ".join(filter(None, map(str.strip, words))))
        self.fail("ERROR: " + text[:_LONGEST], Status.REFUSED)
        if self.renderer.verbose:
            for name, value in headers.items():
                self.tell(f"{name}: {value}")
        with self.changed:
            self.refusals += 1
            self.changed.notify_all()

    def on_disconnected(self) -> None:
        """Tell that the connection is gone, if nobody has ended it."""
        with self.changed:
            self.lost = self._up and not self._leaving
            self._up = False
            self.changed.notify_all()
        if self.lost:
            self.fail("lost connection", Status.UNREACHED)

    def on_send(self, frame: Any) -> None:
        """Show what goes out, if it is to be; heart-beats never are."""
        if self.renderer.verbose and frame.cmd is not None and not self._leaving:
            self.tell(self.renderer.sent(frame.cmd, frame.headers, frame.body), "faint")

    def _save(self, name: str, body: Any) -> Any:
        try:
            file = received_files.save(self.save_to, name, body)
        except ValueError:
            self.tell(f"{clean(name, lines=False)}: not saved, the body is not base64")
            return body
        except OSError as err:
            self.fail(f"{clean(name, lines=False)}: not saved: {err.strerror or err}")
            return body
        return f"Saved file: {file}"
