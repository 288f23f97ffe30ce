"""Programs that handle messages."""

from __future__ import annotations

import doctest
import os
import signal
import sys

import pytest

from stomp.cli.framework.exit_status import Interrupted
from stomp.cli.framework.signals import StopSignal
from stomp.cli.messages import exec_handler
from stomp.cli.messages.exec_handler import Handler, Outcome, environment
from stomp.core.frames.frame import Headers


def run(command: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Outcome:
    return Handler(command, capture=True).run(Headers(headers or {}), body, StopSignal())


def test_body_is_the_input_and_output_is_returned() -> None:
    body = bytes(range(256)) * 1000
    assert run("cat", body) == (0, body)


@pytest.mark.parametrize(
    ("command", "words"),
    [("true", "exit status 0"), ("exit 7", "exit status 7"), ("kill -9 $$", "killed by SIGKILL")],
)
def test_outcome_is_described(command: str, words: str) -> None:
    assert run(command).description == words


def test_header_values_are_not_executed() -> None:
    evil = "$(echo executed); `echo executed`; '; echo executed; '"
    assert run('printf %s "$STOMP_HEADER_X"', headers={"x": evil}).output == evil.encode()
    assert run("true", headers={"x; echo executed": "1", "": "2"}) == (0, b"")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-type": "x"}, {"STOMP_HEADER_CONTENT_TYPE": "x"}),
        ({"a.b": "1", "a-b": "2"}, {"STOMP_HEADER_A_B": "1"}),
        ({"é=\n": "1"}, {"STOMP_HEADER____": "1"}),
        ({"a": "cut\0off"}, {"STOMP_HEADER_A": "cut"}),
        ({"long": "x" * 100_000, "short": "y"}, {"STOMP_HEADER_SHORT": "y"}),
        ({"a": "two\nlines é"}, {"STOMP_HEADER_A": "two\nlines é"}),
    ],
)
def test_headers_become_environment_variables(headers: dict[str, str], expected: dict[str, str]) -> None:
    assert environment(headers) == expected


def test_many_headers_do_not_prevent_the_start() -> None:
    assert run("true", headers={f"h{n}": "x" * 30_000 for n in range(1000)}).status == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupted_program_is_killed() -> None:
    # It interrupts us, twice, as somebody does who is in a hurry.
    command = f"kill -INT {os.getpid()}; kill -TERM {os.getpid()}; exec sleep 60"
    handler = Handler(command)
    with StopSignal() as stop, pytest.raises(Interrupted):
        handler.run(Headers(), b"", stop)
    assert handler._process is None


def test_killed_program_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = Handler("sleep 60")
    with StopSignal() as stop:
        before = signal.signal(signal.SIGALRM, lambda number, frame: handler.kill())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            assert handler.run(Headers(), b"", stop).description == "killed by SIGKILL"
        finally:
            signal.signal(signal.SIGALRM, before)
    handler.kill()  # there is nothing to kill, and nothing happens


def test_docstring_examples_are_correct() -> None:
    assert doctest.testmod(exec_handler).failed == 0
