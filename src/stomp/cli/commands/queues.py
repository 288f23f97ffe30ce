"""``stomp queues``: prints the destinations of an embedded broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.cli.framework import page_client

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.epilog = (
        "It reads the HTTP API of a broker that was started with --page-port.\n\n"
        "Examples:\n"
        "  stomp queues --sort depth\n"
        "  stomp queues --json --match orders"
    )
    page_client.add_options(parser)
    parser.add("--json", action="store_true", help="write one line of JSON for each destination")


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the destinations once."""
    rows = page_client.destinations(args)
    if args.json:
        import json

        for row in rows:
            del row["history"]
            terminal.write(json.dumps(row) + "\n")
        return 0
    heading, *lines = page_client.table(rows)
    terminal.put(terminal.styled(heading, "strong", terminal.out) + "\n")
    terminal.write("".join(line + "\n" for line in lines))
    return 0
