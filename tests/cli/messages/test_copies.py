"""Which headers a copy has: none by which a broker would drop it, route it or explain it."""

from __future__ import annotations

import doctest
import socket
from pathlib import Path

import pytest

from stomp.cli.messages import copies
from stomp.cli.messages.copies import LEFT_OUT, copyable
from stomp.cli.messages.jsonl import Record, of_message, read
from stomp.core.engine.broker_connection import BrokerConnection
from stomp.core.engine.broker_profiles import ACTIVEMQ, ARTEMIS, HORNETQ, RABBITMQ, BrokerProfile
from stomp.core.engine.message import BaseMessage
from stomp.core.frames.frame import Headers
from stomp.testing.servers import ScriptedServer, artemis_like, greet_back, read_frame
from tests.cli.oneshot import Stomp

DOCS = Path(__file__).parents[3] / "docs" / "howto" / "command-line-scripts.md"
NOW = 1_800_000_000.0
#: What MESSAGE frames of each broker had in its tests: whatever its sender wrote stays.
KEPT = [
    ("kind", "x"),
    ("persistent", "true"),
    ("priority", "7"),
    ("type", "order"),
    ("correlation-id", "c"),
    ("reply-to", "/queue/answers"),
    ("content-type", "text/plain"),
    ("content-encoding", "gzip"),
    ("breadcrumbId", "b"),
    ("app-id", "a"),
    ("expiration", "60000"),
    ("JMSXGroupID", "g"),
    ("_AMQ_GROUP_ID", "g"),
    ("_AMQ_LVQ_NAME", "key"),
    ("dedup-id", "d"),
    ("x-queue-type", "quorum"),
    ("x-anything", "x"),
]
DROPPED = [
    "_AMQ_DUPL_ID",
    "_HQ_DUPL_ID",
    "_AMQ_ORIG_ADDRESS",
    "_AMQ_ORIG_QUEUE",
    "_AMQ_ORIG_MESSAGE_ID",
    "_AMQ_ORIG_ROUTING_TYPE",
    "_AMQ_SCHED_DELIVERY",
    "_HQ_ORIG_ADDRESS",
    "destination",
    "destination-type",
    "subscription-type",
    "subscription",
    "message-id",
    "ack",
    "redelivered",
    "receipt",
    "receipt-id",
    "transaction",
    "content-length",
    "timestamp",
    "user-id",
    "CC",
    "x-death",
    "x-first-death-queue",
    "x-last-death-reason",
    "x-delivery-count",
    "JMSXDeliveryCount",
    "original-destination",
    "originalExpiration",
    "dlqDeliveryFailureCause",
    "AMQ_SCHEDULED_DELAY",
    "AMQ_SCHEDULED_CRON",
    "scheduledJobId",
]


def test_what_the_sender_wrote_is_copied() -> None:
    assert copyable(KEPT, NOW) == KEPT


@pytest.mark.parametrize("name", DROPPED)
def test_delivery_headers_are_not_copied(name: str) -> None:
    assert copyable([("kind", "x"), (name, "1")], NOW) == [("kind", "x")]


@pytest.mark.parametrize(
    ("moment", "copied"),
    [("0", False), ("1799999999999", False), ("1800000000001", True), ("soon", True), ("9" * 40, True)],
)
def test_a_copy_does_not_expire_before_it_is_sent(moment: str, copied: bool) -> None:
    assert bool(copyable([("expires", moment)], NOW)) is copied


def test_documentation_has_the_table() -> None:
    text = DOCS.read_text()
    for group in LEFT_OUT:
        names = ", ".join(f"`{name}`" for name in group.names)
        assert f"| {names} | {group.reason} |" in text


def test_docstring_examples_are_correct() -> None:
    assert doctest.testmod(copies).failed == 0


def came(vendor: BrokerProfile, *pairs: tuple[str, str]) -> Record:
    """The record of a message that came from this kind of broker."""

    class NoLink:
        class session:
            generation = 1

    message = BaseMessage("MESSAGE", Headers.of(list(pairs)), b"hi")
    message.connection = BrokerConnection(NoLink(), None, 0, None)  # type: ignore[arg-type]
    message.connection.profile = vendor
    return of_message(message)


