"""Foreign clients run against the embedded broker, in each dialect: see `make test-foreign`.

A client that is not installed skips its tests, unless ``STOMP_REQUIRE_FOREIGN`` names it: then it fails them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from stomp.broker import Broker
from stomp.broker.dialects import DIALECTS
from tests.foreign.clients import CLIENTS, TEXT, ForeignClient
from tests.listening import wait_until

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts/foreign-clients"
COUNT = 20
#: Milliseconds. A client that sent no heart-beats in this time would be disconnected by the broker, and one that did
#: not count those of the broker as a sign of life would disconnect itself.
HEARTBEAT, IDLE = 1000, 4000
#: Seconds that a program may take; a Java machine on a busy computer starts slowly.
PATIENCE = 90
#: Dialects in which a refused message is not delivered again (see docs/howto/dialects.md).
NO_REDELIVERY = ("activemq", "artemis")

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(PATIENCE + 30)]


@cache
def installed() -> list[str]:
    done = subprocess.run([SCRIPT, "installed"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout.split()


@pytest.fixture(params=CLIENTS, ids=str)
def client(request: pytest.FixtureRequest) -> ForeignClient:
    found: ForeignClient = request.param
    if found.name not in installed():
        reason = f"{found} is not installed: scripts/foreign-clients install {found}"
        if found.name in os.environ.get("STOMP_REQUIRE_FOREIGN", "").split():
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(params=DIALECTS)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    listen = ["stomp://127.0.0.1:0", "ws://127.0.0.1:0/ws"]
    with Broker(listen=listen, users={"guest": "secret"}, dialect=request.param) as running:
        yield running


def run(
    client: ForeignClient, broker: Broker, *, passcode: str = "secret", idle: int = 0
) -> tuple[int, str, str]:
    """Run the program of a client: its status, what it printed, its errors."""
    command = subprocess.run(
        [SCRIPT, "command", client.name], capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout.splitlines()
    given = {
        "HOST": broker.host,
        "PORT": str(broker.port),
        "WS": broker.urls[1],
        "LOGIN": "guest",
        "PASSCODE": passcode,
        "VHOST": "/",
        "COUNT": str(COUNT),
        "HEARTBEAT": str(HEARTBEAT),
        "IDLE": str(idle),
    }
    environment = os.environ | {f"FOREIGN_{name}": value for name, value in given.items()}
    # The programs in Python must not find this checkout, and a coverage run is not theirs.
    for name in ("PYTHONPATH", "COVERAGE_PROCESS_START"):
        environment.pop(name, None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def expected(client: ForeignClient, dialect: str) -> dict[str, object]:
    """The line that the program prints."""
    zero = client.differs["0"].value if "0" in client.differs else 0
    numbers = [zero, *range(1, COUNT)]
    refused = (
        [[zero, False], [1, False]] if dialect in NO_REDELIVERY else [[zero, False], [zero, True], [1, False]]
    )
    line = {
        "library": client.library,
        "version": client.stomp,
        "lacks": sorted(client.lacks),
        "auto": numbers,
        "client": numbers,
        "client-individual": numbers,
        "receipts": 3 * COUNT,
        "nack": refused,
        "transaction": [1, 2, 3],
        "header": client.differs["header"].value if "header" in client.differs else TEXT,
        "binary": bytes(range(256)).hex(),
        "idle": [zero],
        "disconnect": True,
    }
    return {name: value for name, value in line.items() if name not in client.lacks}


def test_client_does_its_job(client: ForeignClient, broker: Broker, request: pytest.FixtureRequest) -> None:
    dialect = request.node.callspec.params["broker"]
    with broker.frames(max_frames=5000) as frames:
        status, line, errors = run(client, broker, idle=IDLE if dialect == "tolerant" else 0)
    sent = [frame for frame in frames if frame.sent]
    received = [frame for frame in frames if not frame.sent]
    if dialect == "rabbitmq" and not client.names_host:
        # It sends the address, for which RabbitMQ has no virtual host.
        assert status != 0
        assert [frame.command for frame in sent] == ["ERROR"]
        assert b"Virtual host '127.0.0.1' access denied" in sent[0].body
        return
    assert status == 0, errors
    assert json.loads(line.splitlines()[-1]) == expected(client, dialect)

    assert [frame.headers for frame in sent if frame.command == "ERROR"] == []
    (connected,) = [frame.headers for frame in sent if frame.command == "CONNECTED"]
    beat = HEARTBEAT if client.heartbeats else 0
    assert connected["heart-beat"] == f"{beat},{beat}"
    (text,) = [frame.headers["text"] for frame in received if "text" in frame.headers]
    assert text == (TEXT if client.got is None else client.got.value)
    # Each acknowledgement has reached the broker.
    wait_until(lambda: not broker.connections)
    assert broker.destinations() == {}


@pytest.mark.parametrize("broker", ["tolerant"], indirect=True)
def test_client_with_a_wrong_passcode_is_refused(client: ForeignClient, broker: Broker) -> None:
    with broker.frames() as frames:
        status, line, _ = run(client, broker, passcode="wrong")
    assert status != 0
    assert line == ""
    assert [frame.command for frame in frames if frame.sent] == ["ERROR"]
