"""``stomp dump``: writes messages to a file as lines of JSON, which `stomp replay` can send again."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from stomp.cli.config import options
from stomp.cli.messages import consumer

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

#: The prefetch with --keep: no message is acknowledged, so the broker must be allowed to send all of them at once.
_KEEP_PREFETCH = 60_000
#: Messages that are acknowledged together, after they have been flushed to the disk.
_ACK_BATCH = 100


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("DEST...")
    parser.epilog = (
        "Messages are acknowledged, and so removed from a queue, once they are in the file. With --keep they stay\n"
        "with the broker; the command ends if the connection is lost, because they would be delivered again.\n"
        "Without -n and --timeout it runs until Ctrl-C.\n\n"
        "Examples:\n"
        "  stomp dump /queue/orders --keep -o orders.jsonl --timeout 2s\n"
        "  stomp dump /topic/prices -n 1000 | gzip > prices.jsonl.gz"
    )
    parser.add("destinations", metavar="DEST", nargs="+", completes="destination", help="destination to dump")
    parser.add("-o", "--output", metavar="FILE", completes="file",
        help="file to write, which must not exist (default: standard output)")  # fmt: skip
    parser.add("--append", action="store_true", help="append to the file of --output if it exists")
    parser.add("--keep", action="store_true", help="do not acknowledge: the messages stay with the broker")
    parser.add("--bare", action="store_true",
        help="omit the time and the headers that a copy does not have (message-id, timestamp ...), and sort the "
        "headers: two dumps of the same messages, or of their copies, are identical")  # fmt: skip
    consumer.add_options(parser, prefetch="default 100, with --keep 60000")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Write the messages until the count, the timeout or a signal ends it."""
    from stomp.cli.framework.progress import Progress
    from stomp.cli.messages.consumer import MessageConsumer

    with (
        _output(args) as file,
        MessageConsumer(
            args,
            terminal,
            destinations=args.destinations,
            ack="none" if args.keep else "client-individual",
            prefetch=_KEEP_PREFETCH if args.keep else _ACK_BATCH,
            reconnect=not args.keep,
        ) as messages,
        Progress(terminal, args.count, lambda done: f"{done:.0f} messages") as progress,
    ):
        sink = _Sink(file, terminal, keep=args.keep, bare=args.bare)
        try:
            for message in messages:
                sink.write(message)
                if not messages.queued or len(sink.pending) >= _ACK_BATCH:
                    sink.settle()
                if file is not None:
                    progress.update(messages.received)
        finally:
            # Also after an error: messages that are in the file must not be delivered again.
            if messages.client.state.value == "connected":
                sink.settle()
    if messages.received and terminal.is_terminal(terminal.err):
        terminal.info(f"{messages.received} messages dumped")
    return messages.status


def _output(args: Namespace) -> Any:
    if args.output in (None, "-"):
        return contextlib.nullcontext()
    return open(os.path.expanduser(args.output), "ab" if args.append else "xb")


class _Sink:
    """Writes the lines, and acknowledges a message after its line has been flushed to the disk."""

    def __init__(self, file: BinaryIO | None, terminal: Terminal, *, keep: bool, bare: bool) -> None:
        self._file = file
        self._terminal = terminal
        self._keep = keep
        self._bare = bare
        self.pending: list[Any] = []

    def write(self, message: Any) -> None:
        from stomp.cli.messages import jsonl

        text = jsonl.line(jsonl.of_message(message, time=time.time()), bare=self._bare)
        if self._file is None:
            self._terminal.write(text)
        else:
            self._file.write(text.encode())
        if not self._keep:
            self.pending.append(message)

    def settle(self) -> None:
        from stomp.core.errors import StaleDelivery

        if self._file is not None:
            self._file.flush()
            with contextlib.suppress(OSError):  # a pipe cannot be synced to a disk
                os.fsync(self._file.fileno())
        pending, self.pending = self.pending, []
        stale = 0
        for message in pending:
            try:
                message.ack()
            except StaleDelivery:
                stale += 1
        if stale:
            self._terminal.info(
                f"{stale} messages are in the dump and will be delivered again: the connection was lost"
            )
