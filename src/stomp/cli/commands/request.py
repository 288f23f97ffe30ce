"""``stomp request``: sends a request and prints the reply."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from stomp.cli.commands import send
from stomp.cli.config import options
from stomp.cli.framework.parser import duration

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("DEST [BODY | -]")
    parser.add("destination", metavar="DEST", completes="destination", help="destination of the service")
    parser.add("body", metavar="BODY", nargs="?",
        help='the request (default, or "-": standard input)')  # fmt: skip
    parser.add("--timeout", metavar="TIME", type=duration(0.001), default=30.0,
        help="timeout for the reply (default 30)")  # fmt: skip
    parser.add("--json", action="store_true", help="write the reply with its headers as one line of JSON")
    send.add_message_options(parser)
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Send the request, wait for the reply, and write its body unchanged; with --json as a line of JSON."""
    from stomp.cli.config.settings import settings, using
    from stomp.cli.messages import formats

    body = sys.stdin.buffer.read() if args.body in (None, "-") else os.fsencode(args.body)
    with using(settings(args).client()) as client:
        reply = client.request(args.destination, body, timeout=args.timeout, **send.message_options(args))
        terminal.write(formats.as_json(reply, 1) if args.json else formats.raw(reply, 1))
    return 0
