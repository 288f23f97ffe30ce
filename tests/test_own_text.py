"""Subclasses of `str`, `int` and `bytes` are sent with their real value, whatever methods they override, in all APIs.

Each program here runs twice, with plain values and with subclasses, and must write the same bytes.
"""

import asyncio
from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import STOMP12
from stomp.net.address import pairs_of, parse
from stomp.net.proxy import parse_proxy
from stomp.net.websocket import header_pairs
from stomp.testing import ScriptedServer
from stomp.testing.servers import greet_back, read_frame
from stomp.utils import convert_frame
from tests.disguises import LIE, TEXTS, MisleadingBytes, MisleadingInt

pytestmark = pytest.mark.usefixtures("each_codec")


@pytest.fixture(params=list(TEXTS.values()), ids=list(TEXTS))
def kind(request):
    """A function that converts a text to another kind of str."""
    return request.param


@pytest.fixture(autouse=True)
def same_names(monkeypatch):
    """Make generated ids the same in each run."""
    monkeypatch.setattr("os.urandom", lambda size: b"\1" * size)
    monkeypatch.setattr("stomp.protocol.get_uuid", lambda: "made-up")
    monkeypatch.setattr("stomp.connect.get_uuid", lambda: "made-up")


class Broker11:
    """A broker for one version that answers receipts and records the frames."""

    def __init__(self, version):
        self.version = version
        self.frames = []

    def __call__(self, sock):
        self.frames.append(read_frame(sock))
        greet_back(sock, version=self.version)
        while True:
            frame = read_frame(sock)
            self.frames.append(frame)
            lines = frame.partition(b"\n\n")[0].split(b"\n")
            for line in lines:
                if line.startswith(b"receipt:"):
                    sock.sendall(b"RECEIPT\nreceipt-" + line.replace(b"receipt:", b"id:") + b"\n\n\0")
            if lines[0] == b"SUBSCRIBE":
                sock.sendall(
                    b"MESSAGE\nsubscription:1\nmessage-id:m\nack:m\ndestination:/queue/a\nreply-to:/queue/b\n\nhi\0"
                )
            if lines[0] == b"DISCONNECT":
                return


def written(program, *args, version="1.2"):
    """The frames that a program writes."""
    broker = Broker11(version)
    with ScriptedServer(broker) as server:
        program(server, *args)
    assert broker.frames
    return [in_one_order(frame) for frame in broker.frames]


def in_one_order(frame):
    """The frame with sorted headers: their order depends on the code path of the frame."""
    head, blank, body = frame.partition(b"\n\n")
    command, *headers = head.split(b"\n")
    return b"\n".join([command, *sorted(headers)]) + blank + body


KINDS = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}


def listener_program(server, version, text, number, data, watch):
    """Call every method of the listener API, with every kind of arguments."""
    options = {} if version == "1.0" else {"heartbeats": (number(0), number(0)), "vhost": text("vhost")}
    conn = KINDS[version]([(text(server.host), number(server.port))], **options)
    if watch:
        conn.set_listener("", Watcher())  # listeners that can change frames disable the fast path
    conn.connect(text("user"), text("secret"), wait=True, headers={text("client-id"): text("me")}, flag=True)
    extra = {text("a-name"): text("a:value"), text("number"): number(5), "data": data(b"bytes")}
    conn.subscribe(text("/queue/a"), id=text("1"), ack=text("client"), headers=extra)
    for body in (text("body"), data(b"body"), text(""), text("\xe9"), b"plain"):
        conn.send(text("/queue/a"), body)
        conn.send(text("/queue/a"), body, text("text/plain"))
        conn.send(text("/queue/a"), body, receipt=text("r"))
        conn.send("/queue/a", body, "text/plain", receipt=text("r"))
        conn.send(text("/queue/a"), body, text("text/plain"), extra, persistent=text("true"))
    conn.send("/queue/a", "x", headers={"twice": (text("one"), number(2), data(b"three"))})
    conn.send_frame(text("SEND"), {text("destination"): text("/queue/a")}, text("body"))
    conn.begin(text("tx"), receipt=text("r2"))
    conn.commit(text("tx"))
    conn.begin(number(7))
    conn.abort(number(7))
    ack = [text("m"), text("1")] if version == "1.1" else [text("m")]
    conn.ack(*ack)
    conn.ack(*ack, transaction=text("tx"), receipt=text("r3"), more=text("x"))
    conn.ack(number(12), *ack[1:])
    if version != "1.0":
        conn.nack(*ack)
        conn.nack(*ack, transaction=text("tx"), receipt=text("r3"))
    if version == "1.0":
        conn.unsubscribe(destination=text("/queue/a"))
    conn.unsubscribe(id=text("1"))
    conn.disconnect(receipt=text("bye"))


