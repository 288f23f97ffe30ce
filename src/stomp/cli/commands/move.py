"""``stomp move``: moves messages from one destination to another without losing any.

A message is acknowledged after the broker has confirmed its copy. If the connection is lost between the two, the
message is duplicated: the copy is at the target and the original is still at the source.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import number
from stomp.cli.messages import consumer

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


#: Seconds without a message after which the source counts as empty.
_EMPTY_AFTER = 5.0


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("FROM TO")
    parser.epilog = (
        "A message is acknowledged after the broker has confirmed its copy, so none is lost. If the connection is\n"
        "lost before the ACK, a message may exist twice; the command reports this and continues.\n"
        "It ends when FROM is empty: after -n messages, or when no message has arrived for 5 s or for --timeout.\n"
        "With --follow it runs until Ctrl-C, and connects again to both brokers when a connection is lost.\n\n"
        "Examples:\n"
        "  stomp move ActiveMQ.DLQ /queue/orders -n 10 --timeout 2s\n"
        "  stomp move /queue/orders /queue/orders --url stomp://old.example.com \\\n"
        "      --to-url stomp://new.example.com --follow"
    )
    parser.add("source", metavar="FROM", completes="destination", help="source destination")
    parser.add("target", metavar="TO", completes="destination", help="target destination")
    parser.add("--to-url", metavar="URL",
        help="URL of another broker, to which the messages are moved; the connection options are for FROM")  # fmt: skip
    parser.add(
        "--follow", action="store_true", help="do not end when FROM is empty: move messages as they arrive"
    )
    parser.add(
        "--rate", metavar="N", type=number(1e-6, whole=False), help="send at most N messages per second"
    )
    consumer.add_options(parser, prefetch="default 100")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Move messages until the count, the timeout or a signal ends it."""
    from functools import partial

    from stomp.cli.framework.progress import Progress
    from stomp.cli.framework.signals import RateLimiter
    from stomp.cli.messages.consumer import MessageConsumer
    from stomp.cli.messages.publisher import MessagePublisher

    if args.source == args.target and args.to_url is None:
        raise CommandError("FROM and TO are the same destination", hint="use another destination")
    if args.follow and args.timeout is not None:
        raise CommandError("--follow and --timeout cannot be used together", hint="use one of them")
    if args.count is None and args.timeout is None and not args.follow:
        args.timeout = _EMPTY_AFTER
    tally = _Tally(terminal)
    other: Any = None
    try:
        with (
            contextlib.ExitStack() as resources,
            MessageConsumer(args, terminal, destinations=[args.source]) as messages,
            Progress(terminal, args.count, lambda moved: f"{moved:.0f} messages") as progress,
        ):
            other = None if args.to_url is None else resources.enter_context(_target_client(args.to_url))
            publisher = MessagePublisher(other or messages.client, on_confirmed=tally.acknowledge)
            limiter = RateLimiter(args.rate, messages.stop)
            for message in messages:
                limiter.wait()
                if messages.reconnects and message.redelivered:
                    # Its ACK may have been lost with the connection, after its copy was confirmed.
                    tally.add_possible_duplicate()
                tally.unless_unknown(partial(_copy, publisher, message, args.target))
                # If no message is queued, wait for the confirmations: otherwise the last copies stay unacknowledged
                # until the next message arrives.
                while not tally.unless_unknown(partial(publisher.collect, wait=not messages.queued)):
                    pass
                progress.update(tally.moved)
            while not tally.unless_unknown(partial(publisher.collect, wait=True)):
                pass
    finally:
        if other is not None:
            tally.add_possible_duplicate(other.stats().resent)
        tally.report()
    return messages.status


def _target_client(url: str) -> AbstractContextManager[Any]:
    """A connected client of the other broker."""
    import stomp
    from stomp.cli.config.settings import mute, using

    mute()
    # A copy without an answer is sent again. Otherwise its original would stay unacknowledged, as the connection to the
    # other broker is not lost.
    return using(stomp.Client(url, attempts=1, reattempts=-1, on_unknown="resend"))


def _copy(publisher: Any, message: Any, target: str) -> None:
    from stomp.cli.messages import jsonl

    arguments = jsonl.of_message(message).options(destination=target)
    publisher.send(arguments.pop("destination"), arguments.pop("body"), note=message, **arguments)


class _Tally:
    """Acknowledges the originals, and counts moved and possibly duplicated messages."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.moved = 0
        self._possible_duplicates = 0

    def acknowledge(self, message: Any) -> None:
        """Acknowledge the original after its copy was confirmed."""
        from stomp.core.errors import StaleDelivery

        try:
            message.ack()
            self.moved += 1
        except StaleDelivery:
            self._possible_duplicates += 1

    def add_possible_duplicate(self, count: int = 1) -> None:
        """Count messages that may exist twice."""
        self._possible_duplicates += count

    def unless_unknown(self, action: Callable[[], object]) -> bool:
        """Call `action`. Returns False if the outcome of a copy is unknown; its original is not acknowledged then."""
        from stomp.core.errors import OutcomeUnknown

        try:
            action()
        except OutcomeUnknown:
            self._possible_duplicates += 1
            return False
        return True

    def report(self) -> None:
        """Report possible duplicates; on a terminal also the number of moved messages."""
        terminal = self._terminal
        if self._possible_duplicates:
            terminal.info(
                f"up to {self._possible_duplicates} messages may exist twice: the connection was lost before they were "
                "acknowledged"
            )
        if terminal.is_terminal(terminal.err):
            terminal.info(f"{self.moved} messages moved")
