"""``stomp bench``: throughput and latency of the broker, the network and this client together.

Throughput is measured at full speed. Latency is measured at a steady rate, from the time at which each message was due
and not from the time at which it was sent. So the delay counts when the broker blocks the sender, which avoids
"co-ordinated omission".
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.framework.exit_status import CommandError, Status
from stomp.cli.framework.parser import duration, number
from stomp.cli.framework.statistics import histogram, milliseconds, percentile

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

#: Bytes at the start of a body that identify this run and the number of the message.
_MARK = 16
_PERCENTILES = (50, 90, 99, 99.9, 100)
#: Seconds to wait for a message before the given destination counts as empty.
_EMPTY_CHECK_TIME = 0.3


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("[DEST]")
    parser.epilog = (
        "First, COUNT messages are sent and received as fast as possible. Then messages are sent at a constant rate;\n"
        "the latency of each is measured from the time at which it was due."
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
        mark: the first bytes of every body of this run.
    """

    args: Namespace
    terminal: Terminal
    destination: str = ""
    headers: dict[str, Any] = field(default_factory=dict[str, Any])
    mark: bytes = field(default_factory=lambda: uuid.uuid4().bytes[: _MARK // 2])

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
    with (
        using(connection_settings.client(reconnect=False)) as sender,
        using(connection_settings.client(reconnect=False)) as receiver,
    ):
        _choose_destination(plan, receiver)
        results: dict[str, Any] = {
            "broker": sender.broker.name,
            "version": sender.version,
            "destination": plan.destination,
            "size": args.size,
        }
        with receiver.subscribe(plan.destination, headers=plan.headers) as subscription:
            if args.only != "latency":
                results["throughput"] = _throughput(plan, sender, subscription)
                if not args.json:
                    _show_throughput(results["throughput"], terminal)
            if args.only != "throughput":
                latencies, results["latency"] = _latency(plan, sender, subscription)
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


def _throughput(plan: Plan, sender: Any, subscription: Any) -> dict[str, Any]:
    """Send and receive at the same time, over two connections."""
    import threading

    args = plan.args
    finished_at: list[float] = []
    thread = threading.Thread(
        target=_receive_all, args=(plan, subscription, args.count, finished_at), daemon=True
    )
    started_at = time.perf_counter()
    thread.start()
    sent = _publish(plan, sender) - started_at
    thread.join()
    if not finished_at:
        raise CommandError("not all messages arrived", status=Status.UNREACHED)
    return {
        "messages": args.count,
        "confirmed": not args.no_confirm,
        "sent": _speed_of(sent, args),
        "received": _speed_of(finished_at[0] - started_at, args),
    }


def _publish(plan: Plan, sender: Any) -> float:
    from stomp.cli.framework.progress import Progress
    from stomp.cli.messages.publisher import MessagePublisher

    publisher = MessagePublisher(sender, confirm=not plan.args.no_confirm)
    count = plan.args.count
    with Progress(plan.terminal, count, lambda done: f"{done:.0f} messages sent") as progress:
        for index in range(count):
            publisher.send(plan.destination, plan.body(index), **plan.send)
            progress.update(index)
        publisher.collect(wait=True)
    return time.perf_counter()


def _receive_all(plan: Plan, subscription: Any, count: int, finished_at: list[float]) -> None:
    """Receive `count` messages of this run, and append the time of the last one to `finished_at` if all arrive."""
    timeout = plan.args.duration + _message_timeout(plan)
    while count and (message := subscription.receive(timeout)) is not None:
        count -= plan.index(message.body) is not None
    if not count:
        finished_at.append(time.perf_counter())


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


def _latency(plan: Plan, sender: Any, subscription: Any) -> tuple[list[float], dict[str, Any]]:
    import threading

    args = plan.args
    count = max(1, round(args.rate * args.duration))
    start = time.perf_counter() + 0.05
    due = [start + index / args.rate for index in range(count)]
    latencies: list[float] = []
    thread = threading.Thread(
        target=_receive_latencies, args=(plan, subscription, due, latencies), daemon=True
    )
    thread.start()
    behind = _send_steadily(plan, sender, due)
    thread.join()
    latencies.sort()
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


def _send_steadily(plan: Plan, sender: Any, due: list[float]) -> float:
    """Send each message when it is due, or at once if it is late. Returns the largest delay in seconds."""
    from stomp.cli.framework.progress import Progress

    behind = 0.0
    with Progress(
        plan.terminal, len(due), lambda done: f"{done:.0f} messages at a constant rate"
    ) as progress:
        for index, due_at in enumerate(due):
            remaining = due_at - time.perf_counter()
            if remaining > 0:
                time.sleep(remaining)
            behind = max(behind, time.perf_counter() - due_at)
            sender.send(plan.destination, plan.body(index), **plan.send)
            progress.update(index)
    return behind


def _receive_latencies(plan: Plan, subscription: Any, due: list[float], latencies: list[float]) -> None:
    timeout = _message_timeout(plan)
    while len(latencies) < len(due) and (message := subscription.receive(timeout)) is not None:
        now = time.perf_counter()
        index = plan.index(message.body)
        if index is not None:
            latencies.append(now - due[index])


def _name(percent: float) -> str:
    return "max" if percent == 100 else f"p{percent:g}"


def _show_latency(latencies: list[float], results: dict[str, Any], terminal: Terminal) -> None:
    spread = ", ".join(f"{name} {milliseconds(value)}" for name, value in results["seconds"].items())
    terminal.write(
        f"latency at {results['rate']:g} messages/s: {spread or 'no message arrived'}\n"
        f"the sender was late by at most {milliseconds(results['behind'])}\n\n"
    )
    terminal.write("".join(f"{line}\n" for line in histogram(latencies)))