class Watcher(stomp.ConnectionListener):
    def on_send(self, frame):
        pass


@pytest.mark.parametrize("watch", [False, True], ids=["", "with on_send"])
@pytest.mark.parametrize("version", KINDS)
def test_the_listener_api_writes_the_text_of_a_str_subclass(kind, version, watch):
    plain = written(listener_program, version, str, int, bytes, watch, version=version)
    other = written(listener_program, version, kind, MisleadingInt, MisleadingBytes, watch, version=version)
    assert other == plain
    assert LIE.encode() not in b"".join(other)


def client_settings(text, number):
    return {
        "login": text("user"),
        "passcode": text("secret"),
        "vhost": text("vhost"),
        "client_id": text("me"),
        "headers": {text("more"): text("x")},
        "heartbeat": (number(0), number(0)),
        "versions": [text("1.2"), text("1.1")],
        "broker": text("activemq"),
        "on_unknown": text("resend"),
    }


def send_options(text, number):
    return {
        "headers": {text("a-name"): text("a:value"), text("number"): number(5)},
        "content_type": text("text/plain"),
        "correlation_id": text("c"),
        "reply_to": text("/queue/r"),
        "priority": number(4),
        "persistent": True,
    }


def client_program(server, text, number, data):
    """Call every method of `Client` that writes."""
    with stomp.Client(text(server.url), **client_settings(text, number)) as client:
        for body in (text("body"), data(b"body"), text(""), text("\xe9"), b"plain"):
            client.send(text("/queue/a"), body)
            client.send(text("/queue/a"), body, confirm=True)
            client.send_async(text("/queue/a"), body).result()
            client.send(text("/queue/a"), body, **send_options(text, number))
        client.send(text("/queue/a"), text("body"), compress=text("gzip"))
        client.send_many([(text("/queue/a"), text("one"))])
        with client.confirmations() as batch:
            batch.send(text("/queue/a"), text("one"))
        with client.transaction() as transaction:
            transaction.send(text("/queue/a"), text("one"))
        subscription = client.subscribe(
            text("/queue/a"),
            ack=text("client-individual"),
            id=text("1"),
            selector=text("a = 1"),
            durable=text("me"),
            prefetch=number(3),
            headers={text("x"): text("y")},
        )
        assert type(subscription.id) is type(subscription.destination) is type(subscription.ack) is str
        assert LIE not in repr(subscription)
        message: Any = subscription.receive(20)
        message.reply(text("answer"))
        message.ack()
        subscription.close()


async def async_program(server, text, number, data):
    """The same as `client_program`, with `AsyncClient`."""
    async with stomp.AsyncClient(text(server.url), **client_settings(text, number)) as client:
        for body in (text("body"), data(b"body"), text(""), text("\xe9"), b"plain"):
            await client.send(text("/queue/a"), body)
            await client.send(text("/queue/a"), body, confirm=True)
            await (await client.send_async(text("/queue/a"), body))
            await client.send(text("/queue/a"), body, **send_options(text, number))
        await client.send(text("/queue/a"), text("body"), compress=text("gzip"))
        await client.send_many([(text("/queue/a"), text("one"))])
        async with client.confirmations() as batch:
            await batch.send(text("/queue/a"), text("one"))
        async with client.transaction() as transaction:
            await transaction.send(text("/queue/a"), text("one"))
        subscription = await client.subscribe(
            text("/queue/a"),
            ack=text("client-individual"),
            id=text("1"),
            selector=text("a = 1"),
            durable=text("me"),
            prefetch=number(3),
            headers={text("x"): text("y")},
        )
        message: Any = await subscription.receive(20)
        await message.reply(text("answer"))
        await message.ack()
        await subscription.close()


def run_async_program(*args):
    asyncio.run(async_program(*args))


