"""The command as a real process: with pipes, or on a terminal whose screen can be read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pexpect
import pyte

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
COMMAND = [sys.executable, "-W", "error", "-m", "stomp"]


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    out: str
    err: str


class Command:
    """Runs `stomp` against one broker, at home in a folder of its own."""

    def __init__(self, home: Path, url: str = "") -> None:
        self.home = home
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PROMPT_TOOLKIT_NO_CPR": "1",  # the screen does not say where its cursor is
        }
        if url:
            self.environ["STOMP_URL"] = url

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """A running process with pipes."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environ,
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, *arguments: str, typed: str = "") -> Ended:
        """Run it to its end."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(typed, timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Ended(process.returncode, out, err)

    @contextmanager
    def console(self, *arguments: str, size: tuple[int, int] = (30, 100)) -> Iterator[Console]:
        """A process on a terminal."""
        console = Console([*COMMAND, *arguments], self.environ, self.home, size)
        try:
            yield console
        finally:
            console.close()


class Console:
    """A terminal with a process on it: keys go in, and what is on the screen can be waited for."""

    def __init__(
        self, command: list[str], environ: dict[str, str], home: Path, size: tuple[int, int]
    ) -> None:
        self._screen = pyte.Screen(size[1], size[0])
        self._stream = pyte.Stream(self._screen)
        self.raw = ""
        self._child = pexpect.spawn(
            command[0],
            command[1:],
            env={**environ, "COLUMNS": str(size[1]), "LINES": str(size[0])},
            cwd=str(home),
            dimensions=size,
            encoding="utf-8",
            codec_errors="replace",
        )

    def press(self, keys: str) -> None:
        """Type without Enter."""
        self._child.send(keys)

    def enter(self, line: str) -> None:
        """Type a line."""
        self._child.send(line + "\r")

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines).rstrip()

    @property
    def current(self) -> str:
        """The line that the cursor is in."""
        return self.lines[self._screen.cursor.y]

    def wait(self, text: str) -> None:
        """Wait until a text is on the screen."""
        self.wait_for(lambda: text in self.text, f"{text!r} on the screen")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is true of the screen."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"no {what}:\n{self.text}"
            self._read()

    def _read(self) -> bool:
        try:
            data = self._child.read_nonblocking(65536, 0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._child.kill(number)

    def status(self) -> int:
        """Wait for the end; the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, f"no end:\n{self.text}"
        self._child.close()
        assert self._child.exitstatus is not None, f"killed by signal {self._child.signalstatus}"
        return int(self._child.exitstatus)

    def close(self) -> None:
        """End it, if it has not ended."""
        self._child.close(force=True)
