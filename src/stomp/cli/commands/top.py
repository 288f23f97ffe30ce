"""``stomp top``: a live table of the destinations of an embedded broker."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from stomp.cli.framework import page_client
from stomp.cli.framework.parser import duration, number

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

#: Moves the cursor to the first line; deletes from the cursor to the end of the line; to that of the screen.
_HOME, _TO_LINE_END, _TO_SCREEN_END = "\33[H", "\33[K", "\33[J"


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.epilog = (
        "It reads the HTTP API of a broker that was started with --page-port. Ctrl-C ends it. If standard output is no "
        "terminal, the tables are written one after the other.\n\n"
        "Examples:\n"
        "  stomp top --sort depth\n"
        "  stomp top -n 1 --page-url http://127.0.0.1:8161"
    )
    page_client.add_options(parser)
    parser.add("--interval", metavar="TIME", type=duration(0.1), default=1.0,
        help="time between two tables (default 1)")  # fmt: skip
    parser.add("-n", "--count", metavar="COUNT", type=number(1), help="end after COUNT tables")


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the table until Ctrl-C."""
    from stomp.cli.framework.exit_status import Status
    from stomp.cli.framework.signals import StopSignal

    redraws = terminal.is_terminal(terminal.out)
    printed = 0
    with StopSignal() as stop:
        while not stop.requested:
            text = _screen(args, terminal, redraws=redraws)
            if redraws:
                erase = "\33[2J" if not printed else ""
                text = erase + _HOME + text.replace("\n", _TO_LINE_END + "\n") + _TO_SCREEN_END
            terminal.put(text)
            printed += 1
            if printed == args.count:
                return 0
            stop.sleep(args.interval)
    return Status.INTERRUPTED


def _screen(args: Namespace, terminal: Terminal, *, redraws: bool) -> str:
    whole = page_client.read(args, "/overview")
    rows = page_client.destinations(args)
    width, height = shutil.get_terminal_size() if redraws else (0, 0)
    lines = page_client.table(rows, width)
    if height:
        lines = lines[: max(2, height - 3)]
    first = (
        f"{whole['messages']} messages, {whole['bytes'] / 2**20:.1f} of {whole['max_bytes'] / 2**20:.0f} MiB, "
        f"{whole['connections']} connections, {whole['in_rate']:g} in/s, {whole['out_rate']:g} out/s"
    )
    heading = terminal.styled(lines[0], "strong", terminal.out)
    return "\n".join([first[: width or None], heading, *lines[1:]]) + "\n"
