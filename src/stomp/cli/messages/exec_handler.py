"""Runs a program for each message: body on standard input, headers in the environment, result as exit status.

Rules of this file: no part of a message becomes part of a command line. A started program is always waited for; if the
wait is interrupted, the program and the processes that it has started are killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.cli.framework.signals import StopSignal
    from stomp.core.frames.frame import Headers

#: Limits in bytes for one variable and for all variables of a message. They are below those of Linux.
_MAX_VARIABLE = 32 * 1024
_MAX_ENVIRONMENT = 16 * _MAX_VARIABLE
#: Seconds between two checks for a signal while a program runs.
_SIGNAL_CHECK_INTERVAL = 0.2
PREFIX = "STOMP_HEADER_"
#: A separate process group, so that Ctrl-C does not reach the program: this command handles it and waits.
_OWN_GROUP = 0 if os.name == "posix" else None


class Outcome(NamedTuple):
    """The result of a program.

    Attributes:
        status: the exit status; the negative signal number if a signal killed the program.
        output: the standard output if it was captured, else empty.
    """

    status: int
    output: bytes

    @property
    def description(self) -> str:
        """The status as text."""
        if self.status >= 0:
            return f"exit status {self.status}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-self.status).name}"
        return f"killed by signal {-self.status}"


class Handler:
    """Runs a shell command for each message, one at a time.

    Args:
        command: the command line for the shell.
        capture: return the standard output in the `Outcome`, instead of writing it to standard output.
    """

    def __init__(self, command: str, *, capture: bool = False) -> None:
        self._command = command
        self._capture = capture
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, headers: Headers, body: bytes, stop: StopSignal) -> Outcome:
        """Run the command, and wait until it exits.

        Args:
            headers: the headers of the message.
            body: the body of the message.
            stop: the signals of the command. The second one interrupts the wait.

        Raises:
            OSError: there is no shell, or the environment is too large.
            Interrupted: the second signal arrived. The program was killed.
        """
        try:
            # Without the shield, a signal could arrive after the start and before the assignment: the program would
            # not be killed.
            with stop.shielded():
                process: subprocess.Popen[bytes] = subprocess.Popen(
                    self._command,
                    shell=True,
                    text=False,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE if self._capture else None,
                    env={**os.environ, **environment(headers)},
                    process_group=_OWN_GROUP,
                )
                self._process = process
            output = _communicate(process, body)
            return Outcome(process.returncode, output or b"")
        finally:
            self._finish()

    def _finish(self) -> None:
        """Kill the program if it is still running, and close its pipes."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self.kill()
            process.wait()
        self._process = None
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def kill(self) -> None:
        """Kill the program and its process group, if it is running. May be called from another thread."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def _communicate(process: subprocess.Popen[bytes], body: bytes) -> bytes | None:
    """Write the body, wait until the program exits, and return its output if that is captured.

    The wait is split into short ones. The operating system may deliver a signal to another thread, which does not
    interrupt a blocking call of this one; the handler runs after the call returns.
    """
    unsent: bytes | None = body
    while True:
        try:
            return process.communicate(unsent, timeout=_SIGNAL_CHECK_INTERVAL)[0]
        except subprocess.TimeoutExpired:
            unsent = None  # `communicate` has kept the body, and continues to write it in the next call


def environment(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as environment variables: ``STOMP_HEADER_`` and the name in upper case.

    Characters other than ASCII letters and digits become ``_``.

    >>> environment({"content-type": "text/plain", "x.y": "1"})
    {'STOMP_HEADER_CONTENT_TYPE': 'text/plain', 'STOMP_HEADER_X_Y': '1'}

    If two headers have the same variable, the first one is used. A value is cut at the first NUL, which a variable
    cannot contain. A header is left out if it exceeds the limit for one variable, or what is left of the limit for all.
    """
    variables: dict[str, str] = {}
    remaining = _MAX_ENVIRONMENT
    for name, value in headers.items():
        variable = PREFIX + "".join(c if c.isascii() and c.isalnum() else "_" for c in name.upper())
        value = value.partition("\0")[0]
        size = len(os.fsencode(variable)) + len(value.encode("utf-8", "replace"))
        if variable not in variables and size <= min(_MAX_VARIABLE, remaining):
            variables[variable] = value
            remaining -= size
    return variables
