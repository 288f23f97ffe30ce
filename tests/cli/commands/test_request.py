"""`stomp request` and `stomp reply`."""

from __future__ import annotations

import functools
import json
import signal

from stomp import Client, Message
from tests.cli.commands.test_listen import bodies
from tests.cli.oneshot import Stomp, ended
from tests.conformance.venues import NO_TEMPORARY, needs


class TestRequest:
    """At any broker."""

    @needs(lambda habits: habits.temporary, NO_TEMPORARY)
    def test_reply_is_printed(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "-n", "3", "--exec", 'tr a-z A-Z; printf "$STOMP_HEADER_KIND"')
        assert stomp.well("request", queue, "hello", "--header", "kind:x") == b"HELLOx"
        assert stomp.well("request", queue, "-", stdin=b"hello\n") == b"HELLO\n"
        assert stomp.well("request", queue, stdin=b"\xff") == b"\xff"
        assert ended(process) == (0, b"", "")

    @needs(lambda habits: habits.temporary, NO_TEMPORARY)
    def test_json_output_has_the_headers_of_the_reply(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "--exec", "cat", "--content-type", "text/x")
        said = json.loads(stomp.well("request", queue, "hello", "--json"))
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 0
        assert said["body"] == "hello"
        assert dict(said["headers"])["content-type"] == "text/x"

    @needs(lambda habits: habits.temporary, NO_TEMPORARY)
    def test_a_request_is_sent_count_times(self, stomp: Stomp, queue: str) -> None:
        process = stomp.start("reply", queue, "-n", "3", "--exec", "cat")
        assert stomp.well("request", queue, "hello", "--count", "3", "--rate", "1000") == b"hello\n" * 3
        assert ended(process) == (0, b"", "")

    @needs(lambda habits: habits.temporary, NO_TEMPORARY)
    def test_missing_reply_exits_with_status_3(self, stomp: Stomp, queue: str) -> None:
        answer = stomp("request", queue, "hello", "--timeout", "0.3")
        assert answer.status == 3
        assert "no reply to the request" in answer.err
        assert answer.err.count("\n") == 1
        assert bodies(stomp, queue) == [b"hello"]


def test_replies_of_several_services_are_printed(stomp: Stomp) -> None:
    with Client(stomp.url) as one, Client(stomp.url) as other:
        for client, word in ((one, "a"), (other, "b\n")):
            client.consume("/topic/health", functools.partial(answer, word), ack="auto")
        out = stomp.well("request", "/topic/health", "hello", "--replies", "2")
        assert sorted(out.splitlines()) == [b"a", b"b"]
        found = stomp("request", "/topic/health", "hello", "--replies", "3", "--timeout", "0.5", "--json")
    assert found.status == 3
    assert len([json.loads(line) for line in found.out.splitlines()]) == 2
    assert found.err == "stomp request: 2 of 3 replies arrived in 0.5 s\n"


def answer(word: str, message: Message) -> None:
    message.reply(word)
