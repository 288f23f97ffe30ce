"""Every command, by its name. Parsing, help, completion and the manual page are all made from this table.

A command is a module with two functions, which is imported when the command runs:

    def configure(parser: Parser) -> None:        # options and arguments, see `stomp.cli.framework.parser`
    def run(args: Namespace, terminal: Terminal) -> int:       # returns the exit status

`run` raises what the library raises; `stomp.cli.app` turns it into words and an exit status. If it needs a broker,
`configure` calls `options.add_options`, and `run` `connection.settings`, imported only there.

Adding a command is adding a row. This module must stay light: it is loaded by every start of the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stomp.cli.framework.parser import Parser


class Command(NamedTuple):
    """A row of the table.

    Attributes:
        name: the word behind ``stomp``; empty for the client that is there without one.
        summary: what it does, in one line, without a full stop.
        module: where `configure` and `run` are.
    """

    name: str
    summary: str
    module: str

    @property
    def title(self) -> str:
        """How it is called in help and messages."""
        return f"stomp {self.name}".rstrip()

    def load(self) -> Any:
        """The module."""
        import importlib

        return importlib.import_module(self.module)

    def parser(self) -> Parser:
        """The parser, with all options and arguments."""
        from stomp.cli.framework.parser import Parser

        module = self.load()
        commands = () if self.name else tuple(BY_NAME)
        parser = Parser(prog=self.title, description=self.summary + ".", commands=commands)
        module.configure(parser)
        return parser


#: What runs without the name of a command: the client that stomp.py has.
CLIENT = Command(
    "",
    "An interactive client, a listener, or a runner of scripts, as stomp.py has it",
    "stomp.cli.shell.main",
)

COMMANDS = (
    Command("send", "Send messages, each confirmed by the broker", "stomp.cli.commands.send"),
    Command("listen", "Print messages, or run a program for each", "stomp.cli.commands.listen"),
    Command("request", "Send a request and print the reply", "stomp.cli.commands.request"),
    Command("reply", "Answer requests by what a program prints", "stomp.cli.commands.reply"),
    Command("dump", "Write messages to a file, as lines of JSON", "stomp.cli.commands.dump"),
    Command("replay", "Send what was dumped", "stomp.cli.commands.replay"),
    Command("move", "Move messages from one destination to another", "stomp.cli.commands.move"),
    Command("doctor", "Find out, step by step, why a broker cannot be reached", "stomp.cli.commands.doctor"),
    Command("ping", "Measure how long the broker takes to answer", "stomp.cli.commands.ping"),
    Command("bench", "Measure throughput, and latency at a steady rate", "stomp.cli.commands.bench"),
    Command("broker", "Run a broker for development and tests", "stomp.cli.commands.broker"),
    Command("completion", "Print the completion script of a shell", "stomp.cli.commands.completion"),
    Command("man", "Print the manual page", "stomp.cli.commands.man"),
)

BY_NAME = {command.name: command for command in COMMANDS}


def overview() -> str:
    """The commands, a line for each, for help."""
    room = max(map(len, BY_NAME)) + 2
    return "\n".join(f"  {command.name:{room}}{command.summary}" for command in COMMANDS)


def find(arguments: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that the arguments name, and the arguments without its name.

    Options may stand before the name: ``stomp -H broker send /queue/a hello``.
    """
    if arguments and arguments[0] in BY_NAME:
        return BY_NAME[arguments[0]], list(arguments[1:])
    if BY_NAME.keys().isdisjoint(arguments):
        return CLIENT, list(arguments)
    # Only now it matters which of them are values of options, and only the parser knows.
    parser = CLIENT.parser()
    unknown = False
    for word in parser.scan(arguments):
        if not word.name:
            if word.value in BY_NAME and "--" not in arguments[: word.place]:
                return BY_NAME[word.value], [*arguments[: word.place], *arguments[word.place + 1 :]]
            if not unknown and not str(word.value).startswith("-"):
                break
        # An option of the command itself, which this parser does not know: the next word may be its value.
        unknown = word.name not in parser.options and word.value is None
    return CLIENT, list(arguments)
