"""``stomp bench``: throughput and latency of the broker, the network and this client together.

Throughput is measured at full speed. Latency is measured at a steady rate, from the time at which each message was due
and not from the time at which it was sent. So the delay counts when the broker blocks the sender, which avoids
"co-ordinated omission".
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.framework.exit_status import CommandError, Status
from stomp.cli.framework.parser import duration, number
from stomp.cli.framework.statistics import histogram, milliseconds, percentile

if TYPE_CHECKING:
    import threading
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

#: Bytes at the start of a body that identify this run and the number of the message.
_MARK = 16
_PERCENTILES = (50, 90, 99, 99.9, 100)
#: Seconds to wait for a message before the given destination counts as empty.
_EMPTY_CHECK_TIME = 0.3
#: Longest wait of a consumer in seconds, after which it checks whether the others have received the rest.
_CHECK_INTERVAL = 0.2


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("[DEST]")
    parser.epilog = (
        "First, COUNT messages are sent and received as fast as possible. Then messages are sent at a constant rate;\n"
        "the latency of each is measured from the time at which it was due.\n\n"
        "Examples:\n"
        "  stomp bench --size 1000 --persistent\n"
        "  stomp bench --producers 4 --consumers 4 --only throughput -n 100000"
    )
    parser.add("destination", metavar="DEST", nargs="?", completes="destination",
        help="an empty, unused queue (default: a random name)")  # fmt: skip
    parser.add("-n", "--count", metavar="COUNT", type=number(1), default=10_000,
        help="number of messages for the throughput (default 10000)")  # fmt: skip
    parser.add("--size", metavar="BYTES", type=number(_MARK), default=256, help="body size (default 256)")
    parser.add("--rate", metavar="N", type=number(0.1, whole=False), default=500.0,
        help="messages per second for the latency (default 500)")  # fmt: skip
    parser.add("--duration", metavar="TIME", type=duration(0.1), default=5.0,
        help="duration of the latency measurement (default 5)")  # fmt: skip
    parser.add("--only", choices=("throughput", "latency"), help="measure only one of the two")
    parser.add(
        "--no-confirm",
        action="store_true",
        help="do not wait for confirmations in the throughput measurement",
    )
    parser.add(
        "--persistent", action="store_true", help="ask the broker to keep the messages across a restart"
    )
    parser.add("--producers", metavar="N", type=number(1), default=1,
        help="number of connections that send, which share COUNT and the rate (default 1)")  # fmt: skip
    parser.add("--consumers", metavar="N", type=number(1), default=1,
        help="number of connections that receive: from a queue each gets a part (default 1)")  # fmt: skip
    parser.add("--json", action="store_true", help="write one line of JSON instead of text")
    options.add_options(parser)


@dataclass
class Plan:
    """The options and the destination of a run.

    Attributes:
        args: the options.
        terminal: for the progress bar.
        destination: the destination of all messages.
        headers: additional headers of each SEND and of the SUBSCRIBE.
        mark: the first bytes of every body of a measurement.
    """

    args: Namespace
    terminal: Terminal
    destination: str = ""
    headers: dict[str, Any] = field(default_factory=dict[str, Any])
    mark: bytes = b""

    def begin(self) -> None:
        """Begin a measurement: messages of the one before do not count, which consumers of a topic may still get."""
        self.mark = uuid.uuid4().bytes[: _MARK // 2]

    def body(self, index: int) -> bytes:
        """The body of the message with this number."""
        return (self.mark + index.to_bytes(_MARK // 2)).ljust(self.args.size, b".")

    def index(self, body: bytes) -> int | None:
        """The number of the message with this body; None if the message is not from this run."""
        if not body.startswith(self.mark):
            return None
        return int.from_bytes(body[_MARK // 2 : _MARK])

    @property
    def send(self) -> dict[str, Any]:
        """The arguments of each ``send``."""
        return {"headers": self.headers, "persistent": True if self.args.persistent else None}


def run(args: Namespace, terminal: Terminal) -> int:
    """Measure, and print the results."""
    from stomp.cli.config.settings import settings, using

    connection_settings = settings(args)
    plan = Plan(args, terminal)
    with contextlib.ExitStack() as stack:
        senders, receivers = (
            [stack.enter_context(using(connection_settings.client(reconnect=False))) for _ in range(count)]
            for count in (args.producers, args.consumers)
        )
        _choose_destination(plan, receivers[0])
        results: dict[str, Any] = {
            "broker": senders[0].broker.name,
            "version": senders[0].version,
            "destination": plan.destination,
            "size": args.size,
            "producers": args.producers,
            "consumers": args.consumers,
        }
        subscriptions = [
            stack.enter_context(receiver.subscribe(plan.destination, headers=plan.headers))
            for receiver in receivers
        ]
        if args.only != "latency":
            results["throughput"] = _throughput(plan, senders, subscriptions)
            if not args.json:
                _show_throughput(results["throughput"], terminal)
        if args.only != "throughput":
            latencies, results["latency"] = _latency(plan, senders, subscriptions)
            if not args.json:
                _show_latency(latencies, results["latency"], terminal)
    if args.json:
        import json

        terminal.write(json.dumps(results) + "\n")
    lost = results.get("latency", {}).get("missing", 0)
    if lost:
        raise CommandError(f"{lost} messages did not arrive", status=Status.UNREACHED)
    return Status.OK


def _choose_destination(plan: Plan, client: Any) -> None:
    """Set the destination: the given one, which must be empty, or a new one with a unique name.

    On RabbitMQ the new queue is deleted after its last consumer has unsubscribed.

    Raises:
        CommandError: there are messages in the given destination.
    """
    given = plan.args.destination
    if given is None:
        plan.destination = f"/queue/stompkit-bench-{uuid.uuid4().hex}"
        if client.broker.name == "rabbitmq":
            plan.headers = {"auto-delete": True, "durable": False, "exclusive": False}
        return
    plan.destination = given
    with client.subscribe(given, ack="client-individual") as subscription:
        if subscription.receive(_EMPTY_CHECK_TIME) is not None:
            raise CommandError(
                f"there are messages in {given}", hint="use an empty queue that no other program uses"
            )


# ------------------------------------------------------------------------------------- throughput


def _throughput(plan: Plan, senders: list[Any], subscriptions: list[Any]) -> dict[str, Any]:
    """Send and receive at the same time, each over its own connections."""
    args = plan.args
    plan.begin()
    arrivals = _Arrivals(args.count)
    timeout = args.duration + _message_timeout(plan)
    receiving = [_started(_receive, plan, each, arrivals, timeout) for each in subscriptions]
    started_at = time.perf_counter()
    sent = _publish(plan, senders) - started_at
    for thread in receiving:
        thread.join()
    if arrivals.missing:
        raise CommandError("not all messages arrived", status=Status.UNREACHED)
    return {
        "messages": args.count,
        "confirmed": not args.no_confirm,
        "sent": _speed_of(sent, args),
        "received": _speed_of(arrivals.last_at - started_at, args),
    }


class _Arrivals:
    """The messages of this run that have arrived, counted by the threads of all consumers.

    Attributes:
        times: the time at which each arrived, by its number.
        last_at: when the last one arrived; before that, when this object was made.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.times: dict[int, float] = {}
        self.last_at: float = time.perf_counter()

    def add(self, index: int | None) -> None:
        """Record a message; None is one of another run. Needs no lock: each step is one of the dictionary's."""
        now = time.perf_counter()
        if index is not None:
            self.times.setdefault(index, now)
            self.last_at = now

    @property
    def missing(self) -> int:
        """How many have not arrived."""
        return self._count - len(self.times)


