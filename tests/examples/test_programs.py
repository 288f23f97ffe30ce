"""The programs in examples/ run as their readers run them, against the embedded broker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stomp.broker import Broker

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
#: What a program prints, in this order.
PRINTED = {
    "quickstart": ['received a message "hello world"'],
    "printing": ["on_connecting", "on_send SEND", "on_message", "on_disconnected", "Messages received: 1"],
    "acks": ["order 1: not now", "order 1: done, at the second attempt"],
    "transactions": ["nobody has them yet", "received debit 10\n", "received credit 10\n", "the last one"],
    "receipts": ["the broker has the message", "the broker has read everything"],
    "failover": ["reached", "the connection broke", "reached", "received hello again"],
}


def run(program: str, *arguments: str) -> str:
    """What a program prints; it must succeed."""
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{program}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PRINTED)
def test_a_program_does_what_it_says(program: str) -> None:
    with Broker(users={"admin": "password"}) as broker:
        output = run(program, broker.host, str(broker.port))
        assert sum(broker.destinations().values()) == 0, "it leaves messages behind"
    in_this_order = ".*".join(re.escape(text) for text in PRINTED[program])
    assert re.search(in_this_order, output, re.DOTALL), output


def test_the_aborted_transaction_leaves_nothing() -> None:
    with Broker() as broker:
        assert "1000000" not in run("transactions", broker.host, str(broker.port))


def test_the_demo_shows_the_quick_start() -> None:
    output = run("quickstart_demo")
    steps = [
        "connect(",
        "CONNECTED",
        "subscribe(",
        "send(",
        'received a message "hello world"',
        "disconnect()",
    ]
    assert re.search(".*".join(re.escape(step) for step in steps), output, re.DOTALL), output


def test_every_program_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*PRINTED, "quickstart_demo"}
