"""Brokers that discard messages rejected by NACK (Artemis, HornetQ): a message that fails is returned, not lost."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

import stomp
from stomp.core.engine.failover import Backoff
from stomp.core.engine.message import BaseMessage
from stomp.core.engine.redelivery import Redelivery
from stomp.core.errors import AlreadySettled, StaleDelivery, Unsupported
from stomp.core.frames.frame import Headers
from stomp.testing.servers import ScriptedServer, greet_back, read_frame
from tests.awaiting import run, until
from tests.cli.oneshot import Stomp

PATIENCE = 20.0
SOON = Backoff(initial=0.01, increase=0.0, jitter=0.0, maximum=0.01)


class Artemis:
    """Script: an Artemis with one queue. What is not acknowledged is delivered again on the next connection.

    Args:
        bodies: what is in the queue.
        receipts: answer the SEND frames.
    """

    def __init__(self, *bodies: str, receipts: bool = True) -> None:
        self.queue = dict(enumerate(bodies))
        self.receipts = receipts
        self.connections = 0
        self.deliveries: Counter[str] = Counter()
        self.commands: list[str] = []
        self.nack_effect: list[str] = []
        self.acked: list[str] = []
        self.empty = threading.Event()
        self.abrupt = 0  # connections that did not end by DISCONNECT

    def __call__(self, sock: socket.socket) -> None:
        read_frame(sock)
        self.connections += 1
        greet_back(sock, server="ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine")
        try:
            while self.answer(sock, read_frame(sock)):
                pass
        except OSError:
            self.abrupt += 1
            raise

    def answer(self, sock: socket.socket, frame: bytes) -> bool:
        lines = frame.partition(b"\n\n")[0].decode().split("\n")
        command, headers = lines[0], dict(line.split(":", 1) for line in lines[1:])
        self.commands.append(command)
        if "receipt" in headers and (command != "SEND" or self.receipts):
            sock.sendall(f"RECEIPT\nreceipt-id:{headers['receipt']}\n\n\0".encode())
        if command == "SUBSCRIBE":
            for number, body in self.queue.items():
                again = "true" if self.deliveries[body] else "false"
                self.deliveries[body] += 1
                sock.sendall(
                    f"MESSAGE\nsubscription:{headers['id']}\nmessage-id:{number}\ndestination:/queue/a\n"
                    f"redelivered:{again}\nack:{number}\n\n{body}\0".encode()
                )
        elif command in ("ACK", "NACK"):
            body = self.queue.pop(int(headers["id"]))
            (self.acked if command == "ACK" else self.nack_effect).append(body)
            if not self.queue:
                self.empty.set()
        return command != "DISCONNECT"


@pytest.fixture
def artemis(request: pytest.FixtureRequest) -> Artemis:
    return Artemis("bad", "good", "fine")


@pytest.fixture
def server(artemis: Artemis) -> Iterator[ScriptedServer]:
    with ScriptedServer(artemis) as running:
        yield running


class Fails:
    """A handler that fails for the body "bad", so many times."""

    def __init__(self, times: float) -> None:
        self.times = times
        self.redelivered: list[bool] = []

    def __call__(self, message: BaseMessage) -> None:
        if message.text == "bad":
            self.redelivered.append(message.redelivered)
            if len(self.redelivered) <= self.times:
                raise RuntimeError("not today")


def test_message_of_a_failed_handler_is_returned_and_never_rejected(
    artemis: Artemis, server: ScriptedServer
) -> None:
    handler = Fails(3)
    changes: list[str] = []
    with stomp.Client(server.url, backoff=SOON) as client:
        client.on_state(lambda change: changes.append(change.reason))
        client.consume("/queue/a", handler)
        assert artemis.empty.wait(PATIENCE)
    assert (artemis.nack_effect, sorted(artemis.acked)) == ([], ["bad", "fine", "good"])
    assert handler.redelivered == [False, True, True, True]
    # Only what failed came again, each time over a connection that was ended in good order.
    assert artemis.deliveries == {"bad": 4, "good": 1, "fine": 1}
    assert (artemis.connections, artemis.abrupt) == (4, 0)
    assert "giving back 1 message that failed (/queue/a)" in changes


def test_message_of_a_failed_handler_is_returned_with_asyncio(
    artemis: Artemis, server: ScriptedServer
) -> None:
    handler = Fails(3)

    async def main() -> None:
        async with stomp.AsyncClient(server.url, backoff=SOON) as client:
            await client.consume("/queue/a", handler)
            await until(artemis.empty.is_set)

    run(main())
    assert (artemis.nack_effect, sorted(artemis.acked)) == ([], ["bad", "fine", "good"])
    assert artemis.deliveries == {"bad": 4, "good": 1, "fine": 1}
    assert artemis.abrupt == 0


def test_message_of_a_failed_block_is_returned(artemis: Artemis, server: ScriptedServer) -> None:
    with stomp.Client(server.url, backoff=SOON) as client:
        subscription = client.subscribe("/queue/a", ack="client-individual")
        bodies: list[str] = []
        # Also those who look now and then give back: it needs nobody who waits.
        while len(bodies) < 4:
            message = subscription.receive(timeout=0.05)
            if message is None:
                continue
            bodies.append(message.text)
            try:
                with message:
                    if len(bodies) == 1:
                        raise RuntimeError("not today")
            except RuntimeError:
                assert message.settled
        assert bodies == ["bad", "good", "fine", "bad"]
        assert artemis.empty.wait(PATIENCE)
    assert artemis.nack_effect == []


def test_nack_without_requeue_argument_is_refused(artemis: Artemis, server: ScriptedServer) -> None:
    with stomp.Client(server.url, backoff=SOON) as client:
        assert client.broker.nack_effect.startswith("is discarded")
        subscription = client.subscribe("/queue/a", ack="client-individual")
        message = subscription.receive(timeout=PATIENCE)
        assert message is not None
        with pytest.raises(
            Unsupported, match="Artemis discards messages rejected by NACK: no dead-letter queue"
        ):
            message.nack()
        assert not message.settled
        message.nack(requeue=False)
        second = subscription.receive(timeout=PATIENCE)
        assert second is not None
        second.nack(requeue=True)
        with pytest.raises(AlreadySettled):
            second.ack()
        third = subscription.receive(timeout=PATIENCE)
        assert third is not None
        third.ack(confirm=True)
        again = subscription.receive(timeout=PATIENCE)
        assert again is not None
        assert (again.text, again.redelivered) == (second.text, True)
        again.ack(confirm=True)
    assert artemis.nack_effect == ["bad"]
    assert artemis.acked == ["fine", "good"]


def test_messages_are_not_returned_during_a_confirmation() -> None:
    artemis = Artemis("bad", receipts=False)
    with ScriptedServer(artemis) as server:
        client = stomp.Client(server.url, backoff=SOON).connect()
        subscription = client.subscribe("/queue/a", ack="client-individual")
        confirmation = client.send_async("/queue/b", "x")
        message = subscription.receive(timeout=PATIENCE)
        assert message is not None
        message.nack(requeue=True)
        assert subscription.receive(timeout=1.5) is None
        assert (artemis.connections, confirmation.outcome) == (1, None)
        client.close(timeout=0.1)


def test_messages_are_not_returned_during_another_message(artemis: Artemis, server: ScriptedServer) -> None:
    with stomp.Client(server.url, backoff=SOON) as client:
        subscription = client.subscribe("/queue/a", ack="client-individual")
        first, second, third = (subscription.receive(timeout=PATIENCE) for _ in range(3))
        assert first is not None
        assert second is not None
        assert third is not None
        first.nack(requeue=True)
        third.ack()
        assert subscription.receive(timeout=1.5) is None
        second.ack()
        again = subscription.receive(timeout=PATIENCE)
        assert again is not None
        assert again.text == "bad"


def test_later_ack_does_not_cover_a_failed_message(artemis: Artemis, server: ScriptedServer) -> None:
    with stomp.Client(server.url, backoff=SOON) as client:
        subscription = client.subscribe("/queue/a", ack="client")
        first, second = (subscription.receive(timeout=PATIENCE) for _ in range(2))
        assert first is not None
        assert second is not None
        first.nack(requeue=True)
        with pytest.raises(StaleDelivery):
            second.ack()
        # The third would be covered as well: all of them come again.
        bodies = []
        for _ in range(3):
            message = subscription.receive(timeout=PATIENCE)
            assert message is not None
            bodies.append(message.text)
            last = message
        last.ack(confirm=True)
    assert bodies == ["bad", "good", "fine"]
    assert (artemis.acked, artemis.nack_effect) == (["fine"], [])


def test_drain_does_not_wait_for_failed_messages(artemis: Artemis, server: ScriptedServer) -> None:
    client = stomp.Client(server.url, backoff=Backoff(initial=60.0, maximum=60.0)).connect()
    subscription = client.subscribe("/queue/a", ack="client-individual")
    message = subscription.receive(timeout=PATIENCE)
    assert message is not None
    message.nack(requeue=True)
    report = client.drain(PATIENCE)
    assert (report.clean, report.unsettled) == (True, 0)
    assert artemis.nack_effect == []
    assert sorted(artemis.queue.values()) == ["bad", "fine", "good"]


def test_without_reconnect_the_message_stays_until_the_end(artemis: Artemis, server: ScriptedServer) -> None:
    with stomp.Client(server.url, backoff=SOON, reconnect=False) as client:
        subscription = client.subscribe("/queue/a", ack="client-individual")
        for expected in ("bad", "good", "fine"):
            message = subscription.receive(timeout=PATIENCE)
            assert message is not None
            assert message.text == expected
            message.nack(requeue=True) if expected == "bad" else message.ack()
        assert subscription.receive(timeout=0.5) is None
        assert client.state.value == "connected"
    assert list(artemis.queue.values()) == ["bad"]


@pytest.mark.parametrize("requeue", [[], ["--requeue", "yes"]])
def test_listen_exec_returns_messages_that_its_program_rejects(
    artemis: Artemis, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, requeue: list[str]
) -> None:
    stomp_ = Stomp(server.url, monkeypatch)
    script = "read -r body; test $body != bad -o $STOMP_HEADER_REDELIVERED = true"
    answer = stomp_("listen", "/queue/a", "-n", "4", "--timeout", "20", "--exec", script, *requeue)
    assert answer.status == 0
    assert "exit status 1; returned to the broker" in answer.err
    assert (artemis.nack_effect, sorted(artemis.acked)) == ([], ["bad", "fine", "good"])


def test_listen_exec_discards_with_requeue_no(
    artemis: Artemis, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stomp_ = Stomp(server.url, monkeypatch)
    answer = stomp_(
        "listen", "/queue/a", "-n", "3", "--exec", "read -r body; test $body != bad", "--requeue", "no"
    )
    assert "exit status 1; rejected" in answer.err
    assert (artemis.nack_effect, sorted(artemis.acked)) == (["bad"], ["fine", "good"])


def test_listener_api_sends_nack(artemis: Artemis, server: ScriptedServer) -> None:
    class Refuser(stomp.ConnectionListener):
        def __init__(self) -> None:
            self.came = threading.Event()

        def on_message(self, frame: stomp.utils.Frame) -> None:
            if frame.body == "bad":
                conn.nack(frame.headers["ack"])
                self.came.set()

    conn = stomp.Connection12([server.address])
    refuser = Refuser()
    conn.set_listener("", refuser)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1", ack="client-individual")
    assert refuser.came.wait(PATIENCE)
    conn.disconnect()
    assert artemis.nack_effect == ["bad"]


def message() -> BaseMessage:
    return BaseMessage("MESSAGE", Headers.of([("destination", "/queue/a")]), b"")


def test_delay_grows_until_nothing_fails_for_a_while() -> None:
    redelivery = Redelivery(Backoff(initial=1.0, increase=1.0, jitter=0.0, maximum=8.0))
    now, waits = 0.0, []
    for _ in range(5):
        redelivery.add(message(), now)
        assert redelivery.due is not None
        waits.append(redelivery.due - now)
        now = redelivery.due
        redelivery.begin(now)
        redelivery.clear()
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]
    redelivery.add(message(), now + 17.0)
    assert redelivery.due == now + 18.0


def test_messages_failing_during_the_delay_are_returned_together() -> None:
    redelivery = Redelivery(Backoff(initial=1.0, increase=1.0, jitter=0.0))
    redelivery.add(message(), 0.0)
    redelivery.add(message(), 0.9)
    assert redelivery.due == 1.0
    assert redelivery.begin(1.0) == "giving back 2 messages that failed (/queue/a)"


def test_lost_connection_returns_the_failed_messages() -> None:
    redelivery = Redelivery(Backoff(initial=1.0))
    redelivery.add(message(), 0.0)
    redelivery.blocked.add("1")
    redelivery.clear()
    assert (redelivery.messages, redelivery.due, redelivery.blocked) == ([], None, set())
