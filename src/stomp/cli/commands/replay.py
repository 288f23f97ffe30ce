"""``stomp replay``: sends the messages of a file that `stomp dump` has written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from stomp.cli.config import options
from stomp.cli.framework.exit_status import CommandError, Status
from stomp.cli.framework.parser import number

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.signals import StopSignal
    from stomp.cli.framework.terminal import Terminal
    from stomp.cli.messages.jsonl import Record


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("[FILE]")
    parser.epilog = (
        "Each message is confirmed by the broker. If the command is interrupted or fails, it prints how many messages\n"
        "were confirmed, and the value of --skip with which to continue.\n\n"
        "Examples:\n"
        "  stomp replay orders.jsonl --to /queue/orders-copy\n"
        "  zcat prices.jsonl.gz | stomp replay --timing"
    )
    parser.add(
        "file", metavar="FILE", nargs="?", completes="file", help="dump to send (default: standard input)"
    )
    parser.add("--to", metavar="DEST", completes="destination",
        help="send all messages to this destination instead of the original ones")  # fmt: skip
    parser.add("--skip", metavar="N", type=number(0), default=0, help="skip the first N messages of the file")
    parser.add("-n", "--count", metavar="COUNT", type=number(1), help="stop after COUNT messages")
    speed = parser.add_mutually_exclusive_group()
    parser.add("--timing", group=speed, action="store_true", help="keep the original time between messages")
    parser.add(
        "--rate",
        group=speed,
        metavar="N",
        type=number(1e-6, whole=False),
        help="send at most N messages per second",
    )
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Send all messages, and return after the broker has confirmed them."""
    from stomp.cli.commands.send import length_of, open_input
    from stomp.cli.config.settings import settings, using
    from stomp.cli.framework.progress import Progress, size
    from stomp.cli.framework.signals import StopSignal
    from stomp.cli.messages.publisher import MessagePublisher

    connection_settings = settings(args)
    with open_input(args.file) as file, using(connection_settings.client()) as client, StopSignal() as stop:
        publisher = MessagePublisher(client)
        try:
            with Progress(terminal, length_of(file), size) as progress:
                for record, read in _records(args, file, stop):
                    message = record.options(destination=args.to)
                    if not message["destination"]:
                        raise CommandError("a message has no destination", hint="use --to DEST")
                    publisher.send(message.pop("destination"), message.pop("body"), **message)
                    progress.update(read)
                publisher.collect(wait=True)
        except Exception:
            _report(args, publisher, terminal)
            raise
    if stop.requested:
        _report(args, publisher, terminal)
        return Status.INTERRUPTED
    if terminal.is_terminal(terminal.err):
        terminal.info(f"{publisher.confirmed} messages replayed")
    return Status.OK


def _report(args: Namespace, publisher: Any, terminal: Terminal) -> None:
    text = f"{publisher.confirmed} messages were confirmed; continue with --skip {args.skip + publisher.confirmed}"
    unknown = publisher.sent - publisher.confirmed
    terminal.info(text + (f" ({unknown} more may have been sent)" if unknown else ""))


def _records(args: Namespace, file: BinaryIO, stop: StopSignal) -> Iterator[tuple[Record, int]]:
    """The messages to send, each with the number of bytes read so far.

    Waits before each message as --timing and --rate demand. Ends when a signal arrives.
    """
    from stomp.cli.commands.send import interruptibly, split_input
    from stomp.cli.framework.signals import RateLimiter
    from stomp.cli.messages import jsonl

    limiter, timing = RateLimiter(args.rate, stop), _Timing(stop)
    number = 0
    for line_number, (line, read) in enumerate(interruptibly(split_input(file, b"\n"), stop), 1):
        if not line.strip():
            continue
        number += 1
        if number <= args.skip:
            continue
        if args.count is not None and number > args.skip + args.count:
            return
        record = jsonl.read(line, f"line {line_number} of {args.file or 'standard input'}")
        if args.timing:
            timing.wait(record.time)
        limiter.wait()
        if stop.requested:
            return
        yield record, read


class _Timing:
    """Waits, so that the time between messages is the one at which they were received."""

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop
        self._offset: float | None = None

    def wait(self, recorded_at: float | None) -> None:
        import time

        if recorded_at is None:
            return
        now = time.monotonic()
        if self._offset is None:
            self._offset = now - recorded_at
        self._stop.sleep(self._offset + recorded_at - now)
