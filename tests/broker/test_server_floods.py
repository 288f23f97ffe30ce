"""Back-pressure over real sockets: both sides send much data, or one of them does not read."""

from __future__ import annotations

import contextlib
import select
import selectors
import ssl
from collections.abc import Callable

import pytest

from stomp.broker import Broker, Policy
from tests.broker.rawclient import PATIENCE, RawClient, eventually, still_serves

_MIB = b"x" * 1024 * 1024
_COUNT = 200


class Pump:
    """Writes and reads on one connection at the same time, without blocking.

    Attributes:
        bodies: number of received body bytes ("x").
        rest: all other received bytes.
    """

    def __init__(self, client: RawClient) -> None:
        self.sock = client.sock
        self.sock.setblocking(False)
        self.bodies = 0
        self.rest = bytearray()

    def run(self, data: list[bytes], done: Callable[[], bool]) -> None:
        waiting = [memoryview(part) for part in reversed(data)]
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            while not done():
                selector.modify(self.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0))
                assert selector.select(PATIENCE), f"stalled with {len(waiting)} parts to write"
                self._read()
                if waiting:
                    self._write(waiting)

    def write_until_blocked(self, data: list[bytes]) -> list[bytes]:
        """Write without reading until the peer has accepted no data for a second; return the unsent data."""
        waiting = [memoryview(part) for part in reversed(data)]
        while waiting and select.select([], [self.sock], [], 1.0)[1]:
            self._write(waiting)
        return [bytes(part) for part in reversed(waiting)]

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            while data := self.sock.recv(256 * 1024):
                rest = data.replace(b"x", b"")
                self.bodies += len(data) - len(rest)
                self.rest += rest

    def _write(self, waiting: list[memoryview]) -> None:
        with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError):
            written = self.sock.send(waiting[-1][: 256 * 1024])
            waiting[-1] = waiting[-1][written:]
            if not waiting[-1]:
                waiting.pop()


def flood(destination: str) -> list[bytes]:
    head = f"SEND\ndestination:{destination}\ncontent-length:{len(_MIB)}\n\n".encode()
    return [head + _MIB + b"\0"] * _COUNT


@pytest.mark.slow(reason="sends 400 MiB")
@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_both_sides_send_200_mib_at_once(
    secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    tls = client_tls if secure else None
    policy = Policy(max_bytes=1024**3, max_queue_bytes=1024**3)
    with Broker(ssl_context=server_tls if secure else None, policy=policy) as broker:
        with RawClient(broker, tls=tls) as client:
            client.connect()
            for part in flood("/queue/out"):
                client.write(part)
            client.sync()
        assert broker.depth("/queue/out") == _COUNT
        with RawClient(broker, tls=tls) as client:
            client.connect()
            pump = Pump(client)
            subscribe = b"SUBSCRIBE\nid:1\ndestination:/queue/out\n\n\0"
            last = b"SEND\ndestination:/queue/in\nreceipt:last\n\n\0"
            pump.run(
                [subscribe, *flood("/queue/in"), last],
                lambda: pump.bodies >= _COUNT * len(_MIB) and b"receipt-id:last" in pump.rest,
            )
            assert pump.bodies == _COUNT * len(_MIB)
            assert pump.rest.count(b"MESSAGE\n") == _COUNT
            assert broker.destinations() == {"/queue/out": 0, "/queue/in": _COUNT + 1}


def test_client_that_does_not_read_delays_no_other_and_takes_little_memory() -> None:
    with (
        Broker(policy=Policy(max_subscription_bytes=64 * 1024 * 1024)) as broker,
        RawClient(broker, receive_buffer=64 * 1024) as slow,
        RawClient(broker) as fast,
    ):
        slow.connect()
        slow.send("SUBSCRIBE", id="1", destination="/topic/t")
        slow.sync()
        fast.connect()
        fast.send("SUBSCRIBE", id="1", destination="/topic/t")
        body = b"x" * 100_000
        for _ in range(300):
            fast.send("SEND", body, destination="/topic/t")
            assert fast.expect("MESSAGE").body == body
        # What the slow client has not read is kept as messages in the queue, not as bytes in a growing buffer.
        assert broker.depth("/topic/t") > 200
        for _ in range(300):
            assert slow.expect("MESSAGE").body == body
        eventually(lambda: broker.depth("/topic/t") == 0)


def test_stalled_subscriber_costs_its_limit_and_others_go_on() -> None:
    """With the default limits: 16 MiB for a subscription, 128 MiB for all."""
    policy = Policy()
    assert (policy.max_subscription_bytes, policy.max_bytes) == (16 * len(_MIB), 128 * len(_MIB))
    body = b"x" * 100_000
    with Broker() as broker, RawClient(broker) as fast:
        with RawClient(broker, receive_buffer=64 * 1024) as stalled:
            stalled.connect()
            stalled.send("SUBSCRIBE", id="1", destination="/topic/t")
            stalled.sync()
            fast.connect()
            fast.send("SUBSCRIBE", id="1", destination="/topic/t")
            for _ in range(400):
                fast.send("SEND", body, destination="/topic/t")
                assert fast.expect("MESSAGE").body == body
            kept = broker.depth("/topic/t") * len(body)
            assert policy.max_subscription_bytes - 2 * len(body) < kept <= policy.max_subscription_bytes
            for _ in range(400):
                fast.send("SEND", body, destination="/queue/other", receipt="r")
                fast.expect("RECEIPT")
        eventually(lambda: broker.depth("/topic/t") == 0)
        assert broker.destinations() == {"/topic/t": 0, "/queue/other": 400}


@pytest.mark.slow(reason="fills the buffers of both ends")
def test_a_client_that_reads_no_receipts_is_not_read_for_a_while(broker: Broker) -> None:
    with RawClient(broker, receive_buffer=64 * 1024) as client:
        client.connect()
        frame = b"SEND\ndestination:/topic/nobody\nreceipt:" + b"r" * 500 + b"\n\n\0"
        pump = Pump(client)
        rest = pump.write_until_blocked([frame * 1000] * 100)
        assert rest, "the broker answers 50 MB into its memory"
        assert still_serves(broker)
        # When the receipts have been read, the broker continues where it stopped.
        pump.run(
            [*rest, b"BEGIN\ntransaction:t\nreceipt:last\n\n\0"], lambda: b"receipt-id:last" in pump.rest
        )
        assert pump.rest.count(b"RECEIPT\n") == 100_001
