"""`stomp reply`: what becomes of requests that are not answered. How they are answered is in test_request."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.cli.commands.test_listen import SOON, assert_rejected, bodies, wait_for
from tests.cli.oneshot import Stomp, ended
from tests.conformance.venues import NO_REDELIVERY, NO_TEMPORARY, Habits, needs


class TestReply:
    """At any broker."""

    @needs(lambda habits: habits.temporary, NO_TEMPORARY)
    @needs(lambda habits: habits.redelivers or habits.gives_back, NO_REDELIVERY)
    def test_failing_program_sends_no_reply(
        self, stomp: Stomp, queue: str, tmp_path: Path, habits: Habits
    ) -> None:
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
        assert_rejected(answer.err, habits)

    @needs(lambda habits: habits.temporary, NO_TEMPORARY)
    def test_sigterm_exits_0(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "--exec", "cat")
        assert stomp.well("request", queue, "hello") == b"hello"
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, b"", "")

    def test_message_without_reply_to_gets_no_reply(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        stomp.well("send", queue, "hello")
        answer = stomp("reply", queue, "-n", "1", "--exec", f"touch {tmp_path}/been", *SOON)
        assert answer.status == 0
        assert "no reply-to" in answer.err
        wait_for((tmp_path / "been").exists, "program")
        assert bodies(stomp, queue) == []


def test_missing_exec_is_wrong_usage(stomp: Stomp) -> None:
    answer = stomp("reply", "/queue/a")
    assert answer.status == 1
    assert "--exec" in answer.err
