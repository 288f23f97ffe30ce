"""`stomp request` and `stomp reply`."""

from __future__ import annotations

import json
import signal

from tests.cli.commands.test_listen import bodies
from tests.cli.oneshot import Stomp, ended


class TestRequest:
    """At any broker."""

    def test_reply_is_printed(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "-n", "3", "--exec", 'tr a-z A-Z; printf "$STOMP_HEADER_KIND"')
        assert stomp.well("request", queue, "hello", "--header", "kind:x") == b"HELLOx"
        assert stomp.well("request", queue, "-", stdin=b"hello\n") == b"HELLO\n"
        assert stomp.well("request", queue, stdin=b"\xff") == b"\xff"
        assert ended(process) == (0, b"", "")

    def test_json_output_has_the_headers_of_the_reply(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "--exec", "cat", "--content-type", "text/x")
        said = json.loads(stomp.well("request", queue, "hello", "--json"))
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 0
        assert said["body"] == "hello"
        assert dict(said["headers"])["content-type"] == "text/x"

    def test_missing_reply_exits_with_status_3(self, stomp: Stomp, queue: str) -> None:
        answer = stomp("request", queue, "hello", "--timeout", "0.3")
        assert answer.status == 3
        assert "no reply to the request" in answer.err
        assert answer.err.count("\n") == 1
        assert bodies(stomp, queue) == [b"hello"]
