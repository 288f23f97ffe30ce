"""Runs commands: in this process, for their answer, or as a process of their own, for signals and pipes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stomp.cli.app import main

SRC = Path(__file__).parents[2] / "src"
#: Seconds that a process may take for whatever it has to do.
PATIENCE = 20.0


class Answer(NamedTuple):
    """What a command did."""

    status: int
    out: bytes
    err: str


class Stomp:
    """The command `stomp`, for one broker.

    Args:
        url: of the broker.
        monkeypatch: for the streams of this process.
        options: for each command.
    """

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch, options: Sequence[str] = ()) -> None:
        self.url = url
        self.options = list(options)
        self._monkeypatch = monkeypatch
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Stomp:
        return self

    def __exit__(self, *error: object) -> None:
        """Kill what a test that failed has started and left running."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                process.communicate()

    def arguments(self, name: str, *rest: str) -> list[str]:
        """The command line."""
        return [name, "--url", self.url, *self.options, *rest]

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Answer:
        """Run a command here."""
        out, err = io.BytesIO(), io.BytesIO()
        with self._monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            patch.setattr("sys.stdout", io.TextIOWrapper(out, encoding="utf-8", newline=""))
            patch.setattr("sys.stderr", io.TextIOWrapper(err, encoding="utf-8", newline=""))
            status = main(self.arguments(*arguments))
            sys.stdout.flush()
            sys.stderr.flush()
            return Answer(status, out.getvalue(), err.getvalue().decode())

    def well(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run a command here that has nothing to complain about; returns what it wrote."""
        answer = self(*arguments, stdin=stdin)
        assert (answer.status, answer.err) == (0, "")
        return answer.out

    def start(self, *arguments: str, **how: Any) -> subprocess.Popen[bytes]:
        """Start a command as a separate process. Its streams are pipes by default."""
        streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "stomp", *self.arguments(*arguments)],
            env={**os.environ, "PYTHONPATH": str(SRC), **how.pop("env", {})},
            **{**streams, **how},
        )
        self._started.append(process)
        return process


def ended(process: subprocess.Popen[bytes]) -> Answer:
    """Wait for the end of a process."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Answer(process.returncode, out or b"", (err or b"").decode())
