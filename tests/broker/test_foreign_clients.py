"""What clients of other projects, written for RabbitMQ, ActiveMQ and Artemis, need from the broker."""

from __future__ import annotations

import pytest

from stomp.broker import Broker
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from tests.broker.party import party
from tests.broker.rawclient import RawClient


def _read_until(client: RawClient, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        more = client.sock.recv(65536)
        assert more, data
        data += more
    return data


# ------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("body", [b"hi", b"x" * 300_000])
def test_each_frame_ends_with_nul_and_a_line_feed(broker: Broker, body: bytes) -> None:
    with RawClient(broker) as client:
        client.write(b"CONNECT\naccept-version:1.2\nhost:/\n\n\0")
        assert _read_until(client, b"\0\n").startswith(b"CONNECTED\n")
        client.send("SUBSCRIBE", id="1", destination="/queue/a", receipt="r")
        assert _read_until(client, b"\0\n") == b"RECEIPT\nreceipt-id:r\n\n\0\n"
        client.send("SEND", body, destination="/queue/a")
        assert _read_until(client, b"\0\n").endswith(b"\n\n" + body + b"\0\n")
        client.write(b"NONSENSE\n\n\0")
        assert _read_until(client, b"\0\n").startswith(b"ERROR\n")


def test_connected_of_stomp_10_has_a_version(broker: Broker) -> None:
    with RawClient(broker, version="1.0") as client:
        client.write(b"CONNECT\n\n\0")
        assert client.expect("CONNECTED").headers["version"] == "1.0"


def test_first_delivery_has_redelivered_false(broker: Broker, client: RawClient) -> None:
    client.send("SEND", "a", destination="/queue/a")
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client")
    client.expect("MESSAGE", redelivered="false")
    client.send("UNSUBSCRIBE", id="1")
    client.send("SUBSCRIBE", id="2", destination="/queue/a", ack="client")
    client.expect("MESSAGE", redelivered="true")


# ------------------------------------------------------------------------------------- heart-beats


@pytest.mark.parametrize(
    ("asked", "answer"),
    [("0,0", "0,0"), ("4000,3000", "3000,4000"), ("5000,0", "0,5000"), ("1,1", "100,100")],
)
def test_heartbeat_mirrors_what_the_client_asks_for(broker: Broker, asked: str, answer: str) -> None:
    with RawClient(broker) as client:
        assert client.connect(heart_beat=asked).headers["heart-beat"] == answer


def test_heartbeat_of_the_option_is_fixed() -> None:
    with Broker(heartbeat=(7000, 8000)) as broker, RawClient(broker) as client:
        assert client.connect(heart_beat="4000,3000").headers["heart-beat"] == "7000,8000"


def test_heartbeats_are_sent_at_the_interval_of_the_client(broker: Broker) -> None:
    with RawClient(broker) as client:
        client.connect(heart_beat="0,100")
        assert not client.silent_for(5)


# ------------------------------------------------------------------------------------- order of receipts


def test_receipt_precedes_the_messages_that_subscribe_causes(client: RawClient) -> None:
    client.send("SEND", "a", destination="/queue/a")
    client.send("SUBSCRIBE", id="1", destination="/queue/a", receipt="r")
    client.expect("RECEIPT", receipt_id="r")
    client.expect("MESSAGE")


def test_receipt_precedes_the_messages_that_send_and_commit_cause(client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a")
    client.send("SEND", "a", destination="/queue/a", receipt="r1")
    client.expect("RECEIPT", receipt_id="r1")
    client.expect("MESSAGE")
    client.send("BEGIN", transaction="t")
    client.send("SEND", "b", destination="/queue/a", transaction="t")
    client.send("COMMIT", transaction="t", receipt="r2")
    client.expect("RECEIPT", receipt_id="r2")
    client.expect("MESSAGE")


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_receipt_precedes_the_messages_that_an_acknowledgement_causes(
    client: RawClient, command: str
) -> None:
    for body in ("a", "b"):
        client.send("SEND", body, destination="/queue/a")
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client", prefetch_count="1")
    first = client.expect("MESSAGE")
    client.send(command, id=first.headers["ack"], receipt="r")
    client.expect("RECEIPT", receipt_id="r")
    client.expect("MESSAGE")


# ------------------------------------------------------------------------------------- Python's True and False


def test_durable_true_in_pythons_spelling_is_durable(engine: Engine) -> None:
    subscriber = party(engine)
    subscriber.subscribe("/topic/a", "1", durable="True", auto_delete="False")
    subscriber.leave()
    party(engine).send("/topic/a", "kept")
    later = party(engine)
    later.subscribe("/topic/a", "1", durable="true", auto_delete="false")
    assert later.bodies() == ["kept"]


def test_auto_delete_true_in_pythons_spelling_is_not_durable(engine: Engine) -> None:
    subscriber = party(engine)
    subscriber.subscribe("/topic/a", "1", durable="True", auto_delete="True")
    subscriber.leave()
    assert engine.destinations() == {}


def test_requeue_false_in_pythons_spelling_does_not_requeue(engine: Engine) -> None:
    consumer = party(engine)
    consumer.subscribe("/queue/a", ack="client")
    consumer.send("/queue/a", "x")
    consumer.nack(consumer.messages()[0], requeue="False")
    assert consumer.messages() == []
    assert engine.depth("/queue/DLQ") == 1


def test_persistent_true_in_pythons_spelling_is_persistent_for_selectors(engine: Engine) -> None:
    consumer = party(engine)
    consumer.subscribe("/queue/a", selector="JMSDeliveryMode = 'PERSISTENT'")
    consumer.send("/queue/a", "x", persistent="True")
    assert consumer.bodies() == ["x"]


# ------------------------------------------------------------------------------------- expiry and browsing


def test_message_that_has_expired_already_is_not_delivered() -> None:
    engine = Engine(clock=lambda: 1000.0)
    consumer = party(engine)
    consumer.subscribe("/queue/a")
    consumer.send("/queue/a", "x", expires="999999")
    assert consumer.messages() == []
    assert engine.expiry.dropped == 1
    assert engine.capacity.messages == 0


def test_browser_gets_copies_and_an_end(engine: Engine) -> None:
    sender, browser = party(engine), party(engine)
    sender.send("/queue/a", "1", "2")
    browser.subscribe("/queue/a", "b", browser="True")
    *messages, end = browser.messages()
    assert [each.body for each in messages] == [b"1", b"2"]
    assert (end.headers["browser"], end.headers["subscription"], end.body) == ("end", "b", b"")
    sender.send("/queue/a", "3")
    assert browser.messages() == []
    assert engine.depth("/queue/a") == 3
    browser.unsubscribe("b")
    assert engine.capacity.messages == 3


def test_browser_obeys_selector_window_and_acknowledgements(engine: Engine) -> None:
    sender, browser = party(engine), party(engine)
    sender.send("/queue/a", "1", "2", kind="red")
    sender.send("/queue/a", "3", kind="blue")
    browser.subscribe(
        "/queue/a", "b", ack="client-individual", browser="true", selector="kind='red'", prefetch_count="1"
    )
    bodies = []
    while found := browser.messages():
        (message,) = found
        bodies.append(message.body)
        browser.ack(message)
    assert bodies == [b"1", b"2", b""]
    browser.leave()
    assert engine.depth("/queue/a") == engine.capacity.messages == 3


def test_browser_sees_unacknowledged_messages_in_order(engine: Engine) -> None:
    consumer, browser = party(engine), party(engine)
    consumer.subscribe("/queue/a", ack="client", prefetch_count="1")
    consumer.send("/queue/a", "1", "2")
    browser.subscribe("/queue/a", "b", browser="true")
    assert browser.bodies() == ["1", "2", ""]


# ------------------------------------------------------------------------------------- destinations


def test_amq_queue_is_the_queue_of_that_name(engine: Engine) -> None:
    consumer = party(engine)
    consumer.subscribe("/amq/queue/a")
    consumer.send("/queue/a", "1")
    consumer.send("/amq/queue/a", "2")
    messages = consumer.messages()
    assert [each.body for each in messages] == [b"1", b"2"]
    assert {each.headers["destination"] for each in messages} == {"/queue/a"}


@pytest.mark.parametrize(
    ("subscription", "sent", "gets"),
    [
        ("/exchange/amq.topic/a.*", "/topic/a.b", True),
        ("/topic/a.*", "/exchange/amq.topic/a.b", True),
        ("/exchange/amq.direct/a", "/exchange/amq.direct/a", True),
        ("/exchange/amq.direct/a", "/exchange/amq.direct/b", False),
        ("/exchange/amq.direct/a.*", "/exchange/amq.direct/a.b", False),
        ("/exchange/amq.fanout", "/exchange/amq.fanout/any", True),
        ("/exchange/amq.fanout/x", "/exchange/amq.fanout", True),
        ("/exchange/orders/new.#", "/exchange/orders/new.big.one", True),
    ],
)
def test_exchanges_copy_to_each_matching_subscription(
    engine: Engine, subscription: str, sent: str, gets: bool
) -> None:
    one, two = party(engine), party(engine)
    one.subscribe(subscription)
    two.subscribe(subscription)
    one.send(sent, "x")
    assert one.bodies() == two.bodies() == (["x"] if gets else [])


def test_durable_name_on_a_queue_is_refused(engine: Engine) -> None:
    consumer = party(engine)
    with pytest.raises(RequestRefused, match="durable"):
        consumer.subscribe("/queue/a", **{"activemq.subscriptionName": "n"})


def test_owner_sees_the_name_that_it_gave_to_its_temporary_queue(engine: Engine) -> None:
    owner, peer = party(engine), party(engine)
    owner.subscribe("/temp-queue/answers", "1")
    peer.subscribe("/queue/work", "w")
    owner.send("/queue/work", "?", **{"reply-to": "/temp-queue/answers"})
    (work,) = peer.messages()
    assert work.headers["reply-to"].startswith("/remote-temp-queue/")
    peer.send(work.headers["reply-to"], "!")
    (answer,) = owner.messages()
    assert answer.headers["destination"] == "/temp-queue/answers"


def test_reply_to_without_subscription_is_a_reply_queue_as_in_rabbitmq(engine: Engine) -> None:
    owner, peer = party(engine), party(engine)
    peer.subscribe("/queue/work", "w")
    owner.send("/queue/work", "?", **{"reply-to": "/temp-queue/answers"})
    (work,) = peer.messages()
    assert work.headers["reply-to"].startswith("/reply-queue/")
    peer.send(work.headers["reply-to"], "!")
    (answer,) = owner.messages()
    assert answer.headers["subscription"] == "/temp-queue/answers"
    assert answer.body == b"!"
    owner.leave()
    assert engine.destinations() == {"/queue/work": 0}


def test_subscribe_after_reply_to_replaces_the_implicit_subscription(engine: Engine) -> None:
    owner, peer = party(engine), party(engine)
    peer.subscribe("/queue/work", "w")
    owner.send("/queue/work", "?", **{"reply-to": "/temp-queue/answers"})
    owner.subscribe("/temp-queue/answers", "mine", ack="client")
    (work,) = peer.messages()
    peer.send(work.headers["reply-to"], "!", "!!")
    assert [each.headers["subscription"] for each in owner.messages()] == ["mine", "mine"]


def test_refused_send_makes_no_reply_queue(engine: Engine) -> None:
    owner = party(engine)
    with pytest.raises(RequestRefused):
        owner.send("/queue/work", "?", **{"reply-to": "/temp-queue/answers", "expires": "soon"})
    assert engine.destinations() == {}


@pytest.mark.parametrize("name", ["/reply-queue/", "/reply-queue/amq.gen-x", "/reply-queue/amq.gen-9-a"])
def test_reply_queue_of_no_connection_discards(engine: Engine, name: str) -> None:
    party(engine).send(name, "x")
    assert engine.capacity.messages == 0
    with pytest.raises(RequestRefused):
        party(engine).subscribe(name)
