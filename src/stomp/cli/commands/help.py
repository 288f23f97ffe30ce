"""``stomp help``: prints the help of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.cli.framework import registry

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("[COMMAND]")
    parser.epilog = "Examples:\n  stomp help send\n  stomp help context"
    parser.add("command", metavar="COMMAND", nargs="?", help="the command (default: all of them)",
        completes="stomp-command")  # fmt: skip


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the help of the command, as its --help does."""
    if args.command is None:
        command = registry.CLIENT
    elif args.command in registry.BY_NAME:
        command = registry.BY_NAME[args.command]
    else:
        registry.CLIENT.parser().refuse_command(args.command)
    terminal.write(command.parser().format_help().encode())
    return 0
