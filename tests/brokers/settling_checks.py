"""Checks of the fields about receipts, transactions, ACK, NACK and copies: by frames without the library."""

from __future__ import annotations

import uuid

import pytest

from stomp.core.errors import Unsupported
from tests.brokers.places import SHORT, Check, Place, RawConnection, RawFrame

#: Where messages are that a broker gave up.
DEAD = {
    "activemq": "/queue/ActiveMQ.DLQ",
    "activemq6": "/queue/ActiveMQ.DLQ",
    "activemq61": "/queue/ActiveMQ.DLQ",
    "artemis": "DLQ",
    "artemis-next": "DLQ",
    "hornetq": "/queue/DLQ",
}


def _delivered(place: Place) -> tuple[RawConnection, RawFrame]:
    """A raw connection that is subscribed to the queue, and its message."""
    place.put("work", origin=place.queue)
    raw = place.raw()
    raw.subscribe(place.queue)
    return raw, raw.message()


def _dead(place: Place) -> list[str]:
    """The messages of this test in the dead-letter queue."""
    return place.rest(DEAD[place.name], f"origin = '{place.queue}'", wait=0.5)


def receipts(place: Place) -> None:
    assert place.profile.receipts
    place.raw().done("SEND", b"x", destination=place.queue)


def acknowledges(place: Place) -> None:
    assert place.profile.acknowledges
    raw, _ = _delivered(place)
    raw.leave()
    again = place.raw()
    again.subscribe(place.queue)
    message = again.message()
    again.done("ACK", id=message.headers["ack"])
    again.leave()
    assert place.rest() == []


def transactions(place: Place) -> None:
    assert place.profile.transactions
    raw = place.raw()
    for end in ("ABORT", "COMMIT"):
        raw.done("BEGIN", transaction="t")
        raw.write("SEND", end.encode(), destination=place.queue, transaction="t")
        # Apollo and RabbitMQ send the RECEIPT of the SEND, if it has one, before that of the COMMIT.
        raw.done(end, transaction="t")
    assert place.rest() == ["COMMIT"]


def receipts_in_transaction(place: Place) -> None:
    raw = place.raw()
    raw.done("BEGIN", transaction="t")
    raw.write("SEND", b"x", destination=place.queue, receipt="sent", transaction="t")
    at_once = raw.next(SHORT)
    assert (at_once is not None) is place.profile.receipts_in_transaction
    raw.write("COMMIT", receipt="committed", transaction="t")
    answers = [at_once] if at_once is not None else []
    answers += [raw.read() for _ in range(2 - len(answers))]
    assert {(answer.command, answer.headers["receipt-id"]) for answer in answers} == {
        ("RECEIPT", "sent"),
        ("RECEIPT", "committed"),
    }


def ack_in_transaction(place: Place) -> None:
    raw, message = _delivered(place)
    raw.done("BEGIN", transaction="t")
    raw.write("ACK", id=message.headers["ack"], transaction="t")
    raw.done("ABORT", transaction="t")
    raw.leave()
    assert place.rest() == (["work"] if place.profile.ack_in_transaction else [])
    client = place.client()
    place.put("work")
    received = client.subscribe(place.queue, ack="client-individual").receive(timeout=30)
    assert received is not None
    transaction = client.transaction()
    if place.profile.ack_in_transaction:
        transaction.ack(received)
    else:
        with pytest.raises(Unsupported, match="ACK in transactions"):
            transaction.ack(received)
    transaction.abort()


def nack_in_transaction(place: Place) -> None:
    raw, message = _delivered(place)
    raw.done("BEGIN", transaction="t")
    raw.write("NACK", id=message.headers["ack"], receipt="nacked", transaction="t")
    answer = raw.next(SHORT)
    if place.profile.nack_in_transaction:
        # Where RECEIPTs of a transaction come at its end, this one does, too. There is no MESSAGE yet.
        assert answer is None or answer.command == "RECEIPT"
        raw.write("COMMIT", receipt="committed", transaction="t")
        frames = [raw.read() for _ in range(2 if answer is not None else 3)]
        assert [frame.body for frame in frames if frame.command == "MESSAGE"] == [b"work"]
        return
    assert answer is not None
    if answer.command == "RECEIPT":  # the header is ignored: the message was discarded at once
        raw.done("ABORT", transaction="t")
        raw.leave()
        assert place.rest() == []
        place.put("work")
    else:
        raw.leave()  # it is refused: the message is still there
    client = place.client()
    received = client.subscribe(place.queue, ack="client-individual").receive(timeout=30)
    assert received is not None
    transaction = client.transaction()
    with pytest.raises(Unsupported, match="NACK in transactions"):
        transaction.nack(received)
    transaction.abort()


def requeue(place: Place) -> None:
    """With each value of the header, by frames, and then with the client."""
    for value in ("true", "false"):
        known = value in place.profile.requeue
        raw, message = _delivered(place)
        raw.done("NACK", id=message.headers["ack"], requeue=value)
        again = raw.next(SHORT)
        raw.leave()
        place.rest(wait=0.5)
        comes_again = place.profile.nack_effect.startswith("is delivered again")
        # A broker that does not know the header does as without it.
        assert (again is not None) is (value == "true" if known else comes_again)
        place.put("work")
        subscription = place.client().subscribe(place.queue, ack="client-individual")
        received = subscription.receive(timeout=30)
        assert received is not None
        if known:
            received.nack(requeue=value == "true", confirm=True)
        elif not place.profile.nack_discards:
            with pytest.raises(Unsupported, match="no requeue"):
                received.nack(requeue=value == "true")
        subscription.close()
        place.rest(wait=0.5)


