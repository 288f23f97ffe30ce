"""Brokers that take less over a WebSocket than over TCP: what they would ignore or hang up at is not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import stomp
from stomp.core.engine.broker_profiles import web_message_check
from stomp.core.errors import Unsupported
from stomp.core.session.client import ClientSession
from stomp.core.session.events import Closed
from stomp.testing.servers import Imitation, ScriptedServer
from stomp.utils import Frame
from tests.websocket_endpoint import WebSocketEndpoint

BINARY = b"\xff\xfe"
CONNECTED = b"CONNECTED\nversion:1.2\nserver:ActiveMQ/6.1.8\n\n\0"


def session(server: bytes = b"ActiveMQ/6.1.8", *, web: bool = True) -> ClientSession:
    made = ClientSession()
    made.frame_check_for = web_message_check if web else None
    made.connect(["1.2"], "/")
    made.receive_data(b"CONNECTED\nversion:1.2\nserver:%b\n\n\0" % server, 0.0)
    made.events()
    made.data_to_send(0.0)
    return made


def test_binary_body_is_refused_if_the_broker_ignores_it() -> None:
    activemq = session()
    with pytest.raises(Unsupported, match=r"ActiveMQ takes no binary WebSocket messages.*base64"):
        activemq.send("/queue/a", BINARY, receipt="1")
    # Nothing of it was noted or queued.
    assert activemq.data_to_send(0.0) == []
    assert activemq.ledger.next_deadline() is None
    assert not activemq.ledger.expects("1")
    activemq.send("/queue/a", "ä".encode())
    assert activemq.data_to_send(0.0)


def test_frame_that_the_broker_closes_on_is_refused() -> None:
    activemq = session()
    activemq.send("/queue/a", b"")
    head = (
        len(b"".join(activemq.data_to_send(0.0))) + len("content-length:65000\n") - len("content-length:0\n")
    )
    activemq.send("/queue/a", b"x" * (65_536 - head))
    assert len(b"".join(activemq.data_to_send(0.0))) == 65_536
    with pytest.raises(Unsupported, match="at most 65536 bytes, this has 65537"):
        activemq.send("/queue/a", b"x" * (65_537 - head))


def test_a_frame_of_the_listener_api_is_checked_too() -> None:
    with pytest.raises(Unsupported):
        session().transmit(Frame("SEND", {"destination": "/queue/a"}, BINARY), escaped=True)


@pytest.mark.parametrize(
    ("server", "web"),
    [
        (b"ActiveMQ/6.1.8", False),
        (b"ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine", True),
        (b"RabbitMQ/4.0.5", True),
        (b"somebody", True),
    ],
)
def test_other_brokers_and_tcp_accept_it(server: bytes, web: bool) -> None:
    made = session(server, web=web)
    made.send("/queue/a", BINARY * 100_000)
    assert made.data_to_send(0.0)


def test_invalid_early_frame_ends_the_connection_with_the_reason() -> None:
    made = ClientSession()
    made.frame_check_for = web_message_check
    made.connect(["1.2"], "/")
    made.send("/queue/a", BINARY)
    made.data_to_send(0.0)
    made.receive_data(CONNECTED, 0.0)
    closed = made.events()[-1]
    assert isinstance(closed, Closed)
    assert isinstance(closed.error, Unsupported)
    assert made.data_to_send(0.0) == []


@pytest.fixture
def activemq() -> Imitation:
    return Imitation("ActiveMQ/6.1.8")


@pytest.fixture
def pair(activemq: Imitation) -> Iterator[tuple[str, int]]:
    """A WebSocket that leads to one which says that it is ActiveMQ."""
    with ScriptedServer(activemq) as broker, ScriptedServer(WebSocketEndpoint(broker.address)) as endpoint:
        yield endpoint.address


def test_client(pair: tuple[str, int], activemq: Imitation) -> None:
    with stomp.Client(f"ws://{pair[0]}:{pair[1]}/") as client:
        for confirm in (False, True):
            with pytest.raises(Unsupported, match="no binary"):
                client.send("/queue/a", BINARY, confirm=confirm)
        client.send("/queue/a", b"text", confirm=True)
    assert [frame for frame in activemq.frames if b"\n\n" + BINARY in frame] == []


def test_async_client(pair: tuple[str, int], activemq: Imitation) -> None:
    async def main() -> None:
        async with stomp.AsyncClient(f"ws://{pair[0]}:{pair[1]}/") as client:
            for confirm in (False, True):
                with pytest.raises(Unsupported, match="no binary"):
                    await client.send("/queue/a", BINARY, confirm=confirm)
            await client.send("/queue/a", b"text", confirm=True)

    asyncio.run(main())


def test_listener_api(pair: tuple[str, int], activemq: Imitation) -> None:
    conn = stomp.WSConnection([pair])
    conn.connect(wait=True)
    for headers in ({}, {"x": "1"}):
        with pytest.raises(Unsupported, match="no binary"):
            conn.send("/queue/a", BINARY, headers=headers)
    conn.send("/queue/a", "text")
    conn.disconnect()


@pytest.mark.parametrize("kind", ["spring", "generic"])
def test_the_kind_that_the_user_names_is_checked(kind: str) -> None:
    """Spring's CONNECTED has no ``server``."""
    spring = Imitation("")
    with (
        ScriptedServer(spring) as broker,
        ScriptedServer(WebSocketEndpoint(broker.address)) as endpoint,
        stomp.Client(f"ws://{endpoint.host}:{endpoint.port}/", broker=kind) as client,
    ):
        if kind == "generic":
            client.send("/topic/a", BINARY, confirm=True)
        else:
            with pytest.raises(Unsupported, match="Spring takes no binary"):
                client.send("/topic/a", BINARY)
