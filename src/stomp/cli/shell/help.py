"""Help and completion of the shell commands: the part of `StompCLI` that uses `command_table` but runs no command."""

from __future__ import annotations

import cmd
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from stomp.cli.framework.terminal import Terminal, clean
from stomp.cli.shell import command_table
from stomp.cli.shell.session import RecentIds

_HEADING = ("Usage:", "Required Parameters:", "Optional Parameters:", "Description:")


class SubscriptionInfo:
    """The id and the ack mode of a subscription."""

    def __init__(self, id: Any, ack: Any) -> None:
        self.id = id
        self.ack = ack


class ShellHelp(cmd.Cmd):
    """The part of `shell.StompCLI` for help and completion."""

    terminal: Terminal
    recent: RecentIds
    version: str
    subscriptions: dict[str, SubscriptionInfo]
    show: Callable[[bytes | str], None]

    def completenames(self, text: str, *ignored: Any) -> list[str]:
        """The commands that begin with a text, for readline."""
        return [command.name for command in command_table.SHELL_COMMANDS if command.name.startswith(text)]

    def complete_word(self, text: str, line: str = "", begidx: int = 0, endidx: int = 0) -> list[str]:
        """The candidates for a word of a line, for readline."""
        return [
            candidates
            for candidates in self.candidates(line[:endidx] if endidx else line)
            if candidates.startswith(text)
        ]

    complete_send = complete_sendfile = complete_sendrec = complete_sendreply = complete_word
    complete_unsubscribe = complete_word

    def completedefault(self, *ignored: Any) -> list[str]:
        """The candidates for all other commands, for readline."""
        return self.complete_word(*ignored)

    def expects(self, line: str) -> str:
        """The kind of the last word of a line, as in `ShellCommand.completes`; "command" for the first word."""
        words = [word for word in line.lstrip().split(" ")[:-1] if word]
        if not words:
            return "command"
        command = command_table.BY_NAME.get(words[0])
        kinds = command.completes if command is not None else ()
        return kinds[len(words) - 1] if len(words) <= len(kinds) else ""

    def candidates(self, line: str) -> list[str]:
        """All candidates for the kind of the last word, not filtered by its text; none for files."""
        kind = self.expects(line)
        sources: dict[str, Iterable[str]] = {
            "destination": self.recent.destinations,
            "subscribed": self.subscriptions,
            "ack-id": (self._ack_id(id) for id in reversed(list(self.recent.messages))),
            "subscription": (str(info.id) for info in self.subscriptions.values()),
            "command": command_table.BY_NAME,
            "file": (),
        }
        # Candidates may come from the network, so they are cleaned. A word with blanks needs quotes.
        candidates = [clean(word, lines=False) for word in sources.get(kind, kind.split("|") if kind else ())]
        return [f'"{word}"' if " " in word else word for word in candidates]

    # ------------------------------------------------------------------------------------- help

    def help(
        self,
        usage: str,
        description: str,
        required: Iterable[str] = (),
        optional: Iterable[str] = (),
    ) -> None:
        """Show the help of a command."""
        wrapped = [part for line in description.splitlines() for part in textwrap.wrap(line.strip(), 100)]
        texts: tuple[list[str], ...] = ([usage], [*required], [*optional], wrapped)
        blocks: list[str] = []
        for heading, content in zip(_HEADING, texts, strict=True):
            if content:
                title = self.terminal.styled(heading, "heading", self.terminal.out)
                blocks.append("\n".join([title, *(f"\t{line.strip()}" for line in content)]))
        self.show("\n\n".join(blocks) + "\n\n")

    def help_help(self) -> None:
        """Show the help of the command ``help``."""
        self.show("Quick help on commands\n")

    def _ack_id(self, id: str) -> str:
        ack, _ = self.recent.messages[id]
        return ack if ack is not None and self.version == "1.2" else id


def _helper(command: command_table.ShellCommand) -> Callable[[ShellHelp], None]:
    def show_help(self: ShellHelp) -> None:
        self.help(
            f"{command.name} {command.usage}".strip(),
            command.description,
            [f"{name} - {text}" for name, text in command.required],
            [f"{name} - {text}" for name, text in command.optional],
        )

    return show_help


for _command in command_table.SHELL_COMMANDS:
    if _command.name != "help":
        setattr(ShellHelp, f"help_{_command.name}", _helper(_command))
