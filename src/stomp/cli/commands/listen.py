"""``stomp listen``: prints messages, or runs a program for each message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.framework.parser import number
from stomp.cli.messages import consumer

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.signals import StopSignal
    from stomp.cli.framework.terminal import Terminal
    from stomp.cli.messages.consumer import MessageConsumer
    from stomp.cli.messages.exec_handler import Handler

#: Seconds to wait after the first failure, and the maximum after repeated failures.
_PAUSES = (0.1, 10.0)


def configure(parser: Parser) -> None:
    """Declare the options."""
    from stomp.cli.messages.formats import TOKENS

    parser.arguments_are("DEST...")
    parser.epilog = (
        "A message is acknowledged when it is written, or when the --exec command ends with exit status 0. Messages\n"
        f"that are not acknowledged stay with the broker.\n\n{TOKENS}\n"
        "Examples:\n"
        "  stomp listen /queue/orders\n"
        "  stomp listen /queue/orders --json --json-body | jq .json.total\n"
        "  stomp listen /queue/orders --exec ./process-order"
    )
    parser.add("destinations", metavar="DEST", nargs="+", completes="destination",
        help="destination, for example /queue/orders; more than one may be given")  # fmt: skip
    output = parser.add_mutually_exclusive_group()
    parser.add(
        "--json",
        group=output,
        action="store_true",
        help="write one line of JSON for each message: headers are an object, repeated ones have a list",
    )
    parser.add("--raw", group=output, action="store_true", help="write only the bodies")
    parser.add(
        "--format",
        group=output,
        metavar="FORMAT",
        help="write each message in this format; see the tokens below",
    )
    parser.add("--exec", group=output, metavar="COMMAND", completes="command",
        help="run this shell command for each message: body on standard input, headers in the environment as "
        "STOMP_HEADER_NAME; exit status 0 acknowledges the message, any other rejects it")  # fmt: skip
    parser.add("--headers-only", action="store_true", help="do not write the bodies")
    parser.add("--json-body", action="store_true",
        help="with --json: a body that is JSON is a value, not text")  # fmt: skip
    parser.add("--pretty", action="store_true", help="indent JSON: that of --json, or bodies that are JSON")
    parser.add("--shorten", metavar="N", type=number(0),
        help="write at most N bytes of each body; 0 for no limit (default on a terminal: 10000)")  # fmt: skip
    consumer.add_options(parser, prefetch="default 100, with --exec 1")
    parser.add("--ack", metavar="MODE", choices=("client-individual", "client", "auto", "none"),
        default="client-individual",
        help="client-individual (default): acknowledge each message; client: and all messages before it; auto: the "
        "broker considers a message delivered when it has sent it; none: do not acknowledge")  # fmt: skip
    parser.add("--requeue", choices=("yes", "no"),
        help="requeue messages that --exec rejects (default: the broker decides)")  # fmt: skip
    parser.add("--durable", metavar="NAME",
        help="name of a durable subscription: the broker keeps messages of the topic meanwhile")  # fmt: skip
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Receive messages until the count, the timeout or a signal ends it."""
    from stomp.cli.framework.exit_status import CommandError
    from stomp.cli.messages.consumer import MessageConsumer

    if args.json_body and not args.json:
        raise CommandError("--json-body is for --json only", hint="add --json")
    _refuse_without_effect(args)
    if args.exec is not None and (args.ack == "none" or args.headers_only):
        raise CommandError(
            "--exec cannot be used with --headers-only or --ack none",
            hint="leave these options out",
        )
    handler: Handler | None = None
    if args.exec is not None:
        from stomp.cli.messages.exec_handler import Handler

        handler = Handler(args.exec)
    write = None if handler is not None else _format(args, terminal)
    with MessageConsumer(
        args,
        terminal,
        destinations=args.destinations,
        ack=args.ack,
        prefetch=1 if handler is not None else 100,
        durable=args.durable,
        on_grace_expired=handler.kill if handler is not None else None,
    ) as messages:
        if handler is not None:
            _handle(messages, handler, args, terminal)
        else:
            _write(messages, write, args, terminal)
    return messages.status


