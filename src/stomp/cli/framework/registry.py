"""The table of commands. Parsing, help, completion and the manual page are generated from it.

A command is a module with two functions. It is imported when the command runs:

    def configure(parser: Parser) -> None:        # options and arguments, see `stomp.cli.framework.parser`
    def run(args: Namespace, terminal: Terminal) -> int:       # returns the exit status

`run` raises the exceptions of the library; `stomp.cli.app` turns them into a text and an exit status. If the command
needs a broker, `configure` calls `config.options.add_options`, and `run` imports and calls `config.settings.settings`.

To add a command, add a row to `COMMANDS`.

Rules of this file: it imports little, because every start of the command loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stomp.cli.framework.parser import Parser


class Command(NamedTuple):
    """A row of the table.

    Attributes:
        name: the word after ``stomp``; empty for the interactive client.
        summary: what the command does, in one line, without a full stop.
        module: the name of the module with `configure` and `run`.
    """

    name: str
    summary: str
    module: str

    @property
    def title(self) -> str:
        """The name in help and messages, as "stomp send"."""
        return f"stomp {self.name}".rstrip()

    def load(self) -> Any:
        """Import and return the module of the command."""
        import importlib

        return importlib.import_module(self.module)

    def parser(self) -> Parser:
        """The parser of the command, with all options and arguments declared."""
        from stomp.cli.framework.parser import Parser

        module = self.load()
        commands = () if self.name else tuple(BY_NAME)
        parser = Parser(prog=self.title, description=self.summary + ".", commands=commands)
        module.configure(parser)
        return parser


#: The interactive client of stomp.py, which runs if no command is named.
CLIENT = Command(
    "",
    "An interactive client, a listener and a script runner, like that of stomp.py",
    "stomp.cli.shell.main",
)

COMMANDS = (
    Command("send", "Send messages, each confirmed by the broker", "stomp.cli.commands.send"),
    Command("listen", "Print messages, or run a program for each one", "stomp.cli.commands.listen"),
    Command("request", "Send a request and print the reply", "stomp.cli.commands.request"),
    Command("reply", "Answer requests with the output of a program", "stomp.cli.commands.reply"),
    Command("dump", "Write messages to a file as lines of JSON", "stomp.cli.commands.dump"),
    Command("replay", "Send the messages of a dump", "stomp.cli.commands.replay"),
    Command("move", "Move messages from one destination to another", "stomp.cli.commands.move"),
    Command("doctor", "Diagnose the connection to a broker step by step", "stomp.cli.commands.doctor"),
    Command("ping", "Measure the response time of a broker", "stomp.cli.commands.ping"),
    Command("bench", "Measure throughput, and latency at a constant rate", "stomp.cli.commands.bench"),
    Command("broker", "Run a broker for development and tests", "stomp.cli.commands.broker"),
    Command("queues", "Print the destinations of an embedded broker", "stomp.cli.commands.queues"),
    Command("top", "Show the destinations of an embedded broker, live", "stomp.cli.commands.top"),
    Command("context", "Manage named connection settings", "stomp.cli.commands.context"),
    Command("help", "Describe a command", "stomp.cli.commands.help"),
    Command("completion", "Print the completion script for a shell", "stomp.cli.commands.completion"),
    Command("man", "Print the manual page", "stomp.cli.commands.man"),
)

BY_NAME = {command.name: command for command in COMMANDS}


def overview() -> str:
    """The commands with their summaries, one line each, for help."""
    width = max(map(len, BY_NAME)) + 2
    return "\n".join(f"  {command.name:{width}}{command.summary}" for command in COMMANDS)


def find(arguments: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that the arguments name, and the arguments without its name.

    Options may be before the name: ``stomp -H broker send /queue/a hello``.
    """
    if arguments and arguments[0] in BY_NAME:
        return BY_NAME[arguments[0]], list(arguments[1:])
    if BY_NAME.keys().isdisjoint(arguments):
        return CLIENT, list(arguments)
    # The name of a command may also be the value of an option, so the words are scanned with the parser's options.
    parser = CLIENT.parser()
    unknown = False
    for word in parser.scan(arguments):
        if not word.name:
            if word.value in BY_NAME and "--" not in arguments[: word.position]:
                return BY_NAME[word.value], [*arguments[: word.position], *arguments[word.position + 1 :]]
            if not unknown and not str(word.value).startswith("-"):
                break
        # This may be an option of the command, which this parser does not have: the next word may be its value.
        unknown = word.name not in parser.options and word.value is None
    return CLIENT, list(arguments)
