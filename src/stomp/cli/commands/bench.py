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
from stomp.cli.framework.parser import number
from stomp.cli.framework.statistics import histogram, milliseconds, percentile

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

#: Bytes at the start of a body that identify this run and the number of the message.
_MARK = 16
_PERCENTILES = (50, 90, 99, 99.9, 100)
#: Seconds to wait for a message before the given destination counts as empty.
_LOOK = 0.3


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
    parser.add("--duration", metavar="SECONDS", type=number(0.1, whole=False), default=5.0,
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

    def body(self, place: int) -> bytes:
        """The body of the message with this number."""
        return (self.mark + place.to_bytes(_MARK // 2)).ljust(self.args.size, b".")

    def place(self, body: bytes) -> int | None:
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

    made = settings(args)
    plan = Plan(args, terminal)
    with using(made.client(reconnect=False)) as sender, using(made.client(reconnect=False)) as receiver:
        _choose(plan, receiver)
        told: dict[str, Any] = {
            "broker": sender.broker.name,
            "version": sender.version,
            "destination": plan.destination,
            "size": args.size,
        }
        with receiver.subscribe(plan.destination, headers=plan.headers) as subscription:
            if args.only != "latency":
                told["throughput"] = _throughput(plan, sender, subscription)
                if not args.json:
                    _show_throughput(told["throughput"], terminal)
            if args.only != "throughput":
                latencies, told["latency"] = _latency(plan, sender, subscription)
                if not args.json:
                    _show_latency(latencies, told["latency"], terminal)
    if args.json:
        import json

        terminal.write(json.dumps(told) + "\n")
    lost = told.get("latency", {}).get("missing", 0)
    if lost:
        raise CommandError(f"{lost} messages did not arrive", status=Status.UNREACHED)
    return Status.OK


def _choose(plan: Plan, client: Any) -> None:
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
        if subscription.receive(_LOOK) is not None:
            raise CommandError(
                f"there are messages in {given}", hint="use an empty queue that no other program uses"
            )


# ------------------------------------------------------------------------------------- throughput


def _throughput(plan: Plan, sender: Any, subscription: Any) -> dict[str, Any]:
    """Send and receive at the same time, over two connections."""
    import threading

    args = plan.args
    taken: list[float] = []
    thread = threading.Thread(target=_take, args=(plan, subscription, args.count, taken), daemon=True)
    began = time.perf_counter()
    thread.start()
    sent = _publish(plan, sender) - began
    thread.join()
    if not taken:
        raise CommandError("not all messages arrived", status=Status.UNREACHED)
    return {
        "messages": args.count,
        "confirmed": not args.no_confirm,
        "sent": _speed(sent, args),
        "received": _speed(taken[0] - began, args),
    }


def _publish(plan: Plan, sender: Any) -> float:
    from stomp.cli.framework.progress import Progress
    from stomp.cli.messages.publisher import MessagePublisher

    shipment = MessagePublisher(sender, confirm=not plan.args.no_confirm)
    count = plan.args.count
    with Progress(plan.terminal, count, lambda done: f"{done:.0f} messages sent") as progress:
        for place in range(count):
            shipment.send(plan.destination, plan.body(place), **plan.send)
            progress.update(place)
        shipment.settle(wait=True)
    return time.perf_counter()


def _take(plan: Plan, subscription: Any, count: int, taken: list[float]) -> None:
    """Receive `count` messages of this run, and append the time of the last one to `taken` if all arrive."""
    timeout = plan.args.duration + _patience(plan)
    while count and (message := subscription.receive(timeout)) is not None:
        count -= plan.place(message.body) is not None
    if not count:
        taken.append(time.perf_counter())


def _patience(plan: Plan) -> float:
    """Seconds without a message after which the missing ones count as lost."""
    return float(plan.args.connect_timeout or 10.0)


def _speed(seconds: float, args: Namespace) -> dict[str, float]:
    rate = args.count / seconds
    return {
        "seconds": round(seconds, 6),
        "per_second": round(rate, 1),
        "megabytes_per_second": round(rate * args.size / 1e6, 3),
    }


def _show_throughput(told: dict[str, Any], terminal: Terminal) -> None:
    how = "confirmed" if told["confirmed"] else "not confirmed"
    for name, words in (("sent", f"sent ({how})"), ("received", "received")):
        speed = told[name]
        terminal.write(
            f"{words + ':':22} {speed['per_second']:>10,.0f} messages/s  {speed['megabytes_per_second']:>8.2f} MB/s\n"
        )


# ------------------------------------------------------------------------------------- latency


def _latency(plan: Plan, sender: Any, subscription: Any) -> tuple[list[float], dict[str, Any]]:
    import threading

    args = plan.args
    count = max(1, round(args.rate * args.duration))
    start = time.perf_counter() + 0.05
    due = [start + place / args.rate for place in range(count)]
    found: list[float] = []
    thread = threading.Thread(target=_time, args=(plan, subscription, due, found), daemon=True)
    thread.start()
    behind = _send_steadily(plan, sender, due)
    thread.join()
    found.sort()
    seconds = (
        {_name(percent): round(percentile(found, percent), 6) for percent in _PERCENTILES} if found else {}
    )
    return found, {
        "rate": args.rate,
        "messages": count,
        "missing": count - len(found),
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
        for place, moment in enumerate(due):
            left = moment - time.perf_counter()
            if left > 0:
                time.sleep(left)
            behind = max(behind, time.perf_counter() - moment)
            sender.send(plan.destination, plan.body(place), **plan.send)
            progress.update(place)
    return behind


def _time(plan: Plan, subscription: Any, due: list[float], found: list[float]) -> None:
    timeout = _patience(plan)
    while len(found) < len(due) and (message := subscription.receive(timeout)) is not None:
        now = time.perf_counter()
        place = plan.place(message.body)
        if place is not None:
            found.append(now - due[place])


def _name(percent: float) -> str:
    return "max" if percent == 100 else f"p{percent:g}"


def _show_latency(latencies: list[float], told: dict[str, Any], terminal: Terminal) -> None:
    spread = ", ".join(f"{name} {milliseconds(value)}" for name, value in told["seconds"].items())
    terminal.write(
        f"latency at {told['rate']:g} messages/s: {spread or 'no message arrived'}\n"
        f"the sender was late by at most {milliseconds(told['behind'])}\n\n"
    )
    terminal.write("".join(f"{line}\n" for line in histogram(latencies)))