def _refuse_without_effect(args: Namespace) -> None:
    from stomp.cli.framework.exit_status import CommandError

    chosen = next(
        (name for name in ("json", "raw", "format", "exec") if getattr(args, name) not in (None, False)), None
    )
    if chosen is not None and args.shorten is not None:
        raise CommandError(
            f"--shorten cannot be used with --{chosen}", hint="it is for messages that are written as text"
        )
    if chosen not in (None, "json") and args.pretty:
        raise CommandError(f"--pretty cannot be used with --{chosen}", hint="leave one of them out")


def _format(args: Namespace, terminal: Terminal) -> Any:
    from functools import partial

    from stomp.cli.messages import formats

    if args.format is not None:
        return formats.compiled(args.format)
    if args.raw:
        return formats.raw
    if args.json:
        return partial(
            formats.as_object, body=not args.headers_only, parse=args.json_body, pretty=args.pretty
        )
    return formats.readable(terminal, body=not args.headers_only, pretty=args.pretty, limit=args.shorten)


def _write(messages: MessageConsumer, write: Any, args: Namespace, terminal: Terminal) -> None:
    from stomp.core.errors import StaleDelivery

    out = terminal.write if args.json or args.raw or args.format is not None else terminal.put
    for message in messages:
        # Readable output is already cleaned and may have colours, so it is written with `put`.
        out(write(message, messages.received))
        if args.ack in ("auto", "none"):
            continue
        try:
            message.ack()
        except StaleDelivery:
            terminal.info(
                f"{message.id} was written and will be delivered again: the connection was lost before the ACK"
            )


def _handle(messages: MessageConsumer, handler: Handler, args: Namespace, terminal: Terminal) -> None:
    failed = 0
    for message in messages:
        outcome = handler.run(message.headers, message.body, messages.stop)
        failed = 0 if outcome.status == 0 else failed + 1
        if args.ack == "auto":
            if failed:
                terminal.error(
                    f"{message.id}: {outcome.description}; with --ack auto it is not delivered again"
                )
            continue
        settle(message, outcome.status == 0, outcome.description, requeue=args.requeue, terminal=terminal)
        pause(messages.stop, failed)


def pause(stop: StopSignal, failed: int) -> None:
    """Wait after `failed` failures in a row, because the broker may redeliver a rejected message at once.

    The wait doubles with each failure, up to the maximum. It ends early when a signal arrives.
    """
    if failed:
        stop.sleep(min(_PAUSES[0] * 2 ** min(failed - 1, 20), _PAUSES[1]))


def settle(message: Any, succeeded: bool, reason: str, *, requeue: str | None, terminal: Terminal) -> None:
    """Acknowledge or reject a message that a program has handled, and report a failure.

    Args:
        message: the message.
        succeeded: True to acknowledge it, False to reject it.
        reason: the failure, for the report.
        requeue: "yes", "no", or None for the default of the broker. Where the default is to discard the message, it is
            given back instead.
        terminal: where to report.

    Raises:
        Unsupported: the broker cannot do what `requeue` asks for.
    """
    from stomp.core.engine.acknowledge import requeue_of_failure
    from stomp.core.errors import StaleDelivery, Unsupported, UsageError

    try:
        if succeeded:
            message.ack()
            return
        requeue_message = requeue_of_failure(message) if requeue is None else requeue == "yes"
        message.nack(requeue=requeue_message)
        is_returned = requeue_message and message.connection.profile.nack_discards
        terminal.error(f"{message.id}: {reason}; {'returned to the broker' if is_returned else 'rejected'}")
    except StaleDelivery:
        terminal.error(f"{message.id}: {reason}, but the connection was lost: it will be delivered again")
    except Unsupported:
        raise
    except UsageError:
        # STOMP 1.0 has no NACK. The broker redelivers the message when the connection ends.
        terminal.error(f"{message.id}: {reason}; the broker delivers it again when this command ends")
