"""The command line with a Spring application: what it can do there, and the reason where it cannot."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.conftest import spring_address
from tests.cli.commands.test_doctor import examined, names
from tests.cli.commands.test_listen import SOON, wait_for
from tests.cli.oneshot import Stomp, ended


@pytest.fixture(params=["/ws", "/stomp/websocket"])
def stomp(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stomp]:
    with Stomp(f"ws://{spring_address()}{request.param}?broker=spring", monkeypatch) as made:
        yield made


@pytest.fixture
def topic() -> str:
    return f"/topic/{uuid.uuid4().hex}"


def test_all_messages_of_a_topic_are_received(stomp: Stomp, topic: str, tmp_path: Path) -> None:
    # The first message says that the subscription exists: there is no RECEIPT that does.
    out, count = tmp_path / "out", 50
    process = stomp.start("listen", topic, "--ack", "auto", "--exec", f"cat >> {out}; echo >> {out}")

    def is_subscribed() -> bool:
        stomp.well("send", topic, "subscribed?", "--no-confirm")
        return out.exists() and "subscribed?" in out.read_text()

    wait_for(is_subscribed, "subscription")
    lines = "".join(f"{number}\n" for number in range(count))
    stomp.well("send", topic, "--lines", "--no-confirm", stdin=lines.encode())
    wait_for(lambda: len(set(out.read_text().split())) == count + 1, "messages")
    process.send_signal(signal.SIGTERM)
    assert ended(process).status == 0
    received = [line for line in out.read_text().split() if line != "subscribed?"]
    # Spring keeps their order only if the application asks for it.
    assert sorted(received, key=int) == [str(number) for number in range(count)]


def test_answer_of_the_application_is_received(stomp: Stomp) -> None:
    out = stomp.well("listen", "/app/status", "--ack", "auto", "-n", "1", "--json", "--json-body", *SOON)
    assert json.loads(out)["json"] == {"status": "running"}


def test_doctor_finds_no_fault(stomp: Stomp) -> None:
    status, steps = examined(stomp)
    assert status == 0
    assert names(steps)[2:] == ["websocket ok", "login ok", "heart-beat ok", "round-trip ok"]


@pytest.mark.parametrize(
    ("arguments", "reason", "remedy"),
    [
        (("send", "/topic/a", "x"), "receipts", "use stomp send --no-confirm"),
        (("replay",), "receipts", "use stomp send --no-confirm"),
        (("listen", "/topic/a"), "acknowledgements", "use stomp listen --ack auto"),
        (("dump", "/topic/a"), "acknowledgements", "use stomp listen --ack auto"),
        (("move", "/topic/a", "/topic/b"), "acknowledgements", "use stomp listen --ack auto"),
        (("reply", "/topic/a", "--exec", "cat"), "acknowledgements", "use stomp listen --ack auto"),
        (("bench", "/topic/a"), "acknowledgements", "use stomp listen --ack auto"),
        (("request", "/app/hello", "{}"), "temporary queues", "use stomp listen QUEUE"),
        (("ping",), "transactions", "use stomp doctor"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_command_that_needs_more_says_why_not(
    stomp: Stomp, arguments: tuple[str, ...], reason: str, remedy: str
) -> None:
    answer = stomp(*arguments, stdin=b'{"destination": "/topic/a", "body": "x"}\n')
    assert answer.status == 1
    assert f"Spring has no {reason}: " in answer.err
    assert remedy in answer.err
