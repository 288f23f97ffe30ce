"""``stomp`` without a command: the interactive client of stomp.py, its listener and its script mode."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stomp.cli.config import options
from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import CommandError, Interrupted, Status, Terminated, status_of

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.signals import StopSignal
    from stomp.cli.framework.terminal import Terminal
    from stomp.cli.shell.shell import StompCLI

#: At the end of a script, the client waits until no message has arrived for this number of seconds.
_QUIET_TIME = 0.3
#: The number of attempts of a listener to reconnect.
_ATTEMPTS = 11
#: Timeout in seconds of each wait of a listener, which then checks its state and waits again.
_WAIT_TIMEOUT = 600.0


def configure(parser: Parser) -> None:
    """Declare the options of the client of stomp.py, and the connection options."""
    from stomp._version import __version__

    parser.description = (
        f"A client for STOMP brokers.\n\nCommands (stomp help COMMAND describes one):\n{registry.overview()}\n\n"
        "Without a command: an interactive client, a listener and a script runner, like that of stomp.py."
    )
    parser.epilog = """\
Examples:
  stomp -H broker.example.com -U me     prompt for commands; "help" lists them
  stomp -L /queue/orders                print the messages of a queue
  stomp -F script.txt                   run the commands in a file"""
    parser.add("--version", action="version", version=__version__, help="show the version number and exit")
    parser.add(
        *("-F", "--file"),
        metavar="FILE",
        completes="file",
        help="run the commands in FILE instead of prompting",
    )
    parser.add(
        *("-L", "--listen"),
        metavar="DEST",
        completes="destination",
        help="print messages from DEST as they arrive",
    )
    parser.add(
        *("-V", "--verbose"),
        action="store_true",
        completes="switch",
        help='print the headers of all frames: "on" (default) or "off"',
    )
    parser.add(
        "--save-to",
        metavar="FOLDER",
        completes="directory",
        default="stomp-received",
        help="folder for files received in messages (default %(default)s)",
    )
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Run a script, listen to a destination, or read commands from the prompt."""
    from stomp.cli.config.settings import settings
    from stomp.cli.shell.shell import StompCLI

    if args.file is not None and args.listen is not None:
        raise CommandError("--file and --listen cannot be used together")
    if args.file is not None and not Path(args.file).expanduser().exists():
        # Checked before connecting: a missing file needs no connection.
        raise CommandError(f"File {args.file} was not found")
    try:
        cli = StompCLI(
            settings=settings(args),
            terminal=terminal,
            prompt="> " if args.listen is None else "",
            verbose=args.verbose,
            stdin=sys.stdin,
            save_to=args.save_to,
        )
    except Interrupted:
        # As in `listen`: SIGTERM while connecting is an orderly end of a listener.
        if args.listen is not None:
            raise Terminated from None
        raise
    try:
        if args.listen is not None:
            return listen(cli, args.listen)
        if args.file is not None:
            return script(cli, Path(args.file))
        return interact(cli)
    finally:
        cli.close()


def listen(cli: StompCLI, destination: str) -> Status:
    """Print the messages of a destination until a signal arrives or the output is closed.

    Raises:
        StompError: the connection was lost, and no new one could be made.
    """
    from stomp.cli.framework.signals import StopSignal
    from stomp.core.errors import NotConnected

    # The action wakes the wait below. A signal handler that raises there would do it with the lock released or not.
    with contextlib.suppress(Interrupted), StopSignal(cli.wake) as stop:
        with contextlib.suppress(NotConnected), stop.interruptible():
            cli.subscribe(destination)  # `on_disconnected` reports an error, and the loop reconnects
        while not stop.requested:
            with cli.changed:
                cli.changed.wait_for(lambda: cli.lost or cli.output_closed or stop.requested, _WAIT_TIMEOUT)
            if cli.output_closed:
                return Status.OK
            if cli.lost:
                reconnect(cli, stop)
    # Services are stopped with SIGTERM.
    return cli.status if stop.terminated else Status.INTERRUPTED


def reconnect(cli: StompCLI, stop: StopSignal) -> None:
    """Reconnect, with several attempts over about a minute, because the broker may be restarting.

    Raises:
        StompError: the last attempt failed, or the broker refused the user or the password.
        Interrupted: a signal has arrived.
    """
    import random

    from stomp.core.engine.failover import Backoff
    from stomp.core.errors import NotConnected, StompError

    backoff = Backoff(initial=0.5, maximum=15.0)
    for attempt in range(_ATTEMPTS):
        with cli.changed:
            cli.changed.wait_for(
                lambda: cli.output_closed or stop.requested, backoff.before(attempt, random.random)
            )
        try:
            with stop.interruptible():
                return cli.ensure_connected()
        except NotConnected:
            continue  # connected, and lost again at once
        except StompError as error:
            if attempt == _ATTEMPTS - 1 or status_of(error) is Status.AUTHENTICATION:
                raise
    return None


def script(cli: StompCLI, file: Path) -> Status:
    """Run the commands in a file. Returns the exit status of the first one that failed."""
    try:
        if not cli.run_file(file):
            wait_until_quiet(cli)
    except CommandError as error:
        cli.report_error(error)
    return cli.status


def wait_until_quiet(cli: StompCLI) -> None:
    """Wait for messages that are in flight, until none arrives for `_QUIET_TIME` seconds."""
    if not cli.subscriptions:
        return
    with cli.changed:
        received = -1
        while received != cli.received:
            received = cli.received
            cli.changed.wait_for(lambda: _has_changed(cli, received), _QUIET_TIME)  # noqa: B023 - it is called here


def _has_changed(cli: StompCLI, received: int) -> bool:
    return cli.received != received or cli.lost or cli.output_closed


def interact(cli: StompCLI) -> Status:
    """Run commands from standard input until its end.

    On a terminal the exit status is 0, because the user has seen the errors. Else it is that of the first failure.
    """
    interactive = cli.terminal.is_terminal(sys.stdin)
    with _reader(cli, interactive=interactive) as reader:
        if interactive:
            cli.info(f"connected to {cli.settings.where}; type help for the commands, Ctrl-D to exit")
        while not cli.output_closed:
            try:
                line = reader.read()
                if cli.onecmd(line):
                    break
            except EOFError:
                if not interactive:
                    wait_until_quiet(cli)
                cli.do_EOF("")
                break
            except Interrupted:
                raise
            except KeyboardInterrupt:
                if not interactive:
                    raise
                cli.info("interrupted; use quit or Ctrl-D to exit")
    return Status.OK if interactive else cli.status


def _reader(cli: StompCLI, *, interactive: bool) -> Any:
    from stomp.cli.shell import history, readline_input

    if not interactive:
        return readline_input.PipeReader(sys.stdin)
    if cli.terminal.is_terminal(cli.terminal.out):
        try:
            from stomp.cli.shell.prompt import PromptReader
        except ImportError:
            pass
        else:
            return PromptReader(cli, history.path())
    return readline_input.TerminalReader(cli, history.path())
