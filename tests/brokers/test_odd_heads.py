"""RabbitMQ passes on heads that are not UTF-8: clients read such a message, acknowledge it, and read the next one."""

from __future__ import annotations

import socket
from typing import Any

import pytest

import stomp
from stomp.testing.servers import read_frame
from tests.awaiting import run
from tests.brokers.conftest import RealBroker, further, new_queue
from tests.listening import PATIENCE, RecentFrames

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("each_codec")]

#: Header lines that no client of ours would send.
ODD = {
    "latin-1 in a value": b"from:Jos\xe9\n",
    "latin-1 in a name": b"pr\xe9nom:x\n",
    "latin-1 in content-type": b"content-type:text/\xfc\n",
    "a surrogate of CESU-8": b"a:\xed\xa0\xbd\xed\xb8\x80\n",
    "an overlong character": b"a:\xc0\xaf\n",
}
Got = list[tuple[Any, bytes, bytes | None]]


def send_raw(broker: RealBroker, queue: str, lines: bytes) -> None:
    """Send a message with these lines in its head, then a plain one, past all clients; wait until both are taken."""
    login = f"CONNECT\naccept-version:1.2\nhost:/\nlogin:{broker.user}\npasscode:{broker.password}\n\n\0"
    head = b"SEND\ndestination:%b\n" % queue.encode()
    with socket.create_connection(broker.address, PATIENCE) as sock:
        sock.sendall(login.encode())
        assert read_frame(sock).startswith(b"CONNECTED")
        sock.sendall(head + lines + b"\nodd\0")
        sock.sendall(head + b"receipt:sent\n\nnext\0")
        assert b"receipt-id:sent" in read_frame(sock)


def by_listener(broker: RealBroker, queue: str) -> Got:
    class Acknowledging(RecentFrames):
        def on_message(self, frame):
            conn.ack(frame.headers["ack"])
            super().on_message(frame)

    conn = stomp.Connection12([broker.address], vhost="/", auto_decode=False)
    recorder = Acknowledging()
    conn.set_listener("", recorder)
    conn.connect(broker.user, broker.password, wait=True)
    conn.subscribe(queue, id="1", ack="client-individual")
    recorder.wait_for_bodies(2)
    conn.disconnect()
    frames = [frame for method, frame in recorder.notes if method == "on_message"]
    return [(frame.headers, frame.body, frame.raw_head) for frame in frames]


def by_client(broker: RealBroker, queue: str) -> Got:
    with stomp.Client(url_of(broker), reconnect=False) as client:
        subscription = client.subscribe(queue, ack="client-individual")
        found: Got = []
        for _ in range(2):
            message = subscription.receive(PATIENCE)
            assert message is not None
            message.ack()
            found.append((message.headers, message.body, message.raw_head))
        return found


def by_async_client(broker: RealBroker, queue: str) -> Got:
    async def read() -> Got:
        async with stomp.AsyncClient(url_of(broker), reconnect=False) as client:
            subscription = await client.subscribe(queue, ack="client-individual")
            found: Got = []
            for _ in range(2):
                message = await subscription.receive(PATIENCE)
                assert message is not None
                await message.ack()
                found.append((message.headers, message.body, message.raw_head))
            return found

    return run(read())


def url_of(broker: RealBroker) -> str:
    return f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}"


@pytest.mark.parametrize("read", [by_listener, by_client, by_async_client])
@pytest.mark.parametrize("lines", ODD.values(), ids=ODD)
def test_a_head_that_is_not_utf8_does_not_stop_the_consumers_of_its_queue(
    lines: bytes, read: Any, rabbitmq: RealBroker
) -> None:
    queue = new_queue(rabbitmq)
    send_raw(rabbitmq, queue, lines)
    (headers, odd, raw_head), (_, plain, none) = read(rabbitmq, queue)
    assert (odd, plain) == (b"odd", b"next")
    assert "\ufffd" in "".join((*headers, *headers.values()))
    assert raw_head is not None
    assert lines.strip() in raw_head
    assert none is None
    # Both were acknowledged: nothing is left that would come again.
    with stomp.Client(url_of(rabbitmq), reconnect=False) as client:
        left = client.subscribe(queue)
        client.send(queue, "the last", confirm=True)
        message = left.receive(PATIENCE)
        assert message is not None
        assert message.body == b"the last"


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_a_content_length_that_hornetq_repeats_does_not_end_the_connection(version: str) -> None:
    broker = further("hornetq")
    queue = new_queue(broker)
    with stomp.Client(url_of(broker), versions=[version], reconnect=False) as client:
        subscription = client.subscribe(queue)
        while subscription.receive(0.5) is not None:
            pass
        for body in (b"a\0b", b"next"):
            client.send(queue, body, confirm=True)
        messages = [subscription.receive(PATIENCE) for _ in range(2)]
    assert [message is not None and message.body for message in messages] == [b"a\0b", b"next"]