def _started(function: Callable[..., object], *arguments: object) -> threading.Thread:
    import threading

    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _each(senders: list[Any], send: Callable[[Any, int], float]) -> float:
    """Call `send(sender, number)` for all senders at the same time. Returns the largest result.

    Raises:
        BaseException: the first exception of a sender.
    """
    results: list[float] = []
    errors: list[BaseException] = []

    def run(sender: Any, number: int) -> None:
        try:
            results.append(send(sender, number))
        except BaseException as error:
            errors.append(error)

    others = [_started(run, sender, number) for number, sender in enumerate(senders) if number]
    run(senders[0], 0)
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]
    return max(results)


def _publish(plan: Plan, senders: list[Any]) -> float:
    """Send all messages, each sender a part of them. Returns when the last one was sent and confirmed."""
    from stomp.cli.framework.progress import Progress
    from stomp.cli.messages.publisher import MessagePublisher

    count = plan.args.count

    def publish(sender: Any, number: int) -> float:
        publisher = MessagePublisher(sender, confirm=not plan.args.no_confirm)
        for index in range(number, count, len(senders)):
            publisher.send(plan.destination, plan.body(index), **plan.send)
            if not number:
                progress.update(index)
        publisher.collect(wait=True)
        return time.perf_counter()

    with Progress(plan.terminal, count, lambda done: f"{done:.0f} messages sent") as progress:
        return _each(senders, publish)


