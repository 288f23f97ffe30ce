"""``stomp ping``: measures round-trip times to the broker over one connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.framework.parser import number

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.epilog = (
        "A round trip is an empty transaction and its RECEIPT. Nothing is stored, and no queue is needed."
    )
    parser.add(
        "-n", "--count", metavar="COUNT", type=number(1), default=5, help="number of round trips (default 5)"
    )
    parser.add("--interval", metavar="SECONDS", type=number(0, whole=False), default=1.0,
        help="time between round trips (default 1)")  # fmt: skip
    parser.add("--timeout", metavar="SECONDS", type=number(0.001, whole=False), default=10.0,
        help="timeout for each answer (default 10)")  # fmt: skip
    parser.add("--json", action="store_true", help="write one line of JSON instead of text")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Connect, measure the round trips, and print them and a summary."""
    from stomp.cli.config.settings import settings, using
    from stomp.cli.framework.exit_status import Status
    from stomp.cli.framework.signals import StopSignal

    client = settings(args).client(reconnect=False)
    began = time.perf_counter()
    with using(client), StopSignal() as stop:
        connected = time.perf_counter() - began
        if not args.json:
            terminal.write(
                f"connected to {client.address}, {client.broker.title}, STOMP {client.version}, in {_ms(connected)}\n"
            )
        trips: list[float] = []
        for turn in range(args.count):
            if turn:
                stop.sleep(args.interval)
            if stop.asked:
                break
            trips.append(_trip(client, args.timeout))
            if not args.json:
                terminal.write(f"{turn + 1}: {_ms(trips[-1])}\n")
        terminal.write(_summary(client, connected, trips, as_json=args.json))
    return Status.INTERRUPTED if stop.asked else Status.OK


def _trip(client: Any, timeout: float) -> float:
    began = time.perf_counter()
    # The transaction is empty. Its COMMIT requests a RECEIPT, which is the answer that is timed.
    with client.transaction(timeout):
        pass
    return time.perf_counter() - began


def _summary(client: Any, connected: float, trips: list[float], *, as_json: bool) -> str:
    least, mean, most = (min(trips), sum(trips) / len(trips), max(trips)) if trips else (0.0, 0.0, 0.0)
    if as_json:
        import json

        seconds = {"connect": connected, "min": least, "avg": mean, "max": most}
        told = {
            "address": str(client.address),
            "broker": client.broker.name,
            "version": client.version,
            "count": len(trips),
            "seconds": {name: round(value, 6) for name, value in seconds.items()},
        }
        return json.dumps(told) + "\n"
    return f"{len(trips)} round trips: min {_ms(least)}, avg {_ms(mean)}, max {_ms(most)}\n"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
