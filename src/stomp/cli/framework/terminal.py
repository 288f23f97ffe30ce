"""Where output goes: data to standard output, talk to standard error, and nothing raw to a terminal."""

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
    r"""Text that can be shown on a terminal: control characters are shown as escapes.

    Args:
        text: what came from somewhere else.
        lines: newlines and tabs may stay.

    >>> clean("\x1b]0;evil\x07 caf\xe9\n")
    '\\x1b]0;evil\\x07 café\n'
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return escaped(text, lines=lines)


def one_line(text: str) -> str:
    """Clean text in one line, for a message of ours."""
    return clean(" ".join(text.split()), lines=False)


class Terminal:
    """The two streams of a command. Writing is safe from several threads.

    Args:
        out: for data; standard output if None.
        err: for talk; standard error if None.
        environ: where NO_COLOR and TERM are looked up.
        name: what messages begin with.
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
        # https://no-color.org: set to anything but nothing.
        self._plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        self._moves = environ.get("TERM") != "dumb"
        self._lock = threading.RLock()

    def redirect(self, out: TextIO, err: TextIO) -> None:
        """Write to other streams from now on."""
        with self._lock:
            self.out, self.err = out, err

    def is_terminal(self, stream: TextIO) -> bool:
        """True if somebody looks at it, and not a program."""
        with contextlib.suppress(AttributeError, ValueError):
            return stream.isatty()
        return False

    def has_colour(self, stream: TextIO) -> bool:
        """True if escape sequences may go there."""
        return not self._plain and self.is_terminal(stream)

    @property
    def draws(self) -> bool:
        """True if a line of standard error may be drawn again and again."""
        return self._moves and self.is_terminal(self.err)

    def styled(self, text: str, style: str, stream: TextIO) -> str:
        """The text in the style ("error", "heading", "strong", "faint", "name"), if the stream has colours."""
        return f"{_STYLES[style]}{text}{_RESET}" if text and self.has_colour(stream) else text

    def write(self, text: str | bytes) -> None:
        """Data, as it is; cleaned if standard output is a terminal.

        Raises:
            BrokenPipeError: nobody reads any more; `app` ends the command quietly.
        """
        self.put(clean(text) if self.is_terminal(self.out) else text)

    def put(self, text: str | bytes) -> None:
        """Something of our own, or that is clean already, to standard output.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        binary: BinaryIO | None = getattr(self.out, "buffer", None)
        with self._lock:
            if binary is not None and not self.is_terminal(self.out):
                # A body is bytes, and need not be text.
                self.out.flush()
                binary.write(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
                binary.flush()
                return
            shown = text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")
            # Programs that give a stream of their own look at it line by line, as stomp.py wrote.
            for part in [shown] if self.is_terminal(self.out) else shown.splitlines(keepends=True):
                self.out.write(part)
            self.out.flush()

    def say(self, text: str, style: str = "") -> None:
        """A line of talk, to standard error."""
        line = one_line(text)
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self.err.write((self.styled(line, style, self.err) if style else line) + "\n")
            self.err.flush()

    def complain(self, words: str) -> None:
        """Say what went wrong, after the name of the command."""
        self.say(f"{self.name}: {words}", "error")
