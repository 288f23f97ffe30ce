"""`stomp request` and `stomp reply`."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.cli.oneshot import Stomp, ended
from tests.cli.test_listen import SOON, bodies, wait_for


class TestRequest:
    """At any broker."""

    def test_question_and_answer(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "-n", "3", "--exec", 'tr a-z A-Z; printf "$STOMP_HEADER_KIND"')
        assert stomp.well("request", queue, "hello", "--header", "kind:x") == b"HELLOx"
        assert stomp.well("request", queue, "-", stdin=b"hello\n") == b"HELLO\n"
        assert stomp.well("request", queue, stdin=b"\xff") == b"\xff"
        assert ended(process) == (0, b"", "")

    def test_with_its_headers(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "--exec", "cat", "--content-type", "text/x")
        said = json.loads(stomp.well("request", queue, "hello", "--json"))
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 130
        assert said["body"] == "hello"
        assert dict(said["headers"])["content-type"] == "text/x"

    def test_nobody_answers(self, stomp: Stomp, queue: str) -> None:
        answer = stomp("request", queue, "hello", "--timeout", "0.3")
        assert answer.status == 3
        assert "nobody answered the request" in answer.err
        assert answer.err.count("\n") == 1
        assert bodies(stomp, queue) == [b"hello"]

    def test_a_program_that_fails_answers_nothing(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        process = stomp.start(
            "reply",
            queue,
            "-n",
            "2",
            "--exec",
            f"test -e {tmp_path}/been || {{ touch {tmp_path}/been; exit 3; }}",
        )
        assert stomp.well("request", queue, "hello") == b""
        answer = ended(process)
        assert answer.status == 0
        assert answer.err.endswith(": exit status 3; refused\n")

    def test_a_message_that_wants_no_reply(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        stomp.well("send", queue, "hello")
        answer = stomp("reply", queue, "-n", "1", "--exec", f"touch {tmp_path}/been", *SOON)
        assert answer.status == 0
        assert "no reply-to" in answer.err
        wait_for((tmp_path / "been").exists, "program")
        assert bodies(stomp, queue) == []


def test_without_a_program(stomp: Stomp) -> None:
    answer = stomp("reply", "/queue/a")
    assert answer.status == 1
    assert "--exec" in answer.err
