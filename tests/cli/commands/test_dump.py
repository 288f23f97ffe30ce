"""`stomp dump` and `stomp replay`: what was written is what is sent again."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

import stomp as stomp_package
from stomp.core.frames.frame import headers_of
from stomp.testing.relay import Relay
from tests.cli.commands.test_listen import SOON, bodies, send, wait_for
from tests.cli.oneshot import Stomp, ended

#: Header values that have to be escaped, or look as if they had been.
NASTY = (
    "",
    " blanks ",
    "a:b::c",
    "line\nbreak",
    "back\\slash \\n \\c",
    "\r\n",
    "tab\t",
    "é漢\U0001f469",
    "\x1b[2J",
    "\"'{}",
)


def fill(stomp: Stomp, queue: str, count: int) -> None:
    """Messages with every byte value and nasty headers."""
    every = bytes(range(256))
    with stomp_package.Client(stomp.url) as client, client.confirmations() as batch:
        for number in range(count):
            body = (
                every[number % 256 :] + every[: number % 256] if number % 3 else f"text {number} é".encode()
            )
            headers = {
                "number": str(number),
                "nasty:name\n": NASTY[number % len(NASTY)],
                "x": NASTY[-1 - number % 7],
            }
            batch.send(queue, body, headers=headers)


class TestDump:
    """At any broker."""

    def test_replayed_dump_equals_the_first_dump(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        fill(stomp, queue, 100)
        first, second = tmp_path / "first", tmp_path / "second"
        stomp.well("dump", queue, "-n", "100", "--bare", "-o", str(first), *SOON)
        stomp.well("replay", str(first))
        stomp.well("dump", queue, "-n", "100", "--bare", "-o", str(second), *SOON)
        assert first.read_bytes() == second.read_bytes()
        record = json.loads(first.read_text().splitlines()[3])
        assert ["nasty:name\n", NASTY[3]] in record["headers"]
        assert bodies(stomp, queue) == []

    def test_keep_leaves_the_messages_in_the_queue(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one", "two")
        out = stomp.well("dump", queue, "--keep", "-n", "2", *SOON)
        assert [json.loads(line)["body"] for line in out.splitlines()] == ["one", "two"]
        assert bodies(stomp, queue) == [b"one", b"two"]


@pytest.mark.slow(reason="40,000 messages")
def test_ten_thousand_messages_are_dumped(stomp: Stomp, queue: str, tmp_path: Path) -> None:
    fill(stomp, queue, 10_000)
    first, second = tmp_path / "first", tmp_path / "second"
    stomp.well("dump", queue, "-n", "10000", "--bare", "-o", str(first), *SOON)
    stomp.well("replay", str(first))
    stomp.well("dump", queue, "-n", "10000", "--bare", "-o", str(second), *SOON)
    assert len(first.read_bytes().splitlines()) == 10_000
    assert first.read_bytes() == second.read_bytes()


def test_repeated_headers_survive_dump_and_replay(stomp: Stomp) -> None:
    # Brokers keep the first one only, so this is about what goes out.
    from stomp.cli.messages import jsonl

    line = '{"destination": "/queue/a", "headers": [["x", "1"], ["y", "2"], ["x", "3"], ["message-id", "4"]]}'
    made = jsonl.read(line, "line 1").options()
    assert headers_of(made["headers"]).pairs() == [("x", "1"), ("y", "2"), ("x", "3")]


def test_existing_output_file_is_not_overwritten(stomp: Stomp, queue: str, tmp_path: Path) -> None:
    send(stomp, queue, "one", "two")
    file = tmp_path / "dump"
    file.write_text("precious\n")
    answer = stomp("dump", queue, "-n", "1", "-o", str(file))
    assert answer == (1, b"", f"stomp dump: {file}: File exists\n")
    stomp.well("dump", queue, "-n", "2", "-o", str(file), "--append", *SOON)
    assert file.read_text().splitlines()[0] == "precious"
    assert len(file.read_text().splitlines()) == 3


def test_signal_leaves_a_complete_file(stomp: Stomp, queue: str, tmp_path: Path) -> None:
    send(stomp, queue, "one", "two")
    file = tmp_path / "dump"
    process = stomp.start("dump", queue, "-o", str(file))
    wait_for(lambda: file.exists() and file.read_text().count("\n") == 2, "dump")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (0, b"", "")
    assert bodies(stomp, queue) == []


def test_lost_connection_ends_a_dump_with_keep(stomp: Stomp, queue: str, relay: Relay) -> None:
    send(stomp, queue, "one", "two")
    stomp.options += ["-H", relay.host, "-P", str(relay.port)]
    process = stomp.start("dump", queue, "--keep")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    relay.cut()
    answer = ended(process)
    assert answer.status == 3
    assert answer.err.count("\n") == 1
