"""`stomp bench`: that it measures what it says; how fast anything is, is not for tests."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from stomp.cli.commands import bench
from stomp.cli.framework.terminal import Terminal
from stomp.testing.servers import ScriptedServer, greet_back, read_frame
from tests.cli.commands.test_listen import bodies, send
from tests.cli.oneshot import Stomp
from tests.conformance.venues import needs

QUICK = ("-n", "200", "--rate", "200", "--duration", "0.5")


class TestBench:
    """At any broker."""

    @needs(lambda habits: not habits.pool, "it makes no queues on demand")
    def test_text_output_has_throughput_and_latency(self, stomp: Stomp) -> None:
        out = stomp.well("bench", *QUICK).decode()
        lines = out.splitlines()
        assert lines[0].startswith("sent (confirmed):")
        assert lines[1].startswith("received:")
        assert lines[2].startswith("latency at 200 messages/s: p50 ")
        assert out.isascii()
        assert "|#" in out

    @needs(lambda habits: not habits.pool, "it makes no queues on demand")
    def test_json_output_has_throughput_and_latency(self, stomp: Stomp) -> None:
        said = json.loads(
            stomp.well("bench", *QUICK, "--size", "1000", "--no-confirm", "--persistent", "--json")
        )
        throughput, latency = said["throughput"], said["latency"]
        assert (throughput["messages"], throughput["confirmed"], said["size"]) == (200, False, 1000)
        assert throughput["sent"]["per_second"] > 0
        assert (latency["messages"], latency["missing"]) == (100, 0)
        seconds = latency["seconds"]
        assert 0 < seconds["p50"] <= seconds["p90"] <= seconds["p99"] <= seconds["p99.9"] <= seconds["max"]

    @pytest.mark.parametrize(("only", "other"), [("throughput", "latency"), ("latency", "throughput")])
    def test_only_limits_the_measurement(self, stomp: Stomp, queue: str, only: str, other: str) -> None:
        said = json.loads(stomp.well("bench", queue, *QUICK, "--only", only, "--json"))
        assert only in said
        assert other not in said
        assert said["destination"] == queue
        assert bodies(stomp, queue) == []

    def test_several_producers_and_consumers_share_the_messages(self, stomp: Stomp, queue: str) -> None:
        several = ("--producers", "3", "--consumers", "2")
        said = json.loads(stomp.well("bench", queue, *QUICK, *several, "--json"))
        assert (said["producers"], said["consumers"]) == (3, 2)
        assert said["throughput"]["messages"] == 200
        assert (said["latency"]["messages"], said["latency"]["missing"]) == (100, 0)
        assert bodies(stomp, queue) == []

    def test_queue_with_messages_is_refused(self, stomp: Stomp, queue: str) -> None:
        send(stomp, queue, "precious")
        answer = stomp("bench", queue, *QUICK)
        assert answer.status == 1
        assert (
            answer.err
            == f"stomp bench: there are messages in {queue} (use an empty queue that no other program uses)\n"
        )
        assert bodies(stomp, queue) == [b"precious"]


def test_missing_messages_are_an_error(stomp: Stomp) -> None:
    def swallow(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock)
        while frame := read_frame(sock):
            receipt = [line[8:] for line in frame.split(b"\n") if line.startswith(b"receipt:")]
            if receipt:
                sock.sendall(b"RECEIPT\nreceipt-id:%s\n\n\0" % receipt[0])
            if frame.startswith(b"DISCONNECT"):
                return

    with ScriptedServer(swallow) as server:
        stomp.url = f"stomp://{server.host}:{server.port}"
        quick = ("--rate", "10", "--duration", "0.5", "--connect-timeout", "0.3")
        answer = stomp("bench", *quick, "--only", "latency")
        assert (answer.status, answer.err) == (3, "stomp bench: 5 messages did not arrive\n")
        answer = stomp("bench", *quick, "-n", "3", "--only", "throughput")
        assert (answer.status, answer.err) == (3, "stomp bench: not all messages arrived\n")


def test_every_consumer_of_a_topic_gets_all_messages_which_count_once(stomp: Stomp) -> None:
    said = json.loads(stomp.well("bench", "/topic/a", *QUICK, "--consumers", "3", "--json"))
    assert said["throughput"]["messages"] == 200
    assert said["latency"]["missing"] == 0


def test_an_error_of_any_producer_ends_the_measurement(stomp: Stomp) -> None:
    def send(sender: int, number: int) -> float:
        if number == 1:
            raise ZeroDivisionError
        return sender

    with pytest.raises(ZeroDivisionError):
        bench._each([5, 6, 7], send)
    assert bench._each([7, 5], lambda sender, number: sender) == 7


def test_latency_counts_from_the_due_time_of_a_late_send() -> None:
    """Every message that was due while the broker made the sender wait counts with that wait."""
    now = [100.0]
    moments = SimpleNamespace(
        perf_counter=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )

    class Slow:
        """The first send takes a second, the others nothing; messages arrive when they are sent."""

        def __init__(self) -> None:
            self.sent_at: list[float] = []

        def send(self, destination: str, body: bytes, **options: Any) -> None:
            now[0] += 0.0 if self.sent_at else 1.0
            self.sent_at.append(now[0])

    sender = Slow()
    plan = bench.Plan(SimpleNamespace(size=16, persistent=False), Terminal())  # type: ignore[arg-type]
    due = [now[0] + n * 0.25 for n in range(6)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "time", moments)
        behind = bench._send_steadily(plan, sender, due, range(len(due)))
    assert [sent_at - due_at for sent_at, due_at in zip(sender.sent_at, due, strict=True)] == [
        1.0,
        0.75,
        0.5,
        0.25,
        0,
        0,
    ]
    assert behind == 0.75
