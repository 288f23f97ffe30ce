"""Output: data to standard output, messages to standard error, and no control characters to a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, TextIO

from stomp.core.diagnostics import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESET = "\33[0m"
_STYLES = {
    "error": "\33[1;31m",
    "heading": "\33[1;32m",
    "strong": "\33[1m",
    "faint": "\33[2m",
    "name": "\33[36m",
}


def clean(text: str | bytes, *, lines: bool = True) -> str:
    r"""Escape the control characters of a text, so that it is safe to show on a terminal.

    Args:
        text: text from an untrusted source, such as the network. Bytes are decoded as UTF-8.
        lines: keep newlines and tabs.

    >>> clean("\x1b]0;evil\x07 caf\xe9\n")
    '\\x1b]0;evil\\x07 café\n'
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return escaped(text, lines=lines)


def one_line(text: str) -> str:
    """A text in one line without control characters, for a message to the user."""
    return clean(" ".join(text.split()), lines=False)


class Terminal:
    """The two streams of a command. Writing is safe from several threads.

    Args:
        out: for data; standard output if None.
        err: for messages; standard error if None.
        environ: the environment, for NO_COLOR and TERM.
        name: the prefix of error messages.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        name: str = "stomp",
    ) -> None:
        self.out = sys.stdout if out is None else out
        self.err = sys.stderr if err is None else err
        self.name = name
        # https://no-color.org: any value except the empty one turns colours off.
        self._plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        self._can_redraw = environ.get("TERM") != "dumb"
        self._lock = threading.RLock()

    def redirect(self, out: TextIO, err: TextIO) -> None:
        """Write to other streams from now on."""
        with self._lock:
            self.out, self.err = out, err

    def is_terminal(self, stream: TextIO) -> bool:
        """True if the stream is a terminal."""
        with contextlib.suppress(AttributeError, ValueError):
            return stream.isatty()
        return False

    def has_colour(self, stream: TextIO) -> bool:
        """True if escape sequences may be written to the stream."""
        return not self._plain and self.is_terminal(stream)

    @property
    def draws(self) -> bool:
        """True if a line of standard error can be redrawn: it is a terminal, and not a dumb one."""
        return self._can_redraw and self.is_terminal(self.err)

    def styled(self, text: str, style: str, stream: TextIO) -> str:
        """The text in a style ("error", "heading", "strong", "faint", "name"); unchanged without colours."""
        return f"{_STYLES[style]}{text}{_RESET}" if text and self.has_colour(stream) else text

    def write(self, text: str | bytes) -> None:
        """Write data to standard output: unchanged, or cleaned if that is a terminal.

        Raises:
            BrokenPipeError: the reader has closed the pipe. `app` ends the command with exit status 0.
        """
        self.put(clean(text) if self.is_terminal(self.out) else text)

    def put(self, text: str | bytes) -> None:
        """Write text of this program, or text that is already cleaned, to standard output.

        Raises:
            BrokenPipeError: the reader has closed the pipe.
        """
        binary: BinaryIO | None = getattr(self.out, "buffer", None)
        with self._lock:
            if binary is not None and not self.is_terminal(self.out):
                # A body is bytes, which may not be valid text, so it bypasses the encoding of the stream.
                self.out.flush()
                binary.write(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
                binary.flush()
                return
            shown = text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")
            # stomp.py writes line by line. Programs that pass their own stream rely on one call for each line.
            for part in [shown] if self.is_terminal(self.out) else shown.splitlines(keepends=True):
                self.out.write(part)
            self.out.flush()

    def info(self, text: str, style: str = "") -> None:
        """Write a message in one line to standard error. A closed stream is ignored."""
        line = one_line(text)
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self.err.write((self.styled(line, style, self.err) if style else line) + "\n")
            self.err.flush()

    def error(self, text: str) -> None:
        """Write an error message, with the name of the command as its prefix."""
        self.info(f"{self.name}: {text}", "error")
