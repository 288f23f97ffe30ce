"""Reads lines with the standard library: from a pipe, or from a terminal, with `readline` if it is available."""

from __future__ import annotations

import contextlib
import io
import threading
from typing import TYPE_CHECKING, Any, TextIO

from stomp.cli.shell import history

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from stomp.cli.shell.shell import StompCLI

_ERASE_LINE = "\r\33[K"


class PipeReader:
    """Reads lines from a stream that is not a terminal, without a prompt."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            # A message may contain bytes that are not UTF-8.
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")

    def __enter__(self) -> PipeReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def read(self) -> str:
        """The next line.

        Raises:
            EOFError: the stream has ended.
        """
        line = self._stream.readline()
        if not line:
            raise EOFError
        return line


class TerminalReader:
    """Reads typed lines, with history and completion if Python has `readline`.

    Output of other threads replaces the line that is being typed, which is then printed again below it.
    """

    def __init__(self, cli: StompCLI, file: Path) -> None:
        self._cli = cli
        self._file = file
        self._readline: Any = None
        self._typing = False
        self._lock = threading.RLock()

    def __enter__(self) -> TerminalReader:
        with contextlib.suppress(ImportError):
            import readline

            self._readline = readline
            readline.set_completer_delims(" \t\n")
            readline.set_completer(self._complete)
            # macOS has libedit instead of readline, with a different syntax for key bindings.
            libedit = "libedit" in (readline.__doc__ or "")
            readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
            for line in history.load(self._file):
                readline.add_history(line)
        self._cli.output_context = self._output_context
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._cli.output_context = contextlib.nullcontext

    def _complete(self, text: str, state: int) -> str | None:
        """The candidate with this number, for readline, with the blank before the next word."""
        found: Any = self._cli.complete(text, state)
        return None if found is None else f"{found} "

    def read(self) -> str:
        """The next line.

        Raises:
            EOFError: Ctrl-D was typed.
        """
        self._typing = True
        terminal, prompt = self._cli.terminal, self._cli.prompt
        if not terminal.is_terminal(terminal.out):
            # Standard output is for data only, so the prompt is written to standard error.
            terminal.err.write(prompt)
            terminal.err.flush()
            prompt = ""
        try:
            line = input(prompt)
        finally:
            self._typing = False
        if line.strip():
            history.append(self._file, line)
        return line

    @contextlib.contextmanager
    def _output_context(self) -> Generator[None]:
        """A context for output of another thread: erase the typed line before it, and print the line again after it."""
        terminal = self._cli.terminal
        if not self._typing or threading.current_thread() is threading.main_thread():
            yield
            return
        with self._lock:
            terminal.put(_ERASE_LINE if terminal.has_colour(terminal.out) else "\n")
            yield
            typed = self._readline.get_line_buffer() if self._readline is not None else ""
            terminal.put(self._cli.prompt + typed)
