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
    "acks": ["order 1: rejected", "order 1: done, at the second attempt"],
    "transactions": [
        "two messages are in the queue",
        "received debit 10\n",
        "received credit 10\n",
        "the last one",
    ],
    "receipts": ["the broker has the message", "the broker has read everything"],
    "failover": ["reached", "the connection broke", "reached", "received hello again"],
}
#: Those that are given a URL.
CLIENTS = {
    "client_confirmed": ["the first one", "more: 101", "the batch", "all taken"],
    "client_consume": ["done: shoes", "done: socks", "refused: nonsense - no such article", "done: nonsense"],
    "client_workers": ["was handled", "drained, nothing is left"],
    "client_requests": ["pmots", "no answer: no reply to the request to /queue/no-service in time"],
    "client_transactions": [
        "nothing was sent",
        "done: committed",
        "/queue/tx-parcels has shoes",
        "/queue/tx-invoices",
    ],
    "client_reconnect": ["* reconnecting", "* connected", "the first one", "delivered again: shoes"],
    "client_durable": ["without a reader, on the embedded broker", "read later: rain tomorrow"],
    "client_bodies": [
        "256 bytes of any kind",
        "5 bytes text/plain",
        "for 1000 numbers",
        "the body is not JSON",
    ],
    "client_hooks": [
        "sending to /queue/hooks",
        "the broker has it",
        "ack shoes",
        "1 confirmed, 1 received",
        "False",
    ],
    "client_merge": ["merge-shoes", "merge-socks", "merge-sandals"],
    "client_tokens": ["token 1", "connected, by 1.2", "token 2", "connected"],
    "async_client": ["ten orders are done"],
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
def test_example_prints_its_documented_output(program: str) -> None:
    with Broker(users={"admin": "password"}) as broker:
        output = run(program, broker.host, str(broker.port))
        assert sum(broker.destinations().values()) == 0, "it leaves messages behind"
    in_this_order = ".*".join(re.escape(text) for text in PRINTED[program])
    assert re.search(in_this_order, output, re.DOTALL), output


@pytest.mark.parametrize("program", CLIENTS)
def test_client_example_prints_its_documented_output(program: str) -> None:
    with Broker(users={"admin": "password"}) as broker:
        output = run(program, f"stomp://admin:password@{broker.host}:{broker.port}")
        left = {name: depth for name, depth in broker.destinations().items() if depth}
        assert not left or left == {"/queue/no-service": 1}, "it leaves messages behind"
    in_this_order = ".*".join(re.escape(text) for text in CLIENTS[program])
    assert re.search(in_this_order, output, re.DOTALL), output


def test_aborted_transaction_sends_nothing() -> None:
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
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*PRINTED, *CLIENTS, "quickstart_demo"}