def _receive(plan: Plan, subscription: Any, arrivals: _Arrivals, timeout: float) -> None:
    """Receive until all messages of this run have arrived, at any consumer, or none has for `timeout` seconds."""
    while arrivals.missing and time.perf_counter() - arrivals.last_at < timeout:
        # Another consumer may get the last message, so the wait is short.
        message = subscription.receive(min(timeout, _CHECK_INTERVAL))
        if message is not None:
            arrivals.add(plan.index(message.body))


def _message_timeout(plan: Plan) -> float:
    """Seconds without a message after which the missing ones count as lost."""
    return float(plan.args.connect_timeout or 10.0)


def _speed_of(seconds: float, args: Namespace) -> dict[str, float]:
    rate = args.count / seconds
    return {
        "seconds": round(seconds, 6),
        "per_second": round(rate, 1),
        "megabytes_per_second": round(rate * args.size / 1e6, 3),
    }


def _show_throughput(results: dict[str, Any], terminal: Terminal) -> None:
    confirmation = "confirmed" if results["confirmed"] else "not confirmed"
    for name, label in (("sent", f"sent ({confirmation})"), ("received", "received")):
        speed = results[name]
        terminal.write(
            f"{label + ':':22} {speed['per_second']:>10,.0f} messages/s  {speed['megabytes_per_second']:>8.2f} MB/s\n"
        )


# ------------------------------------------------------------------------------------- latency


def _latency(plan: Plan, senders: list[Any], subscriptions: list[Any]) -> tuple[list[float], dict[str, Any]]:
    args = plan.args
    plan.begin()
    count = max(1, round(args.rate * args.duration))
    start = time.perf_counter() + 0.05
    due = [start + index / args.rate for index in range(count)]
    arrivals = _Arrivals(count)
    timeout = _message_timeout(plan)
    receiving = [_started(_receive, plan, each, arrivals, timeout) for each in subscriptions]
    behind = _each(
        senders, lambda sender, number: _send_steadily(plan, sender, due, range(number, count, len(senders)))
    )
    for thread in receiving:
        thread.join()
    latencies = sorted(at - due[index] for index, at in arrivals.times.items())
    seconds = (
        {_name(percent): round(percentile(latencies, percent), 6) for percent in _PERCENTILES}
        if latencies
        else {}
    )
    return latencies, {
        "rate": args.rate,
        "messages": count,
        "missing": count - len(latencies),
        "behind": round(behind, 6),
        "seconds": seconds,
    }


def _send_steadily(plan: Plan, sender: Any, due: list[float], indexes: Sequence[int]) -> float:
    """Send the messages of these numbers when they are due, or late. Returns the largest delay in seconds."""
    from stomp.cli.framework.progress import Progress

    behind = 0.0
    # One bar is enough: it belongs to the sender of the first message.
    total = len(due) if 0 in indexes else None
    with Progress(plan.terminal, total, lambda done: f"{done:.0f} messages at a constant rate") as progress:
        for index in indexes:
            remaining = due[index] - time.perf_counter()
            if remaining > 0:
                time.sleep(remaining)
            behind = max(behind, time.perf_counter() - due[index])
            sender.send(plan.destination, plan.body(index), **plan.send)
            if total is not None:
                progress.update(index)
    return behind


def _name(percent: float) -> str:
    return "max" if percent == 100 else f"p{percent:g}"


def _show_latency(latencies: list[float], results: dict[str, Any], terminal: Terminal) -> None:
    spread = ", ".join(f"{name} {milliseconds(value)}" for name, value in results["seconds"].items())
    terminal.write(
        f"latency at {results['rate']:g} messages/s: {spread or 'no message arrived'}\n"
        f"the sender was late by at most {milliseconds(results['behind'])}\n\n"
    )
    terminal.write("".join(f"{line}\n" for line in histogram(latencies)))