@pytest.mark.parametrize("vendor", [ARTEMIS, HORNETQ])
@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("subscription", "message-id", "ack", "content-length"), True),
        (("subscription", "message-id"), True),
        (("subscription", "content-length", "message-id", "ack"), False),
        (("subscription", "content-length", "message-id", "ack", "content-length"), False),
    ],
)
def test_text_message_stays_text_if_both_kinds_have_a_length(
    vendor: BrokerProfile, names: tuple[str, ...], text: bool
) -> None:
    assert came(vendor, *[(name, "2") for name in names]).options()["text"] is text


@pytest.mark.parametrize("vendor", [ACTIVEMQ, RABBITMQ])
def test_length_means_bytes_on_other_brokers(vendor: BrokerProfile) -> None:
    assert came(vendor, ("message-id", "1"), ("content-length", "2")).options()["text"] is False


def test_copy_from_hornetq_is_persistent() -> None:
    assert came(HORNETQ, ("message-id", "1")).options()["headers"] == {"persistent": "true"}
    assert came(ARTEMIS, ("message-id", "1")).options()["headers"] == {}


class Queue:
    """Script: Artemis with a few messages in /queue/a, which have the identity of their sender."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent: list[bytes] = []
        self.acked: list[bytes] = []

    def __call__(self, sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock, server="ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine")
        while True:
            frame = read_frame(sock)
            lines = frame.partition(b"\n\n")[0].split(b"\n")
            headers = dict(line.split(b":", 1) for line in lines[1:])
            if b"receipt" in headers:
                sock.sendall(b"RECEIPT\nreceipt-id:" + headers[b"receipt"] + b"\n\n\0")
            if lines[0] == b"SUBSCRIBE":
                for n in range(self.count):
                    sock.sendall(
                        b"MESSAGE\nsubscription:%b\nmessage-id:%d\ndestination:/queue/a\nexpires:0\nredelivered:false\n"
                        b"persistent:true\ntimestamp:1\ndestination-type:ANYCAST\nkind:x\n_AMQ_DUPL_ID:d%d\nack:%d\n"
                        b"content-length:2\n\nm%d\0" % (headers[b"id"], n, n, n, n)
                    )
            elif lines[0] == b"SEND":
                self.sent.append(frame)
            elif lines[0] == b"ACK":
                self.acked.append(headers[b"id"])
            elif lines[0] == b"DISCONNECT":
                return


def sent_headers(frame: bytes) -> set[str]:
    lines = frame.partition(b"\n\n")[0].decode().split("\n")
    return {line for line in lines[1:] if not line.startswith("receipt:")}


def test_move_sends_no_duplicate_id_of_artemis(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(3)
    with ScriptedServer(queue) as server:
        Stomp(server.url, monkeypatch).well("move", "/queue/a", "/queue/b", "-n", "3")
    assert [frame.partition(b"\n\n")[2] for frame in queue.sent] == [b"m0\0", b"m1\0", b"m2\0"]
    assert {frozenset(sent_headers(frame)) for frame in queue.sent} == {
        frozenset({"destination:/queue/b", "kind:x", "persistent:true"})
    }
    assert queue.acked == [b"0", b"1", b"2"]


LINE = (
    '{"destination": "/queue/a", "headers": [["kind", "x"], ["_AMQ_DUPL_ID", "d"], ["destination-type", "ANYCAST"]'
    '%s], "body": "hi"}\n'
)


def test_replay_sends_no_duplicate_id_and_no_routing(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = artemis_like()
    with ScriptedServer(broker) as server:
        Stomp(server.url, monkeypatch).well("replay", "--to", "/topic/b", stdin=(LINE % "").encode())
    (sent,) = [frame for frame in broker.frames if frame.startswith(b"SEND")]
    assert sent_headers(sent) == {"destination:/topic/b", "kind:x"}


@pytest.mark.parametrize("received", [True, False])
def test_send_jsonl_copies_received_headers_and_keeps_written_ones(
    monkeypatch: pytest.MonkeyPatch, received: bool
) -> None:
    broker = artemis_like()
    line = LINE % (', ["message-id", "1"]' if received else "")
    with ScriptedServer(broker) as server:
        Stomp(server.url, monkeypatch).well("send", "/queue/b", "--jsonl", stdin=line.encode())
    (sent,) = [frame for frame in broker.frames if frame.startswith(b"SEND")]
    own = {"_AMQ_DUPL_ID:d", "destination-type:ANYCAST", "content-length:2"}
    assert sent_headers(sent) == {"destination:/queue/a", "kind:x"} | (set() if received else own)


def test_a_dump_keeps_all_headers() -> None:
    assert ("_AMQ_DUPL_ID", "d") in read(LINE % "", "line 1").headers
