"""``stomp send``: sends messages from an argument, a file or standard input, each confirmed by the broker."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from stomp.cli.config import options
from stomp.cli.framework.exit_status import CommandError, Interrupted, Status, verdict
from stomp.cli.framework.parser import duration, gathered, header, number

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

_READ = 256 * 1024


def configure(parser: Parser) -> None:
    """Declare the options."""
    from stomp.cli.messages.templates import PLACEHOLDERS

    parser.arguments_are("DEST [BODY | -]")
    parser.epilog = f"""\
{PLACEHOLDERS}
Examples:
  stomp send /queue/orders hello
  stomp send /queue/orders --file order.json --json --header "type: order"
  stomp send /queue/test --count 100 --rate 10 --template "order {{{{count}}}}"
  tail -f app.log | stomp send /topic/log --lines"""
    parser.add(
        "destination", metavar="DEST", completes="destination", help="destination, for example /queue/orders"
    )
    parser.add(
        "body", metavar="BODY", nargs="?",
        help='the body (default, or "-": standard input)',
    )  # fmt: skip
    parser.add(
        "--file", metavar="FILE", completes="file", help='read the body from this file; "-" is standard input'
    )
    cut = parser.add_mutually_exclusive_group()
    parser.add("--lines", group=cut, action="store_true",
        help="send each line as one message, without the newline")  # fmt: skip
    parser.add("-0", "--null", group=cut, action="store_true",
        help="messages are separated by NUL bytes (as from find -print0)")  # fmt: skip
    parser.add("--jsonl", group=cut, action="store_true",
        help='send one message for each line of JSON: {"destination", "headers", "body" or "body64"}; DEST is the '
        "default destination")  # fmt: skip
    add_message_options(parser)
    parser.add("--json", group=cut, action="store_true",
        help="the body must be JSON; its content-type is application/json")  # fmt: skip
    parser.add("--count", metavar="N", type=number(1), default=1, help="send each message N times")
    parser.add("--template", action="store_true",
        help="fill in the placeholders of the body and the headers; see below")  # fmt: skip
    parser.add(
        "--rate", metavar="N", type=number(1e-6, whole=False), help="send at most N messages per second"
    )
    parser.add("--no-confirm", action="store_true",
        help="do not wait for confirmations; faster, but errors may go unnoticed")  # fmt: skip
    parser.add("--resend", action="store_true",
        help="after a lost connection, send unconfirmed messages again, with possible-duplicate:true")  # fmt: skip
    options.add_options(parser)


def add_message_options(parser: Parser) -> None:
    """Declare the options for the headers of a message, which `stomp send` and `stomp request` share."""
    parser.add("--header", metavar="NAME:VALUE", type=header, action="append", default=[],
        help="message header; may be repeated")  # fmt: skip
    parser.add("--content-type", metavar="TYPE", help="media type of the body, for example application/json")
    parser.add(
        "--persistent", action="store_true", help="ask the broker to keep the message across a restart"
    )
    parser.add("--priority", metavar="N", type=number(0, 9), help="priority, 0 to 9")
    parser.add("--ttl", metavar="TIME", type=duration(0.001), help="time until the message expires")
    parser.add("--delay", metavar="TIME", type=duration(0.001),
        help="time until the message is delivered, if the broker supports that")  # fmt: skip


def message_options(args: Namespace) -> dict[str, Any]:
    """The arguments of ``stomp.Client.send`` for the options of `add_message_options`."""
    return {
        "headers": gathered(args.header),
        "content_type": args.content_type,
        "persistent": True if args.persistent else None,
        "priority": args.priority,
        "ttl": args.ttl,
        "delay": args.delay,
    }


class Item(NamedTuple):
    """A message to send, and how many bytes of the input were read up to its end."""

    destination: str
    body: bytes
    options: dict[str, Any]
    read: int


def run(args: Namespace, terminal: Terminal) -> int:
    """Send all messages, and return after the broker has confirmed them."""
    from stomp.cli.config.settings import settings, using
    from stomp.cli.framework.signals import RateLimiter, StopSignal

    if args.body not in (None, "-") and (args.file or args.lines or args.null or args.jsonl):
        raise CommandError("BODY and --file, --lines, --null or --jsonl cannot be used together")
    made = settings(args)
    given = message_options(args)
    body: str = "-" if args.body is None else args.body
    if body != "-":
        source: Any = contextlib.nullcontext()
    else:
        source = open_input(args.file)
        if args.file in (None, "-") and terminal.is_terminal(sys.stdin):
            terminal.info("reading from the terminal; Ctrl-D ends it")
    on_unknown = "resend" if args.resend else "raise"
    with source as file, using(made.client(on_unknown=on_unknown)) as client, StopSignal() as stop:
        if file is None:
            items = iter([Item(args.destination, os.fsencode(body), given, 0)])
        else:
            items = _items(args, file, given)
        return _Sender(args, terminal, client, stop, RateLimiter(args.rate, stop)).run(items, file)


class _Sender:
    """The loop that sends the messages and reports the result."""

    def __init__(self, args: Namespace, terminal: Terminal, client: Any, stop: Any, limiter: Any) -> None:
        from stomp.cli.messages.publisher import MessagePublisher

        self._args = args
        self._terminal = terminal
        self._client = client
        self._stop = stop
        self._limiter = limiter
        self._publisher = MessagePublisher(client, confirm=not args.no_confirm)

    def run(self, items: Iterator[Item], source: BinaryIO | None) -> int:
        publisher, repeats = self._publisher, self._args.count > 1
        try:
            with self._progress(source) as progress:
                for item in interruptibly(items, self._stop):
                    same = None if self._args.template else self._prepared(item, 0)
                    for _ in range(self._args.count):
                        self._limiter.wait()
                        if self._stop.requested:
                            break
                        body, given = same or self._prepared(item, publisher.sent + 1)
                        publisher.send(item.destination, body, **given)
                        progress.update(publisher.confirmed if repeats else item.read)
                publisher.collect(wait=True)
        except Exception as error:
            self._report_counts(error)
            raise
        if self._args.no_confirm and not self._client.close():
            raise CommandError(
                "the connection was lost before the broker had confirmed all messages",
                status=Status.UNREACHED,
            )
        if self._stop.requested:
            self._terminal.info(f"interrupted; {_messages(publisher.confirmed)} sent")
            return Status.INTERRUPTED
        if publisher.sent > 1 and self._terminal.is_terminal(self._terminal.err):
            outcome = "sent" if self._args.no_confirm else "confirmed"
            self._terminal.info(f"{_messages(publisher.sent)} {outcome}")
        return Status.OK

    def _prepared(self, item: Item, number: int) -> tuple[bytes, dict[str, Any]]:
        """The body and the options of a message; `number` is that of its placeholders."""
        body, given = _filled(item, number) if self._args.template else (item.body, item.options)
        return _as_json(body, given) if self._args.json else (body, given)

    def _progress(self, source: BinaryIO | None) -> Any:
        from stomp.cli.framework.progress import Progress, size

        if self._args.count > 1:
            total = self._args.count if source is None else None
            return Progress(self._terminal, total, lambda count: f"{count:.0f} messages")
        return Progress(self._terminal, length_of(source), size)

    def _report_counts(self, error: Exception) -> None:
        """Report the number of sent and confirmed messages, if there was more than one."""
        publisher = self._publisher
        if publisher.sent <= 1:
            return
        verdict(error)  # raises a bug again: `app` reports it
        self._terminal.info(
            f"{_messages(publisher.sent)} sent, the first {publisher.confirmed} of them confirmed"
        )


def _filled(item: Item, number: int) -> tuple[bytes, dict[str, Any]]:
    from stomp.cli.messages import templates

    text = item.body.decode("utf-8", "surrogateescape")
    body = templates.fill(text, number).encode("utf-8", "surrogateescape")
    return body, templates.fill_options(item.options, number)


def _as_json(body: bytes, given: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    import json

    try:
        json.loads(body)
    except (ValueError, RecursionError) as err:
        raise CommandError(f"the body is not JSON: {err}", hint="send it without --json") from err
    return body, {**given, "content_type": given["content_type"] or "application/json"}


def _messages(count: int) -> str:
    return f"{count} message" if count == 1 else f"{count} messages"


# ------------------------------------------------------------------------------------- reading


def open_input(name: str | None) -> AbstractContextManager[BinaryIO]:
    """Open a file to read. None and "-" mean standard input, which is not closed.

    Raises:
        OSError: it cannot be read.
    """
    if name in (None, "-"):
        return contextlib.nullcontext(sys.stdin.buffer)
    return open(os.path.expanduser(str(name)), "rb")


def length_of(source: BinaryIO | None) -> int | None:
    """The size in bytes of a regular file; None for anything else."""
    if source is None:
        return None
    try:
        file_status = os.fstat(source.fileno())
    except OSError:
        return None
    import stat

    return file_status.st_size if stat.S_ISREG(file_status.st_mode) else None


def interruptibly(items: Iterator[Any], stop: Any) -> Iterator[Any]:
    """The items, until there are no more or a signal arrives."""
    while True:
        try:
            with stop.interruptible():
                item = next(items)
        except (StopIteration, Interrupted):
            return
        yield item


def split_input(source: BinaryIO, end: bytes) -> Iterator[tuple[bytes, int]]:
    """Split the input at `end`. Yields each piece and the number of bytes read up to its end.

    The last piece may lack the `end`.
    """
    rest: list[bytes] = []
    read = 0
    while data := _read_available(source):
        *whole, last = data.split(end)
        for piece in whole:
            rest.append(piece)
            body = b"".join(rest)
            rest.clear()
            read += len(body) + len(end)
            yield body, read
        if last:
            rest.append(last)
    if rest:
        body = b"".join(rest)
        yield body, read + len(body)


def _read_available(source: BinaryIO) -> bytes:
    """Read the bytes that are available, so that a typed line is sent before the next one is typed."""
    read_chunk: Any = getattr(source, "read1", None) or source.read
    data: bytes = read_chunk(_READ)
    return data


def _items(args: Namespace, source: BinaryIO, given: dict[str, Any]) -> Iterator[Item]:
    if not (args.lines or args.null or args.jsonl):
        body = source.read()
        yield Item(args.destination, body, given, len(body))
        return
    if not args.jsonl:
        for body, read in split_input(source, b"\0" if args.null else b"\n"):
            yield Item(args.destination, body, given, read)
        return
    from stomp.cli.messages import jsonl

    for line_number, (line, read) in enumerate(split_input(source, b"\n"), 1):
        if not line.strip():
            continue
        record = jsonl.read(line, f"line {line_number} of {args.file or 'standard input'}")
        made = record.options() if record.is_received else record.as_written()
        destination, body = made.pop("destination") or args.destination, made.pop("body")
        made["headers"] |= given["headers"]
        yield Item(destination, body, {**given, **made}, read)
