"""``stomp broker``: runs the embedded broker as a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options, which `stomp.broker.command` defines."""
    from stomp.broker import command

    command.configure(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Run the broker until a signal stops it."""
    from stomp.broker import command

    return command.run(args)