def nack_discards(place: Place) -> None:
    if not place.profile.nack_discards:
        return  # see `nack_effect`
    raw, message = _delivered(place)
    raw.done("NACK", id=message.headers["ack"])
    assert raw.next(SHORT) is None
    raw.leave()
    place.put("work", origin=place.queue)
    subscription = place.client().subscribe(place.queue, ack="client-individual")
    received = subscription.receive(timeout=30)
    assert received is not None
    with pytest.raises(Unsupported, match="discards"):
        received.nack()
    received.nack(requeue=False, confirm=True)
    subscription.close()
    assert place.rest() == []
    assert _dead(place) == []


def nack_effect(place: Place) -> None:
    effect = place.profile.nack_effect
    raw, message = _delivered(place)
    raw.write("NACK", id=message.headers["ack"])
    if effect.startswith("is delivered again"):
        again = raw.message()
        assert again.body == b"work"
        assert again.headers.get("redelivered") == (None if "not marked" in effect else "true")
        return
    assert raw.next(SHORT) is None
    raw.leave()
    assert place.rest() == []
    if effect.startswith("is discarded"):
        assert place.profile.nack_discards
        return
    assert effect.startswith("is not delivered again: a persistent one goes to ActiveMQ.DLQ")
    assert _dead(place) == ["work"]
    place.put("volatile", persistent=False, origin=place.queue)
    raw = place.raw()
    raw.subscribe(place.queue)
    raw.done("NACK", id=raw.message().headers["ack"])
    raw.leave()
    assert _dead(place) == []


def dead_letter_hint(place: Place) -> None:
    hint = place.profile.dead_letter_hint
    if place.profile.name == "rabbitmq":
        assert "x-dead-letter-exchange, and reject with nack(requeue=False)" in hint
        dead = uuid.uuid4().hex
        place.client().subscribe(f"/queue/{dead}").close()
        letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        client = place.client()
        subscription = client.subscribe(place.queue, ack="client-individual", headers=letters)
        client.send(place.queue, "work", confirm=True, headers=letters)
        failed = subscription.receive(timeout=30)
        assert failed is not None
        failed.nack(requeue=False, confirm=True)
        assert place.rest(f"/queue/{dead}") == ["work"]
    elif place.profile.name == "apollo":
        assert hint.startswith("count the attempts in the program")
        raw, message = _delivered(place)
        for _ in range(20):
            raw.write("NACK", id=message.headers["ack"])
            message = raw.message()
        raw.done("ACK", id=message.headers["ack"])
    elif place.profile.name == "activemq":
        assert hint.startswith("read ActiveMQ.DLQ")  # as `nack_effect` does
    else:
        # tests.brokers.test_profiles: test_message_that_always_fails_reaches_the_dead_letter_queue
        assert place.profile.name in ("artemis", "hornetq", "embedded")
        assert "max-delivery-attempts" in hint or "Broker.depth" in hint


def deduplication(place: Place) -> None:
    """Either the broker drops the second one, or the header arrives for the consumer to see."""
    header, value = place.profile.deduplication, uuid.uuid4().hex
    client = place.client()
    for _ in range(2):
        client.send(place.queue, "copy", confirm=True, headers={header: value})
    messages = list(client.subscribe(place.queue).messages(1.0))
    assert len(messages) == (1 if header.startswith("_") else 2)
    assert {message.headers[header] for message in messages} == {value}


def _text_and_bytes(place: Place) -> list[RawFrame]:
    """The MESSAGE of a SEND without content-length, and that of one with it."""
    raw = place.raw()
    raw.subscribe(place.queue)
    frames = []
    for length in (None, "1"):
        head = {"content-length": length} if length is not None else {}
        raw.write("SEND", b"x", destination=place.queue, **head)
        frames.append(raw.message())
        raw.done("ACK", id=frames[-1].headers["ack"])
    return frames


def _length_comes_first(frame: RawFrame) -> bool | None:
    """Whether content-length is before message-id; None if there is none."""
    if "content-length" not in frame.names:
        return None
    return frame.names.index("content-length") < frame.names.index("message-id")


def text_without_content_length(place: Place) -> None:
    text, binary = map(_length_comes_first, _text_and_bytes(place))
    if place.profile.text_without_content_length:
        assert text is not binary  # it keeps them apart
    elif place.profile.name == "apollo":
        assert (text, binary is None) == (None, False)  # it has what the SEND had
    else:
        assert text is binary


def adds_length(place: Place) -> None:
    text, binary = map(_length_comes_first, _text_and_bytes(place))
    if place.profile.adds_length:
        assert (text, binary) == (False, True)
    elif place.profile.text_without_content_length:
        assert text is None


def hides_persistence(place: Place) -> None:
    for persistent in (True, False):
        place.put(str(persistent), persistent=persistent)
    shown = [
        message.headers.get("persistent") == "true"
        for message in place.client().subscribe(place.queue).messages(1.0)
    ]
    assert len(shown) == 2
    assert (shown[0] is shown[1]) is place.profile.hides_persistence
    assert shown[0] is not place.profile.hides_persistence


CHECKS: tuple[Check, ...] = (
    receipts,
    acknowledges,
    transactions,
    receipts_in_transaction,
    ack_in_transaction,
    nack_in_transaction,
    requeue,
    nack_discards,
    nack_effect,
    dead_letter_hint,
    deduplication,
    text_without_content_length,
    adds_length,
    hides_persistence,
)