@pytest.mark.parametrize("program", [client_program, run_async_program])
def test_the_clients_write_the_text_of_a_str_subclass(kind, program, monkeypatch):
    monkeypatch.setattr("zlib.compressobj", lambda **how: Copier())
    plain = written(program, str, int, bytes)
    other = written(program, kind, MisleadingInt, MisleadingBytes)
    assert other == plain
    assert LIE.encode() not in b"".join(other)


class Copier:
    """Compresses to the same bytes each time: gzip writes the time into its output."""

    def compress(self, data):
        return b"compressed " + data

    def flush(self):
        return b""


def test_the_embedded_broker_takes_the_text_of_a_str_subclass(kind):
    with Broker(
        kind("127.0.0.1"), MisleadingInt(0), users={kind("me"): kind("secret")}, versions=[kind("1.2")]
    ) as broker:
        assert LIE not in broker.url
        with stomp.Client(broker.url, login="me", passcode="secret") as client:
            client.send("/queue/a", b"x", confirm=True)
            assert client.version == "1.2"
            assert broker.depth(kind("/queue/a")) == 1
    with Broker(listen=[kind("stomp://127.0.0.1:0")]) as broker, stomp.Client(broker.url) as client:
        assert client.state is stomp.ClientState.CONNECTED


def test_addresses_take_the_text_of_a_str_subclass(kind):
    assert repr(pairs_of([(kind("host"), MisleadingInt(5))])) == "[('host', 5)]"
    assert repr(pairs_of([(kind("host"), kind("61613"))])) == "[('host', 61613)]"
    assert str(parse(kind("stomp://a:5")).addresses[0]) == "a:5"
    assert str(parse_proxy(kind("http://proxy:5")).address) == "proxy:5"


def test_http_headers_of_a_websocket_take_the_text_of_a_str_subclass(kind):
    plain = (("Cookie", "a=b"), ("X", "5"))
    assert header_pairs({kind("Cookie"): kind("a=b"), "X": MisleadingInt(5)}) == plain
    assert header_pairs([kind("Cookie: a=b"), "X: 5"]) == plain


def test_convert_frame_writes_the_text_of_a_str_subclass(kind):
    frame = stomp.utils.Frame(kind("SEND"), {kind("destination"): kind("/queue/a")}, kind("body"))
    plain = stomp.utils.Frame("SEND", {"destination": "/queue/a"}, "body")
    assert b"".join(convert_frame(frame)) == b"".join(convert_frame(plain))


def test_multicast_writes_the_text_of_a_str_subclass(kind):
    from stomp.adapter.multicast import MulticastConnection

    transport: Any = MulticastConnection().transport
    frame = stomp.utils.Frame(kind("SEND"), {kind("destination"): kind("/queue/a")}, kind("body"))
    plain = stomp.utils.Frame("SEND", {"destination": "/queue/a"}, "body")
    assert transport.datagram(frame) == transport.datagram(plain)


def test_a_number_that_a_hook_adds_is_sent_as_its_text():
    frame: Any = Frame("SEND", Headers(destination="/queue/a"), b"")
    frame.headers["number"] = MisleadingInt(5)
    frame.headers["flag"] = True
    assert encode(frame, STOMP12) == b"SEND\ndestination:/queue/a\nnumber:5\nflag:true\n\n\0"


def test_a_waiting_listener_knows_the_receipt_by_its_text(kind):
    listener = stomp.WaitingListener(kind("r"))
    listener.on_receipt(stomp.utils.Frame("RECEIPT", {"receipt-id": "r"}, ""))
    assert listener.received


def test_a_subscription_id_that_is_a_number_gets_its_messages(broker):
    with stomp.Client(broker.url) as client:
        number: Any = MisleadingInt(5)
        subscription = client.subscribe("/queue/a", id=number)
        client.send("/queue/a", b"x")
        assert subscription.id == "5"
        message = subscription.receive(20)
        assert message is not None
        assert message.body == b"x"


def test_no_name_of_a_destination_is_shown_by_another_text(kind):
    with pytest.raises(stomp.NotConnected):
        stomp.Client().send(kind("/queue/a"), b"x")
    frame = Frame("SEND", Headers({kind("destination"): kind("/queue/a")}), b"x")
    assert LIE.encode() not in encode(frame, STOMP12)


def test_the_path_of_a_websocket_is_the_text_of_a_str_subclass(kind):
    conn = stomp.WSConnection([("host", 5)], ws_path=kind("/ws"))
    assert [address.url for address in conn.transport._ordered()] == ["ws://host:5/ws"]
