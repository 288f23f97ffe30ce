"""`stomp listen`: what is written, what is acknowledged, and how it ends."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from stomp.broker import Broker
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer, greet_back, read_frame
from tests.cli.commands.test_broker import running
from tests.cli.oneshot import PATIENCE, Stomp, ended
from tests.cli.running import Command
from tests.conformance.venues import NO_REDELIVERY, Habits, needs

SOON = ("--timeout", "10")


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.01)


def bodies(stomp: Stomp, queue: str) -> list[bytes]:
    """The bodies of all messages of a queue, until there is none for a second."""
    out = stomp.well("listen", queue, "--format", r"%b\0", "--timeout", "1")
    return out.split(b"\0")[:-1]


def send(stomp: Stomp, queue: str, *bodies: str, **headers: str) -> None:
    given = [f"--header={name.replace('_', '-')}:{value}" for name, value in headers.items()]
    stomp.well("send", queue, "--null", *given, stdin="\0".join(bodies).encode() + b"\0")


def often(habits: Habits) -> list[str]:
    """Options for a connection that will be reset, so that the broker notices it within two seconds."""
    return [] if habits.notices_resets else ["--heartbeats", "1000,1000"]


def assert_rejected(err: str, habits: Habits) -> None:
    """Check the line about a program that ended with status 3, and those about a new connection if there is one."""
    first, *more = err.splitlines()
    if not habits.gives_back:
        assert first.endswith(": exit status 3; rejected")
        assert more == []
        return
    assert first.endswith(": exit status 3; returned to the broker")
    assert more[0].startswith("reconnecting: giving back 1 message that failed")
    assert more[1].startswith("reconnected to ")


class TestListen:
    """At any broker."""

    def test_text_output_has_headers_and_body(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one", type="x\x1b[2J")
        out = stomp.well("listen", queue, "-n", "1", *SOON)
        assert f"destination: {queue}\n".encode() in out
        assert b"type: x\\x1b[2J\n" in out
        assert out.endswith(b"\n\none\n\n")

    def test_headers_only_omits_bodies(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one", "two", type="x")
        out = stomp.well("listen", queue, "-n", "1", "--headers-only", *SOON)
        assert b"type: x\n" in out
        assert b"one" not in out
        out = stomp.well("listen", queue, "-n", "1", "--headers-only", "--json", *SOON)
        assert "body" not in json.loads(out)

    def test_json_has_headers_as_an_object(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, "x", "--header", "type: a")
        record = json.loads(stomp.well("listen", queue, "-n", "1", "--json", *SOON))
        assert (record["headers"]["type"], record["headers"]["destination"]) == ("a", queue)

    def test_json_body_is_a_value_if_it_is_json(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, '{"total": 5}', "not json")
        lines = stomp.well("listen", queue, "-n", "2", "--json", "--json-body", *SOON).splitlines()
        first, second = map(json.loads, lines)
        assert (first["json"], "body" in first) == ({"total": 5}, False)
        assert (second["body"], "json" in second) == ("not json", False)

    def test_pretty_indents_bodies_that_are_json(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, '{"total":5}')
        out = stomp.well("listen", queue, "-n", "1", "--pretty", *SOON)
        assert b'\n\n{\n  "total": 5\n}\n' in out

    def test_shorten_cuts_long_bodies_and_says_so(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "x" * 30)
        out = stomp.well("listen", queue, "-n", "1", "--shorten", "10", *SOON)
        assert out.endswith(b"\n\nxxxxxxxxxx\n... 20 more bytes; --shorten 0 writes whole bodies\n\n")

    def test_json_body_without_json_is_refused(self, stomp: Stomp, queue: str) -> None:
        ended = stomp("listen", queue, "--json-body")
        assert (ended.status, "--json-body is for --json only" in ended.err) == (1, True)

    def test_raw_writes_only_bodies(self, stomp: Stomp, queue: str) -> None:
        body = bytes(range(256))
        stomp.well("send", queue, stdin=body)
        stomp.well("send", queue, stdin=body)
        assert stomp.well("listen", queue, "-n", "2", "--raw", *SOON) == body * 2

    def test_json_writes_one_line_per_message(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "é", type="x")
        before = time.time()
        said = json.loads(stomp.well("listen", queue, "-n", "1", "--json", *SOON))
        assert said["destination"] == queue
        assert said["body"] == "é"
        assert dict(said["headers"])["type"] == "x"
        assert before <= said["time"] <= time.time()

    def test_format_is_applied_to_each_message(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one", type="x")
        out = stomp.well(
            "listen", queue, "-n", "1", "--format", r"%c|%d|%h{type}|%l|%b|%%\t%h{none}\n", *SOON
        )
        assert out == f"1|{queue}|x|3|one|%\t\n".encode()

    def test_several_destinations_are_merged(self, stomp: Stomp, queue: str, target: str) -> None:
        send(stomp, queue, "one")
        send(stomp, target, "two")
        out = stomp.well("listen", queue, target, "-n", "2", "--format", r"%b\n", *SOON)
        assert sorted(out.split()) == [b"one", b"two"]

    def test_timeout_without_messages_ends_the_command(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one")
        assert bodies(stomp, queue) == [b"one"]

    def test_too_few_messages_exit_with_status_3(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one")
        answer = stomp("listen", queue, "-n", "2", "--timeout", "0.5", "--raw")
        words = "1 of 2 messages arrived; then there was none for 0.5 s"
        assert answer == (3, b"one", f"stomp listen: {words}\n")

    def test_messages_beyond_the_count_stay_in_the_queue(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one", "two", "three")
        assert stomp.well("listen", queue, "-n", "1", "--raw", *SOON) == b"one"
        assert bodies(stomp, queue) == [b"two", b"three"]

    @pytest.mark.parametrize("mode", ["client", "client-individual", "auto"])
    def test_written_messages_are_acknowledged(self, stomp: Stomp, queue: str, mode: str) -> None:
        send(stomp, queue, "one", "two")
        out = stomp.well("listen", queue, "-n", "2", "--raw", "--ack", mode, *SOON)
        assert out == b"onetwo"
        assert bodies(stomp, queue) == []

    def test_ack_none_leaves_the_messages(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "one", "two")
        assert stomp.well("listen", queue, "-n", "2", "--raw", "--ack", "none", *SOON) == b"onetwo"
        assert bodies(stomp, queue) == [b"one", b"two"]

    def test_exec_runs_the_program_for_each_message(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        send(stomp, queue, "one", "two", some_type="x y")
        command = f'echo "$STOMP_HEADER_SOME_TYPE:$(cat)" >> {tmp_path}/out'
        assert stomp.well("listen", queue, "-n", "2", "--exec", command, *SOON) == b""
        assert (tmp_path / "out").read_text() == "x y:one\nx y:two\n"
        assert bodies(stomp, queue) == []

    @needs(lambda habits: habits.redelivers or habits.gives_back, NO_REDELIVERY)
    def test_message_rejected_by_the_program_is_redelivered(
        self, stomp: Stomp, queue: str, habits: Habits, tmp_path: Path
    ) -> None:
        send(stomp, queue, "one")
        command = f"test -e {tmp_path}/been && exit 0; touch {tmp_path}/been; exit 3"
        answer = stomp("listen", queue, "-n", "2", "--exec", command, *SOON)
        assert (answer.status, answer.out) == (0, b"")
        assert_rejected(answer.err, habits)
        assert bodies(stomp, queue) == []

    def test_program_that_does_not_read_its_input_is_no_error(self, stomp: Stomp, queue: str) -> None:
        stomp.well("send", queue, stdin=bytes(1_000_000))
        stomp.well("listen", queue, "-n", "1", "--exec", "true", *SOON)
        assert bodies(stomp, queue) == []

    def test_sigterm_loses_no_message(self, stomp: Stomp, queue: str, tmp_path: Path) -> None:
        names = [str(n) for n in range(20)]
        send(stomp, queue, *names)
        command = f"read x; echo $x >> {tmp_path}/begun; sleep 0.1; echo $x >> {tmp_path}/done"
        process = stomp.start("listen", queue, "--exec", command)
        wait_for(lambda: (tmp_path / "begun").exists(), "message")
        process.send_signal(signal.SIGTERM)
        answer = ended(process)
        assert (answer.status, answer.err) == (0, "")
        # What was begun was finished, and acknowledged.
        assert (tmp_path / "done").read_text() == (tmp_path / "begun").read_text()
        handled = (tmp_path / "done").read_text().split()
        rest = [body.decode() for body in bodies(stomp, queue)]
        assert handled
        assert rest
        assert handled + rest == names

    def test_lost_connection_loses_no_message(
        self, stomp: Stomp, queue: str, tmp_path: Path, relay: Relay, habits: Habits
    ) -> None:
        names = [str(n) for n in range(10)]
        send(stomp, queue, *names)
        stomp.options += ["-H", relay.host, "-P", str(relay.port), *often(habits)]
        command = f"read x; echo $x >> {tmp_path}/done; sleep 0.1"
        done = tmp_path / "done"
        process = stomp.start("listen", queue, "-n", "11", "--exec", command, "--timeout", "20")
        wait_for(lambda: done.exists() and len(done.read_text().split()) >= 3, "message")
        relay.cut()
        answer = ended(process)
        handled = done.read_text().split()
        # The one in hand came again, and all others came once.
        assert set(handled) == set(names)
        assert len(handled) == 11
        assert answer.status == 0
        assert "it will be delivered again" in answer.err
        assert "reconnected" in answer.err


def test_message_rejected_by_the_program_is_gone_with_ack_auto(stomp: Stomp, queue: str) -> None:
    send(stomp, queue, "one")
    answer = stomp("listen", queue, "-n", "1", "--ack", "auto", "--exec", "cat; exit 3", *SOON)
    assert answer.status == 0
    assert answer.err.endswith(": exit status 3; with --ack auto it is not delivered again\n")
    assert bodies(stomp, queue) == []


def test_killed_broker_causes_no_false_acknowledgement(stomp: Stomp, queue: str, tmp_path: Path) -> None:
    """The embedded broker keeps messages in memory: what it was killed with is gone, and the listener goes on."""
    with running("--port", "0") as (first, match):
        stomp.url = f"stomp://{match[2]}:{match[3]}"
        send(stomp, queue, "one")
        process = stomp.start("listen", queue, "-n", "2", "--exec", f"cat >> {tmp_path}/done")
        wait_for(lambda: (tmp_path / "done").exists(), "message")
        first.kill()
        first.wait()
        with running("--port", match[3]):
            send(stomp, queue, "two")
            answer = ended(process)
    assert answer.status == 0
    assert (tmp_path / "done").read_text() == "onetwo"
    assert "reconnecting" in answer.err


def test_second_signal_ends_the_command_at_once(stomp: Stomp, queue: str, tmp_path: Path) -> None:
    send(stomp, queue, "one")
    process = stomp.start("listen", queue, "--exec", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "message")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert ended(process).status == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert bodies(stomp, queue) == [b"one"]


def test_unfinished_message_stays_after_the_grace_time(stomp: Stomp, queue: str, tmp_path: Path) -> None:
    send(stomp, queue, "one")
    command = f"touch {tmp_path}/begun; exec sleep 60"
    process = stomp.start("listen", queue, "--exec", command, "--grace", "0.2")
    wait_for(lambda: (tmp_path / "begun").exists(), "message")
    process.send_signal(signal.SIGTERM)
    answer = ended(process)
    assert answer.status == 130
    assert "killed by SIGKILL, but the connection was lost: it will be delivered again" in answer.err
    assert bodies(stomp, queue) == [b"one"]


@pytest.mark.parametrize("ack", ["none", "client-individual", "auto"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_waiting_command_exits_0_on_sigterm_and_130_on_sigint(
    stomp: Stomp, queue: str, number: signal.Signals, status: int, ack: str
) -> None:
    send(stomp, queue, "one")
    process = stomp.start("listen", queue, "--raw", "--ack", ack)
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    process.send_signal(number)
    assert ended(process) == (status, b"", "")


@pytest.mark.parametrize("end", [["-n", "2"], ["--timeout", "60"]])
def test_sigterm_before_the_count_is_reached_exits_130(stomp: Stomp, queue: str, end: list[str]) -> None:
    send(stomp, queue, "one")
    process = stomp.start("listen", queue, "--raw", *end)
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (130, b"", "")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_sigterm_while_connecting_exits_0(
    stomp: Stomp, queue: str, number: signal.Signals, status: int
) -> None:
    connecting = threading.Event()

    def say_nothing(sock: socket.socket) -> None:
        read_frame(sock)
        connecting.set()
        sock.recv(1)

    with ScriptedServer(say_nothing) as server:
        stomp.url = server.url
        process = stomp.start("listen", queue)
        assert connecting.wait(PATIENCE)
        process.send_signal(number)
        assert ended(process) == (status, b"", "")


def test_closed_pipe_ends_the_command_without_error(stomp: Stomp, queue: str) -> None:
    send(stomp, queue, "one", "two", "three")
    process = stomp.start("listen", queue, "--format", r"%b\n")
    head = subprocess.run(["head", "-n1"], stdin=process.stdout, stdout=subprocess.PIPE, check=True)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    send(stomp, queue, "four")
    answer = ended(process)
    assert head.stdout == b"one\n"
    assert (answer.status, answer.err) == (0, "")
    # Which of them went into the pipe before it was closed is not ours to know.
    assert bodies(stomp, queue)[-1] == b"four"


def test_messages_lost_with_ack_auto_are_reported(stomp: Stomp, queue: str) -> None:
    message = b"MESSAGE\nsubscription:sub-1\nmessage-id:%d\ndestination:/queue/a\n\nx\0"

    def flood(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock)
        while frame := read_frame(sock):
            receipt = next(line[8:] for line in frame.split(b"\n") if line.startswith(b"receipt:"))
            more = b"".join(message % n for n in range(3)) if frame.startswith(b"SUBSCRIBE") else b""
            sock.sendall(b"RECEIPT\nreceipt-id:%s\n\n\0" % receipt + more)
            if frame.startswith(b"DISCONNECT"):
                return

    with ScriptedServer(flood) as server:
        stomp.url = f"stomp://{server.host}:{server.port}"
        answer = stomp("listen", "/queue/a", "-n", "1", "--raw", "--ack", "auto")
    assert answer.status == 0
    assert answer.err.startswith("2 more messages had arrived and are lost: with --ack auto the broker")


def test_topic_messages_are_printed(stomp: Stomp, queue: str, broker: Broker) -> None:
    topic = queue.replace("/queue/", "/topic/")
    process = stomp.start("listen", topic, "-n", "1", "--raw")

    def publish() -> bool:
        stomp.well("send", topic, "news")
        return process.poll() is not None

    wait_for(publish, "message")
    answer = ended(process)
    assert answer == (0, b"news", "")


def test_durable_subscription_with_a_selector_gets_matching_messages(stomp: Stomp, queue: str) -> None:
    topic = queue.replace("/queue/", "/topic/")
    durable = ("listen", topic, "--durable", queue[7:], "--raw")
    assert stomp(*durable, "--timeout", "0.2").status == 0
    send(stomp, topic, "kept")
    assert stomp.well(*durable, "-n", "1", *SOON) == b"kept"
    stomp.well("send", queue, "left", "--header", "kind:a")
    stomp.well("send", queue, "right", "--header", "kind:b")
    assert stomp.well("listen", queue, "--selector", "kind = 'b'", "-n", "1", "--raw", *SOON) == b"right"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "%z"], "--format has no '%z'"),
        (["--format", r"\q"], r"--format has no '\\q'"),
        (
            ["--exec", "true", "--ack", "none"],
            "--exec cannot be used with --headers-only or --ack none",
        ),
        (["--json", "--raw"], "not allowed with argument"),
        (["--ack", "x"], "invalid choice"),
        (["-n", "0"], "is not a whole number from 1 on"),
        (["--json", "--shorten", "5"], "--shorten cannot be used with --json"),
        (["--raw", "--shorten", "0"], "--shorten cannot be used with --raw"),
        (["--exec", "true", "--pretty"], "--pretty cannot be used with --exec"),
        (["--format", "%b", "--pretty"], "--pretty cannot be used with --format"),
    ],
)
def test_wrong_usage_is_reported(stomp: Stomp, arguments: list[str], words: str) -> None:
    answer = stomp("listen", "/queue/a", *arguments)
    assert answer.status == 1
    assert words in answer.err
    assert answer.err.count("\n") == 1


def test_control_characters_are_escaped_on_a_terminal(command: Command, stomp: Stomp, queue: str) -> None:
    send(stomp, queue, "\x1b[2Jbody\x07", evil="\x1b]0;title\x07")
    send(stomp, queue, "\x1b[2Jbody\x07", evil="\x1b]0;title\x07")
    send(stomp, queue, "\x1b[2Jbody\x07", evil="\x1b]0;title\x07")
    for option in ("--raw", "--json", "--headers-only"):
        with command.console("listen", queue, "-n", "1", option) as console:
            assert console.status() == 0
            assert "\x1b[2J" not in console.raw
            assert "\x07" not in console.raw
            assert "\x1b]" not in console.raw


def test_colours_are_used_on_a_terminal_only(command: Command, stomp: Stomp, queue: str) -> None:
    send(stomp, queue, "one", "two", "three")
    with command.console("listen", queue, "-n", "1") as console:
        assert console.status() == 0
        assert "\x1b[36mdestination\x1b[0m: " in console.raw
    command.environ["NO_COLOR"] = "1"
    with command.console("listen", queue, "-n", "1") as console:
        assert console.status() == 0
        assert "\x1b[" not in console.raw
    assert b"\x1b" not in stomp.well("listen", queue, "-n", "1", *SOON)


def test_expired_certificate_is_an_error(stomp: Stomp, expired: tuple[str, int, str]) -> None:
    host, port, ca = expired
    answer = stomp("listen", "/queue/a", "-H", host, "-P", str(port), "--ssl-ca-file", ca)
    assert answer.status == 3
    assert "certificate has expired" in answer.err
    assert "renew the broker's certificate" in answer.err
    assert answer.err.count("\n") == 1


@pytest.fixture
def expired(tmp_path: Path) -> Iterator[tuple[str, int, str]]:
    """A broker whose certificate has expired: host, port, authority."""
    ca = trustme.CA()
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", not_before=past, not_after=past + datetime.timedelta(days=1)).configure_cert(
        context
    )
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Broker("localhost", ssl_context=context) as running_broker:
        yield running_broker.host, running_broker.port, str(tmp_path / "ca.pem")
