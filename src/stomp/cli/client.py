"""``stomp`` without the name of a command: the client that stomp.py has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.cli import options, registry

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.parser import Parser
    from stomp.cli.terminal import Terminal


def configure(parser: Parser) -> None:
    """The options of stomp.py's client, and those of the connection."""
    from stomp._version import __version__

    parser.epilog = f"Commands, each with a --help of its own:\n{registry.overview()}"
    parser.add("--version", action="version", version=__version__, help="show the version number and exit")
    parser.add("-F", "--file", metavar="FILE", completes="file",
        help="a file of commands to run, instead of asking for them")  # fmt: skip
    parser.add("-L", "--listen", metavar="DEST", completes="destination",
        help="listen to a destination, and print what comes")  # fmt: skip
    parser.add("-V", "--verbose", action="store_true", completes="switch",
        help='print the headers of all frames: "on" or "off", or alone for on')  # fmt: skip
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Run a script, listen, or ask for commands."""
    from stomp.cli.connection import settings

    settings(args)
    raise NotImplementedError
