"""The commands that move and answer messages, with every real broker, and the number of messages after each."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers.conftest import FURTHER, RealBroker, at
from tests.cli.commands.test_listen import SOON, bodies, send
from tests.cli.oneshot import Stomp, ended

EVERY = at("rabbitmq", "activemq", *FURTHER)
#: Where a temporary destination for replies can be made. HornetQ makes none on demand.
REPLYING = at("rabbitmq", "activemq", *(name for name in FURTHER if name != "hornetq"))
NAMES = [str(number) for number in range(200)]
#: Of HornetQ's pool of queues; tests/brokers/test_profiles.py and tests/conformance have those below 3000.
_POOL = itertools.count(random.randrange(3000, 3900))


@pytest.fixture
def stomp(broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> Stomp:
    vhost = "/localhost" if broker.name == "apollo" else ""
    return Stomp(f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}{vhost}", monkeypatch)


@pytest.fixture
def queue(broker: RealBroker, stomp: Stomp) -> Callable[[], str]:
    """Makes names of empty queues."""

    def make() -> str:
        if broker.name != "hornetq":
            return f"/queue/commands-{uuid.uuid4().hex}"
        name = f"/queue/pool-{next(_POOL)}"
        bodies(stomp, name)
        return name

    return make


@EVERY
def test_move_moves_all_messages(stomp: Stomp, queue: Callable[[], str]) -> None:
    one, two = queue(), queue()
    send(stomp, one, *NAMES)
    stomp.well("move", one, two, "--timeout", "1")
    assert [body.decode() for body in bodies(stomp, two)] == NAMES
    assert bodies(stomp, one) == []


@EVERY
def test_dump_and_replay_keep_all_messages(stomp: Stomp, queue: Callable[[], str], tmp_path: Path) -> None:
    one, two, dump = queue(), queue(), tmp_path / "dump"
    send(stomp, one, *NAMES, kind="x:y")
    stomp.well("dump", one, "-o", str(dump), "--timeout", "1")
    assert dump.read_text().count("\n") == len(NAMES)
    stomp.well("replay", str(dump), "--to", two)
    out = stomp.well("listen", two, "-n", str(len(NAMES)), "--format", "%b %h{kind}\n", *SOON)
    assert out.decode().splitlines() == [f"{name} x:y" for name in NAMES]


@EVERY
def test_listen_runs_a_program_for_each_message(
    stomp: Stomp, queue: Callable[[], str], tmp_path: Path
) -> None:
    one = queue()
    send(stomp, one, *NAMES[:20])
    stomp.well("listen", one, "-n", "20", "--exec", f"cat >> {tmp_path}/out; echo >> {tmp_path}/out", *SOON)
    assert (tmp_path / "out").read_text().split() == NAMES[:20]
    assert bodies(stomp, one) == []


@REPLYING
def test_requests_are_answered(stomp: Stomp, queue: Callable[[], str]) -> None:
    one = queue()
    process = stomp.start("reply", one, "-n", "3", "--exec", "tr a-z A-Z")
    for word in ("one", "two", "three"):
        assert stomp.well("request", one, word) == word.upper().encode()
    assert ended(process) == (0, b"", "")
    assert bodies(stomp, one) == []


@EVERY
def test_doctor_finds_no_fault(stomp: Stomp) -> None:
    answer = stomp("doctor")
    assert answer.status == 0, answer.out
    assert b"FAIL" not in answer.out
    assert b"a message arrived after" in answer.out
