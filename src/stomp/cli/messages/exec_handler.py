"""Programs that handle messages: body on standard input, headers in the environment, the verdict by exit status.

Rules of this file: nothing of a message becomes part of a command line; a program that was started is waited for, and
if it cannot be, it is killed with all that it has started.
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

#: Linux takes no longer one, and gives no more room to all together than this many times as much.
_LONGEST = 32 * 1024
_MOST = 16 * _LONGEST
#: Seconds between two looks for a signal while a program runs.
_LOOK = 0.2
PREFIX = "STOMP_HEADER_"
#: Ctrl-C is for us, who will wait for the program.
_OWN_GROUP = 0 if os.name == "posix" else None


class Outcome(NamedTuple):
    """How a program ended.

    Attributes:
        status: its exit status; negative for the signal that killed it.
        output: what it printed, if that was asked for.
    """

    status: int
    output: bytes

    @property
    def words(self) -> str:
        """The status, in words."""
        if self.status >= 0:
            return f"exit status {self.status}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-self.status).name}"
        return f"killed by signal {-self.status}"


class Handler:
    """A command that is run by the shell for each message.

    Args:
        command: as it would be typed.
        capture: keep what it prints, in place of having it printed.
    """

    def __init__(self, command: str, *, capture: bool = False) -> None:
        self._command = command
        self._capture = capture
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, headers: Headers, body: bytes, stop: StopSignal) -> Outcome:
        """Run it, and wait for its end.

        Args:
            headers: of the message.
            body: of the message.
            stop: who may break it off.

        Raises:
            OSError: there is no shell, or the environment is too large.
            Interrupted: it was broken off, and is dead.
        """
        try:
            # A program that was started and is not known yet could not be killed.
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
        """Leave nothing behind: neither a program nor a pipe."""
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
        """Kill it, if it runs."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def _communicate(process: subprocess.Popen[bytes], body: bytes) -> bytes | None:
    """Give it the body and wait for its end; returns what it printed, if that is captured.

    Not in one long wait: a signal that comes while the program is being started may be taken by another thread, and
    would not end the wait of this one.
    """
    rest: bytes | None = body
    while True:
        try:
            return process.communicate(rest, timeout=_LOOK)[0]
        except subprocess.TimeoutExpired:
            rest = None  # it was taken over, and goes on from where it is


def environment(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as variables: ``STOMP_HEADER_`` and the name, in capitals, with _ for what a variable cannot have.

    >>> environment({"content-type": "text/plain", "x.y": "1"})
    {'STOMP_HEADER_CONTENT_TYPE': 'text/plain', 'STOMP_HEADER_X_Y': '1'}

    Where two names become one, the first counts. A value ends at a NUL, which no variable can hold; one that is too
    long for a variable is left out.
    """
    made: dict[str, str] = {}
    room = _MOST
    for name, value in headers.items():
        variable = PREFIX + "".join(c if c.isascii() and c.isalnum() else "_" for c in name.upper())
        value = value.partition("\0")[0]
        weight = len(os.fsencode(variable)) + len(value.encode("utf-8", "replace"))
        if variable not in made and weight <= min(_LONGEST, room):
            made[variable] = value
            room -= weight
    return made
