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
_ALL = 60_000
#: Messages that are acknowledged together, after they have been flushed to the disk.
_TOGETHER = 100


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("DEST...")
    parser.epilog = (
        "Messages are acknowledged, and with that removed from a queue, when they are in the file; with --keep they\n"
        "stay, and come a second time if the connection is lost, so that this ends the command.\n"
        "Without -n and --timeout it goes on until Ctrl-C."
    )
    parser.add("destinations", metavar="DEST", nargs="+", completes="destination", help="what to dump")
    parser.add("-o", "--output", metavar="FILE", completes="file",
        help="write to this file, which must not exist; standard output if not given")  # fmt: skip
    parser.add("--append", action="store_true", help="let the file of --output exist, and write to its end")
    parser.add("--keep", action="store_true", help="leave the messages with the broker")
    parser.add("--bare", action="store_true",
        help="leave out the time and what tells of one delivery (message-id, subscription, ack, redelivered), and sort "
        "the headers: two dumps of the same messages are the same")  # fmt: skip
    consumer.add_options(parser, prefetch="100 if not given, and 60000 with --keep")
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
            prefetch=_ALL if args.keep else _TOGETHER,
            reconnect=not args.keep,
        ) as intake,
        Progress(terminal, args.count, lambda done: f"{done:.0f} messages") as progress,
    ):
        sink = _Sink(file, terminal, keep=args.keep, bare=args.bare)
        try:
            for message in intake:
                sink.write(message)
                if not intake.waiting or len(sink.pending) >= _TOGETHER:
                    sink.settle()
                if file is not None:
                    progress.update(intake.taken)
        finally:
            # Also after an error: messages that are in the file must not be delivered again.
            if intake.client.state.value == "connected":
                sink.settle()
    if intake.taken and terminal.is_terminal(terminal.err):
        terminal.say(f"{intake.taken} messages dumped")
    return intake.status


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
        late = 0
        for message in pending:
            try:
                message.ack()
            except StaleDelivery:
                late += 1
        if late:
            self._terminal.say(
                f"{late} messages are in the dump, and will come again: the connection was lost"
            )
