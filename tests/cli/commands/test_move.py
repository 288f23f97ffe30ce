"""`stomp move`: no message is lost, and possible duplicates are reported."""

from __future__ import annotations

import signal

import pytest

from stomp import Client
from stomp.broker import Broker
from stomp.cli.commands import move
from stomp.testing.relay import Relay
from tests.cli.commands.test_listen import SOON, bodies, often, send
from tests.cli.oneshot import Stomp, ended
from tests.conformance.venues import Habits


class TestMove:
    """At any broker."""

    def test_all_messages_are_moved(self, stomp: Stomp, queue: str, target: str) -> None:
        send(stomp, queue, *map(str, range(500)), kind="x:y")
        stomp.well("move", queue, target, "--timeout", "1")
        out = stomp.well("listen", target, "-n", "500", "--format", "%b %h{kind}\n", *SOON)
        assert out.decode().splitlines() == [f"{n} x:y" for n in range(500)]
        assert bodies(stomp, queue) == []

    def test_count_limits_the_moved_messages(self, stomp: Stomp, queue: str, target: str) -> None:
        send(stomp, queue, "one", "two", "three")
        stomp.well("move", queue, target, "-n", "2", "--rate", "1000", *SOON)
        assert bodies(stomp, target) == [b"one", b"two"]
        assert bodies(stomp, queue) == [b"three"]

    def test_it_ends_when_the_source_is_empty(
        self, stomp: Stomp, queue: str, target: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(move, "_EMPTY_AFTER", 0.5)
        send(stomp, queue, "one", "two")
        stomp.well("move", queue, target)
        assert bodies(stomp, target) == [b"one", b"two"]

    def test_follow_moves_messages_as_they_arrive(self, stomp: Stomp, queue: str, target: str) -> None:
        process = stomp.start("move", queue, target, "--follow")
        for body in ("one", "two"):
            send(stomp, queue, body)
            assert stomp.well("listen", target, "-n", "1", "--raw", *SOON) == body.encode()
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, b"", "")

    def test_signal_stops_without_loss(self, stomp: Stomp, queue: str, target: str) -> None:
        send(stomp, queue, "one")
        process = stomp.start("move", queue, target, "--follow")
        assert stomp.well("listen", target, "-n", "1", "--raw", *SOON) == b"one"
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, b"", "")
        assert bodies(stomp, queue) == []

    @pytest.mark.slow(reason="moves messages over many connections")
    def test_lost_connections_lose_no_message(
        self, stomp: Stomp, queue: str, target: str, relay: Relay, habits: Habits
    ) -> None:
        names = [str(n) for n in range(2000)]
        send(stomp, queue, *names)
        direct = list(stomp.options)
        stomp.options += ["-H", relay.host, "-P", str(relay.port), *often(habits)]
        relay.cut_after(20_000, "to_client")
        process = stomp.start("move", queue, target, "--timeout", "3")
        answer = ended(process)
        stomp.options = direct
        moved = [body.decode() for body in bodies(stomp, target)]
        assert set(moved) == set(names)
        assert bodies(stomp, queue) == []
        assert answer.status == 0
        assert ("may exist twice" in answer.err) or len(moved) == len(names)
        assert "reconnected" in answer.err


def test_same_source_and_target_are_refused(stomp: Stomp) -> None:
    answer = stomp("move", "/queue/a", "/queue/a")
    assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert "are the same destination" in answer.err


def test_messages_are_moved_to_another_broker(stomp: Stomp, queue: str) -> None:
    stomp.well("send", queue, "--lines", stdin=b"1\n2\n3\n")
    with Broker() as other:
        url = f"stomp://{other.host}:{other.port}"
        stomp.well("move", queue, queue, "--to-url", url, "-n", "3", "--timeout", "10s")
        assert other.depth(queue) == 3
        with Client(url) as client, client.subscribe(queue) as messages:
            assert [message.text for message in messages.messages(timeout=1)] == ["1", "2", "3"]
    answer = stomp("listen", queue, "-n", "1", "--timeout", "100ms")
    assert answer.status == 3


def test_follow_excludes_timeout(stomp: Stomp) -> None:
    answer = stomp("move", "/queue/a", "/queue/b", "--follow", "--timeout", "1")
    assert (answer.status, "--follow and --timeout" in answer.err) == (1, True)


def test_a_copy_is_sent_again_when_the_other_broker_was_lost(
    stomp: Stomp, broker: Broker, relay: Relay
) -> None:
    """The connection to the source stays, so that the source delivers nothing again by itself."""
    names = [str(n) for n in range(300)]
    with Broker() as target, Relay(target.host, target.port) as cut:
        send(stomp, "/queue/a", *names)
        cut.cut_after(5_000, "to_client")
        answer = stomp("move", "/queue/a", "/queue/b", "--to-url", cut.url, "--timeout", "3")
        copies = [message.body.decode() for message in target.messages("/queue/b")]
    assert answer.status == 0
    assert set(copies) == set(names)
    assert broker.depth("/queue/a") == 0
    assert ("may exist twice" in answer.err) or len(copies) == len(names)
