"""The prompt of the extra `cli`, with `prompt_toolkit`: output appears above the line that is being typed.

If `prompt_toolkit` is not installed, importing this module fails, and `stomp.cli.shell.main` uses `readline_input`.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import History
from prompt_toolkit.patch_stdout import patch_stdout

from stomp.cli.shell import history

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from stomp.cli.shell.shell import StompCLI


class _History(History):
    """The history for prompt_toolkit, in the same file that `readline_input` uses."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """The lines, newest first, as prompt_toolkit requires."""
        return reversed(history.load(self._file))

    def store_string(self, string: str) -> None:
        """Append a line that is not blank."""
        if string.strip():
            history.append(self._file, string)


class _Completer(Completer):
    """Completes commands, files, and the destinations and ids that this session has seen."""

    def __init__(self, cli: StompCLI) -> None:
        self._cli = cli
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The completions for the word before the cursor."""
        line = document.text_before_cursor
        word = line.rpartition(" ")[2]
        if self._cli.expects(line) == "file":
            yield from self._files.get_completions(Document(word), complete_event)
            return
        for candidate in self._cli.candidates(line):
            if candidate.startswith(word):
                yield Completion(f"{candidate} ", start_position=-len(word), display=candidate)


class PromptReader:
    """Reads typed lines. Inside its ``with`` statement, all output appears above the line that is being typed."""

    def __init__(self, cli: StompCLI, file: Path) -> None:
        self._cli = cli
        self._stack = ExitStack()
        self._session: PromptSession[str] = PromptSession(
            history=_History(file),
            completer=_Completer(cli),
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
        )

    def __enter__(self) -> PromptReader:
        terminal = self._cli.terminal
        self._stack.callback(terminal.redirect, terminal.out, terminal.err)
        self._stack.enter_context(patch_stdout(raw=True))
        terminal.redirect(sys.stdout, sys.stderr)
        self._cli.stdout = sys.stdout
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def read(self) -> str:
        """The next line.

        Raises:
            EOFError: Ctrl-D was typed.
            KeyboardInterrupt: Ctrl-C was typed.
        """
        return self._session.prompt(self._cli.prompt)
