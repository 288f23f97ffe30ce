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
        "The reply is what the command prints. If it ends with another exit status than 0, there is no reply, and the\n"
        "request is refused."
    )
    parser.add("destination", metavar="DEST", completes="destination", help="where requests are sent to")
    parser.add("--exec", metavar="COMMAND", required=True, completes="command",
        help="run this by the shell for each: body on standard input, headers as STOMP_HEADER_NAME")  # fmt: skip
    parser.add("--content-type", metavar="TYPE", help="the media type of the replies, as application/json")
    parser.add("--requeue", choices=("yes", "no"),
        help="whether what the command refuses is delivered again; the broker's own way if not given")  # fmt: skip
    consumer.add_options(parser, prefetch="1 if not given")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Answer requests until the count, the timeout or a signal ends it."""
    from stomp.cli.commands.listen import pause, settle
    from stomp.cli.messages.consumer import MessageConsumer
    from stomp.cli.messages.exec_handler import Handler

    handler = Handler(args.exec, capture=True)
    with MessageConsumer(
        args, terminal, destinations=[args.destination], prefetch=1, late=handler.kill
    ) as intake:
        failed = 0
        for message in intake:
            outcome = handler.run(message.headers, message.body, intake.stop)
            well, words = outcome.status == 0, outcome.words
            if well:
                words = _reply(message, outcome.output, args)
            failed = 0 if well else failed + 1
            settle(message, well, words, requeue=args.requeue, terminal=terminal)
            if words and well:
                terminal.say(f"{message.id}: {words}")
            pause(intake.stop, failed)
    return intake.status


def _reply(message: Any, output: bytes, args: Namespace) -> str:
    """Send the reply. Returns an empty string, or the reason why the message cannot be replied to."""
    from stomp.core.errors import UsageError

    try:
        # Wait for the confirmation: the request must not be acknowledged if its reply is lost.
        message.reply(output, content_type=args.content_type, confirm=True)
    except UsageError as error:
        return str(error)
    return ""
