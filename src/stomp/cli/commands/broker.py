"""``stomp broker``: the embedded broker as a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """The options of the broker are those that it has itself."""
    from stomp.broker import command

    command.configure(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Run the broker until a signal ends it."""
    from stomp.broker import command

    return command.run(args)
