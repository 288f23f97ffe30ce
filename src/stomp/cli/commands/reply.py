"""``stomp reply``: runs a program for each request and sends its output as the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.messages import consumer

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("DEST --exec COMMAND")
    parser.epilog = (
        "The output of the command is the reply. If its exit status is not 0, no reply is sent, and the request is\n"
        "rejected.\n\n"
        "Examples:\n"
        "  stomp reply /queue/upper --exec 'tr a-z A-Z'\n"
        "  stomp reply /queue/prices --exec ./price --content-type application/json"
    )
    parser.add(
        "destination", metavar="DEST", completes="destination", help="destination to take requests from"
    )
    parser.add("--exec", metavar="COMMAND", required=True, completes="command",
        help="run this shell command for each: body on standard input, headers as STOMP_HEADER_NAME")  # fmt: skip
    parser.add(
        "--content-type", metavar="TYPE", help="media type of the replies, for example application/json"
    )
    parser.add("--requeue", choices=("yes", "no"),
        help="requeue requests that the command rejects (default: the broker decides)")  # fmt: skip
    consumer.add_options(parser, prefetch="default 1")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Answer requests until the count, the timeout or a signal ends it."""
    from stomp.cli.commands.listen import pause, settle
    from stomp.cli.messages.consumer import MessageConsumer
    from stomp.cli.messages.exec_handler import Handler

    handler = Handler(args.exec, capture=True)
    with MessageConsumer(
        args, terminal, destinations=[args.destination], prefetch=1, on_grace_expired=handler.kill
    ) as messages:
        failed = 0
        for message in messages:
            outcome = handler.run(message.headers, message.body, messages.stop)
            succeeded, reason = outcome.status == 0, outcome.description
            if succeeded:
                reason = _reply(message, outcome.output, args)
            failed = 0 if succeeded else failed + 1
            settle(message, succeeded, reason, requeue=args.requeue, terminal=terminal)
            if reason and succeeded:
                terminal.info(f"{message.id}: {reason}")
            pause(messages.stop, failed)
    return messages.status


def _reply(message: Any, output: bytes, args: Namespace) -> str:
    """Send the reply. Returns an empty string, or the reason why the message cannot be replied to."""
    from stomp.core.errors import UsageError

    try:
        # Wait for the confirmation: the request must not be acknowledged if its reply is lost.
        message.reply(output, content_type=args.content_type, confirm=True)
    except UsageError as error:
        return str(error)
    return ""
