"""``stomp ping``: measures round-trip times to the broker over one connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.framework.parser import duration, number

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.epilog = (
        "A round trip is an empty transaction and its RECEIPT. Nothing is stored, and no queue is needed.\n\n"
        "Examples:\n"
        "  stomp ping -n 3 --interval 200ms\n"
        "  until stomp ping -n 1 --timeout 2s; do sleep 1; done"
    )
    parser.add(
        "-n", "--count", metavar="COUNT", type=number(1), default=5, help="number of round trips (default 5)"
    )
    parser.add("--interval", metavar="TIME", type=duration(0), default=1.0,
        help="time between round trips (default 1)")  # fmt: skip
    parser.add("--timeout", metavar="TIME", type=duration(0.001), default=10.0,
        help="timeout for each answer (default 10)")  # fmt: skip
    parser.add("--json", action="store_true", help="write one line of JSON instead of text")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Connect, measure the round trips, and print them and a summary."""
    from stomp.cli.config.settings import settings, using
    from stomp.cli.framework.exit_status import Status
    from stomp.cli.framework.signals import StopSignal

    client = settings(args).client(reconnect=False)
    started_at = time.perf_counter()
    with using(client), StopSignal() as stop:
        connected = time.perf_counter() - started_at
        if not args.json:
            terminal.write(
                f"connected to {client.address}, {client.broker.title}, STOMP {client.version}, in {_ms(connected)}\n"
            )
        durations: list[float] = []
        for number_of_trip in range(args.count):
            if number_of_trip:
                stop.sleep(args.interval)
            if stop.requested:
                break
            durations.append(_round_trip(client, args.timeout))
            if not args.json:
                terminal.write(f"{number_of_trip + 1}: {_ms(durations[-1])}\n")
        terminal.write(_summary(client, connected, durations, as_json=args.json))
    return Status.INTERRUPTED if stop.requested else Status.OK


def _round_trip(client: Any, timeout: float) -> float:
    started_at = time.perf_counter()
    # The transaction is empty. Its COMMIT requests a RECEIPT, which is the answer that is timed.
    with client.transaction(timeout):
        pass
    return time.perf_counter() - started_at


def _summary(client: Any, connected: float, durations: list[float], *, as_json: bool) -> str:
    shortest, mean, longest = (
        (min(durations), sum(durations) / len(durations), max(durations)) if durations else (0.0, 0.0, 0.0)
    )
    if as_json:
        import json

        seconds = {"connect": connected, "min": shortest, "avg": mean, "max": longest}
        result = {
            "address": str(client.address),
            "broker": client.broker.name,
            "version": client.version,
            "count": len(durations),
            "seconds": {name: round(value, 6) for name, value in seconds.items()},
        }
        return json.dumps(result) + "\n"
    return f"{len(durations)} round trips: min {_ms(shortest)}, avg {_ms(mean)}, max {_ms(longest)}\n"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
