"""`stomp replay`: where it sends what was dumped, how fast, and how it goes on after an interruption."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.commands.test_listen import SOON, bodies, send
from tests.cli.oneshot import Stomp, ended


class TestReplay:
    """At any broker."""

    def test_to_replaces_the_destinations(self, stomp: Stomp, queue: str, target: str) -> None:
        send(stomp, queue, "one", "two", "three", "four")
        out = stomp.well("dump", queue, "--timeout", "1")
        stomp.well("replay", "--to", target, "--skip", "1", "-n", "2", "--rate", "1000", stdin=out)
        assert bodies(stomp, target) == [b"two", b"three"]

    def test_timing_keeps_the_original_pauses(self, stomp: Stomp, queue: str) -> None:
        lines = [{"time": 100 + n / 1000, "destination": queue, "body": str(n)} for n in range(3)] + [
            {"destination": queue}
        ]
        stomp.well("replay", "--timing", stdin="\n".join(map(json.dumps, lines)).encode())
        assert bodies(stomp, queue) == [b"0", b"1", b"2", b""]


def test_interrupted_replay_prints_the_skip_to_continue(stomp: Stomp, queue: str) -> None:
    process = stomp.start("replay", "--skip", "1")
    assert process.stdin is not None
    for number in range(3):
        process.stdin.write(json.dumps({"destination": queue, "body": str(number)}).encode() + b"\n")
    process.stdin.flush()
    assert stomp.well("listen", queue, "-n", "2", "--raw", *SOON) == b"12"
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, b"", "2 messages were confirmed; continue with --skip 3\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"body": 1}', "line 2 of standard input: the body is not a string"),
        ('{"body64": "?"}', "line 2 of standard input: the body64 is not base64"),
        ('{"body": "", "body64": ""}', "line 2 of standard input has both a body and a body64"),
        ('{"headers": [["a"]]}', "line 2 of standard input: the headers are neither"),
        ('{"headers": {"a": null}}', "line 2 of standard input: the headers are neither"),
        ('{"headers": {"a": "\\ud800"}}', "line 2 of standard input: the headers are neither"),
        ('{"bodi": "x"}', "line 2 of standard input has the unknown field 'bodi'"),
        ('{"destination": 5}', "line 2 of standard input: the destination is not a string"),
        ('{"time": "x"}', "line 2 of standard input: the time is not a number"),
        ("{}", "a message has no destination (use --to DEST)"),
        ("[" * 100_000, "line 2 of standard input is not JSON"),
    ],
)
def test_invalid_line_is_reported_with_its_number(stomp: Stomp, queue: str, line: str, words: str) -> None:
    first = json.dumps({"destination": queue, "body": "one"})
    answer = stomp("replay", stdin=f"{first}\n{line}\n".encode())
    assert answer.status == 1
    progress, complaint = answer.err.splitlines()
    assert "continue with --skip" in progress
    assert complaint.startswith(f"stomp replay: {words}")


def test_header_values_of_other_types_become_strings(stomp: Stomp, queue: str) -> None:
    line = json.dumps({"destination": queue, "headers": {"n": 5, "yes": True}})
    stomp.well("replay", stdin=line.encode())
    assert stomp.well("listen", queue, "-n", "1", "--format", "%h{n} %h{yes}", *SOON) == b"5 true"
