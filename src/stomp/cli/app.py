"""The entry point of all commands. An error becomes one line and an exit status, without a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from stomp import _installation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stomp.cli.framework.terminal import Terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, see `stomp.cli.framework.exit_status.Status`."""
    if text := _installation.damage():
        # Printed directly: all other output code imports the core, which cannot be imported from a damaged package.
        print(f"stomp: {text}", file=sys.stderr)
        return 1
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments == ["--version"]:
        # The most frequent call: scripts check this way whether the command is installed. It needs few imports.
        from stomp._version import __version__

        print(__version__)
        return 0
    from stomp.cli.framework.terminal import Terminal

    return _flushed(run(arguments, Terminal()))


def run(arguments: Sequence[str], terminal: Terminal) -> int:
    """Find the command, run it, report its error if there is one, and return its exit status."""
    from stomp.cli.framework import registry

    debug = "--debug" in arguments
    try:
        command, rest = registry.find(arguments)
        terminal.name = command.title
        args = command.parser().read(rest)
        _set_up_logging(debug=debug)
        previous = _on_terminate(_interrupt)
        try:
            return int(command.load().run(args, terminal))
        finally:
            _on_terminate(previous)
    except SystemExit as stop:  # --help and --version, which argparse has printed
        return stop.code if isinstance(stop.code, int) else 0
    except BrokenPipeError:
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return _report_error(error, terminal, debug=debug)


def _report_error(error: BaseException, terminal: Terminal, *, debug: bool) -> int:
    from stomp.cli.framework.exit_status import Status, verdict

    if debug:
        import traceback

        traceback.print_exception(error, file=terminal.err)
    try:
        status, text = verdict(error)
    except Exception:
        name = type(error).__name__
        status, text = (
            Status.USAGE,
            f"unexpected {name}: {error} (this is a bug; --debug shows the traceback)",
        )
    if status not in (Status.INTERRUPTED, Status.OK):
        terminal.error(text)
    return int(status)


def _set_up_logging(*, debug: bool) -> None:
    """Show the log of the library with --debug only. The commands themselves report what matters to the user."""
    if debug:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(levelname)s %(message)s")


def _interrupt(number: int, frame: object) -> None:
    from stomp.cli.framework.exit_status import Interrupted

    raise Interrupted


def _on_terminate(handler: Any) -> Any:
    """Set the handler of SIGTERM and return the previous one. Does nothing on other threads than the main one."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, signal.SIG_DFL if handler is None else handler)


def _flushed(status: int) -> int:
    """Flush standard output and return the status.

    If the reader has closed the pipe, standard output is redirected to the null device, so that the interpreter
    does not report a `BrokenPipeError` at its exit.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    return status
