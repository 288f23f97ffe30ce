"""``stomp request``: sends requests and prints their replies."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from stomp.cli.commands import send
from stomp.cli.config import options
from stomp.cli.framework.exit_status import CommandError, Status
from stomp.cli.framework.parser import duration, number

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("DEST [BODY | -]")
    parser.epilog = (
        "Examples:\n"
        "  stomp request /queue/prices apples\n"
        "  stomp request /topic/health ping --replies 10 --timeout 2s --json\n"
        "  stomp request /queue/prices apples --count 100 --rate 10"
    )
    parser.add("destination", metavar="DEST", completes="destination", help="destination of the service")
    parser.add("body", metavar="BODY", nargs="?",
        help='the request (default, or "-": standard input)')  # fmt: skip
    parser.add("--timeout", metavar="TIME", type=duration(0.001), default=30.0,
        help="timeout for the reply (default 30)")  # fmt: skip
    parser.add("--count", metavar="N", type=number(1), default=1,
        help="send the request N times, each after the reply to the one before")  # fmt: skip
    parser.add(
        "--rate", metavar="N", type=number(1e-6, whole=False), help="send at most N requests per second"
    )
    parser.add("--replies", metavar="N", type=number(1), default=1,
        help="wait for N replies to each request, from several services that subscribe to a topic; after the timeout "
        "fewer are written, with exit status 3")  # fmt: skip
    parser.add("--json", action="store_true", help="write each reply with its headers as one line of JSON")
    send.add_message_options(parser)
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Send the requests, wait for the replies, and write their bodies unchanged; with --json as lines of JSON.

    If there are several replies, a line end follows each body that has none.
    """
    from stomp.cli.config.settings import settings, using
    from stomp.cli.framework.signals import RateLimiter, StopSignal
    from stomp.cli.messages import formats

    body = sys.stdin.buffer.read() if args.body in (None, "-") else os.fsencode(args.body)
    given = send.message_options(args)
    several, received = args.count * args.replies > 1, 0
    with using(settings(args).client()) as client, StopSignal() as stop:
        limiter = RateLimiter(args.rate, stop)
        for _ in range(args.count):
            limiter.wait()
            if stop.requested:
                return Status.INTERRUPTED
            found = client.request_many(
                args.destination, body, replies=args.replies, timeout=args.timeout, **given
            )
            for reply in found:
                received += 1
                if args.json:
                    terminal.write(formats.as_json(reply, received))
                    continue
                end = b"\n" if several and not reply.body.endswith(b"\n") else b""
                terminal.write(formats.raw(reply, received) + end)
            if len(found) < args.replies:
                raise CommandError(
                    f"{len(found)} of {args.replies} replies arrived in {args.timeout:g} s",
                    status=Status.UNREACHED,
                )
    return Status.OK
