"""`stomp send`: what there is to send, how it is cut into messages, and what is said about it."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from stomp.broker import Broker
from stomp.cli.commands import send
from stomp.cli.framework import registry
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer, greet_back, read_frame
from tests.cli.oneshot import Stomp, ended


def bodies(stomp: Stomp, queue: str, count: int) -> list[bytes]:
    """The bodies of the next messages of the queue, which are no more than these."""
    out = stomp.well("listen", queue, "-n", str(count), "--format", r"%b\0", "--timeout", "10")
    return out.split(b"\0")[:-1]


def headers(stomp: Stomp, queue: str) -> dict[str, str]:
    """The headers of the next message."""
    out = stomp.well("listen", queue, "-n", "1", "--json", "--timeout", "10")
    return dict(json.loads(out)["headers"])


class TestSend:
    """At any broker."""

    def test_body_argument_is_sent(self, stomp: Stomp, queue: str) -> None:
        assert stomp.well("send", queue, "two  words, é") == b""
        assert bodies(stomp, queue, 1) == ["two  words, é".encode()]

    @pytest.mark.parametrize("arguments", [[], ["-"]])
    def test_standard_input_is_sent_as_one_message(
        self, stomp: Stomp, queue: str, arguments: list[str]
    ) -> None:
        stomp.well("send", queue, *arguments, stdin=b"a\nb\n\xff")
        assert bodies(stomp, queue, 1) == [b"a\nb\n\xff"]

    def test_lines_sends_each_line(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "--lines", stdin=b"a\n\nb\r\nc")
        assert bodies(stomp, queue, 4) == [b"a", b"", b"b\r", b"c"]

    @pytest.mark.parametrize("option", ["-0", "--null"])
    def test_null_separates_messages(self, stomp: Stomp, queue: str, option: str) -> None:
        stomp.well("send", queue, option, stdin=b"a\nb\0c\0")
        assert bodies(stomp, queue, 2) == [b"a\nb", b"c"]

    def test_file_is_sent_as_the_body(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(bytes(range(256)))
        stomp.well("send", queue, "--file", str(tmp_path / "file"))
        assert stomp.well("listen", queue, "-n", "1", "--raw") == bytes(range(256))

    def test_lines_of_a_file_are_sent(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"a\nb\n")
        stomp.well("send", queue, "--file", str(tmp_path / "file"), "--lines")
        assert bodies(stomp, queue, 2) == [b"a", b"b"]

    def test_jsonl_sends_a_message_per_line(self, stomp: Stomp, queue: str) -> None:
        lines = [
            {"destination": queue, "headers": {"n": "1"}, "body": "one"},
            {"headers": [["n", 2]], "body64": "dHdv/w=="},
            {},
        ]
        text = "\n".join(map(json.dumps, lines)) + "\n\n"
        stomp.well("send", queue, "--jsonl", "--header", "all:yes", stdin=text.encode())
        out = stomp.well("listen", queue, "-n", "3", "--format", r"%h{n} %h{all} %b\n")
        assert out == b"1 yes one\n2 yes two\xff\n yes \n"

    def test_headers_are_sent(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "x", "--header", "a:b:c", "--header", "empty:", "--content-type", "text/x")
        found = headers(stomp, queue)
        assert (found["a"], found["empty"], found["content-type"]) == ("b:c", "", "text/x")

    def test_message_options_become_headers(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "x", "--persistent", "--priority", "7", "--ttl", "60")
        found = headers(stomp, queue)
        assert found["persistent"] == "true"
        assert found["priority"] == "7"

    def test_times_may_have_a_unit(self, stomp: Stomp, queue: str) -> None:
        args = registry.BY_NAME["send"].parser().read([queue, "x", "--ttl", "2m", "--delay", "500ms"])
        assert (args.ttl, args.delay) == (120.0, 0.5)

    def test_json_is_checked_and_named(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, '{"a": 1}', "--json")
        assert headers(stomp, queue)["content-type"] == "application/json"
        answer = stomp("send", queue, "{a: 1}", "--json")
        assert (answer.status, "the body is not JSON" in answer.err) == (1, True)

    def test_template_is_filled_for_each_message(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "order {{count}}", "--template", "--count", "3")
        assert bodies(stomp, queue, 3) == [b"order 1", b"order 2", b"order 3"]
        stomp.well("send", queue, "{{count}}", "--header", "number: {{count}}")
        assert headers(stomp, queue)["number"] == "{{count}}"

    def test_count_repeats_the_message(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "x", "--count", "3", "--rate", "1000")
        assert bodies(stomp, queue, 3) == [b"x"] * 3

    def test_more_messages_than_the_window_are_sent(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "--lines", stdin=b"".join(b"%d\n" % n for n in range(2500)))
        assert bodies(stomp, queue, 2500) == [b"%d" % n for n in range(2500)]

    def test_no_confirm_requests_no_receipts(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "--lines", "--no-confirm", stdin=b"a\nb\n")
        assert bodies(stomp, queue, 2) == [b"a", b"b"]


def test_body_and_file_together_are_refused(stomp: Stomp) -> None:
    answer = stomp("send", "/queue/a", "body", "--file", "x")
    assert answer == (
        1,
        b"",
        "stomp send: BODY and --file, --lines, --null or --jsonl cannot be used together\n",
    )


def test_lines_null_and_jsonl_exclude_each_other(stomp: Stomp) -> None:
    answer = stomp("send", "/queue/a", "--lines", "--null")
    assert answer.status == 1
    assert "not allowed with argument" in answer.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 of standard input is not JSON: Expecting property name enclosed in double quotes"),
        (b"\xff", "line 2 of standard input is not JSON: it is not UTF-8"),
        ("[]", 'line 2 of standard input is not a JSON object (example: {"destination": "/queue/a", '
               '"headers": {"type": "x"}, "body": "hello"})'),
    ],
)  # fmt: skip
def test_invalid_line_is_reported_after_earlier_lines_are_confirmed(
    stomp: Stomp, queue: str, line: str | bytes, words: str
) -> None:
    text = line if isinstance(line, bytes) else line.encode()
    answer = stomp("send", queue, "--jsonl", stdin=b'{"body": "one"}\n' + text + b'\n{"body": "three"}\n')
    assert answer == (1, b"", f"stomp send: {words}\n")
    assert bodies(stomp, queue, 1) == [b"one"]


def test_missing_file_is_an_error(stomp: Stomp) -> None:
    answer = stomp("send", "/queue/a", "--file", "/no/such")
    assert answer == (1, b"", "stomp send: /no/such: No such file or directory\n")


def test_directory_is_an_error(stomp: Stomp, tmp_path: Path) -> None:
    answer = stomp("send", "/queue/a", "--file", str(tmp_path))
    assert answer == (1, b"", f"stomp send: {tmp_path}: Is a directory\n")


def test_invalid_header_is_an_error(stomp: Stomp) -> None:
    answer = stomp("send", "/queue/a", "x", "-S", "1.0", "--header", "a:b\nc")
    assert answer.status == 1
    assert answer.err.count("\n") == 1


def test_wrong_password_exits_with_status_4(stomp: Stomp) -> None:
    answer = stomp("send", "/queue/a", "x", "-W", "wrong")
    assert answer.status == 4
    assert answer.err.count("\n") == 1
    assert "wrong" not in answer.err


def test_closed_port_exits_with_status_3(stomp: Stomp, free_port: int) -> None:
    answer = stomp("send", "/queue/a", "x", "-H", "127.0.0.1", "-P", str(free_port))
    assert answer.status == 3
    assert answer.err.startswith(f"stomp send: cannot connect to 127.0.0.1:{free_port}: connection refused")
    assert answer.err.count("\n") == 1


def test_unknown_host_exits_with_status_3(stomp: Stomp) -> None:
    answer = stomp("send", "/queue/a", "x", "-H", "no-such-host.invalid")
    assert answer.status == 3
    assert "no-such-host.invalid" in answer.err
    assert answer.err.count("\n") == 1


def test_lost_broker_leaves_the_outcome_unknown(stomp: Stomp) -> None:
    def vanish(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock)
        read_frame(sock)

    with ScriptedServer(vanish) as server:
        stomp.url = f"stomp://{server.host}:{server.port}"
        answer = stomp("send", "/queue/a", "x")
    assert answer.status == 3
    assert answer.err.count("\n") == 1


def test_number_of_confirmed_messages_is_reported_on_failure(stomp: Stomp) -> None:
    def refuse_the_second(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock)
        for answer in (b"RECEIPT\nreceipt-id:%s\n\n\0", b"ERROR\nmessage:full\nreceipt-id:%s\n\n\0"):
            frame = read_frame(sock)
            receipt = next(line[8:] for line in frame.split(b"\n") if line.startswith(b"receipt:"))
            sock.sendall(answer % receipt)

    with ScriptedServer(refuse_the_second) as server:
        stomp.url = f"stomp://{server.host}:{server.port}"
        answer = stomp("send", "/queue/a", "--lines", stdin=b"a\nb\n")
    assert answer.status == 2
    assert answer.err.startswith("2 messages sent, the first 1 of them confirmed\nstomp send: ")
    assert "full" in answer.err


def test_resend_repeats_unconfirmed_messages(stomp: Stomp, queue: str, broker: Broker) -> None:
    with Relay(broker.host, broker.port) as relay:
        stomp.options = ["-H", relay.host, "-P", str(relay.port)]
        process = stomp.start("send", "--resend", queue, "--lines")
        assert process.stdin is not None
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert bodies(stomp, queue, 1) == [b"a"]
        relay.cut()
        process.stdin.write(b"b\n")
        answer = ended(process)
        assert answer == (0, b"", "")
        assert bodies(stomp, queue, 1) == [b"b"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_after_sent_messages_are_confirmed(stomp: Stomp, queue: str, number: int) -> None:
    process = stomp.start("send", queue, "--lines")
    assert process.stdin is not None
    process.stdin.write(b"typed\n")
    process.stdin.flush()
    assert bodies(stomp, queue, 1) == [b"typed"]
    process.send_signal(number)
    assert ended(process) == (130, b"", "interrupted; 1 message sent\n")


def test_input_is_split_at_separators_whatever_the_reads() -> None:
    class Drips:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read1(self, size: int) -> bytes:
            piece, self.data = self.data[:3], self.data[3:]
            return piece

    found = list(send.split_input(Drips(b"a\nlonger\n\nend"), b"\n"))  # type: ignore[arg-type]
    assert found == [(b"a", 2), (b"longer", 9), (b"", 10), (b"end", 13)]
