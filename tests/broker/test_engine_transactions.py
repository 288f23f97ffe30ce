"""Transactions: when their operations take effect, and what is undone at ABORT or when a connection closes."""

from __future__ import annotations

import pytest

from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from tests.broker.party import party, receipts


def test_sends_take_effect_at_commit_and_their_receipts_come_at_once(engine: Engine) -> None:
    one, reader = party(engine), party(engine)
    reader.subscribe("/queue/a")
    one.do("BEGIN", "t", "begun")
    one.send("/queue/a", "1", tx="t", receipt="sent")
    assert receipts(one.frames()) == ["begun", "sent"]
    assert reader.messages() == []
    one.send("/queue/a", "outside")
    one.send("/queue/a", "2", tx="t")
    one.do("COMMIT", "t", "done")
    assert receipts(one.frames()) == ["done"]
    messages = reader.messages()
    assert [m.body for m in messages] == [b"outside", b"1", b"2"]
    assert all("transaction" not in m.headers for m in messages)
    assert engine.capacity.messages == 0


def test_sends_are_discarded_at_abort(engine: Engine) -> None:
    one, reader = party(engine), party(engine)
    reader.subscribe("/queue/a")
    one.do("BEGIN", "t")
    one.send("/queue/a", "1", tx="t")
    one.do("ABORT", "t")
    assert reader.messages() == []
    assert engine.capacity.messages == engine.capacity.bytes == 0
    with pytest.raises(RequestRefused, match="no transaction 't'"):
        one.do("COMMIT", "t")


def test_a_transaction_is_discarded_with_its_connection(engine: Engine) -> None:
    one, reader = party(engine), party(engine)
    reader.subscribe("/queue/a")
    one.subscribe("/queue/b", ack="client")
    one.send("/queue/b", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.send("/queue/a", "1", tx="t")
    one.ack(message, tx="t")
    one.leave()
    assert reader.messages() == []
    assert engine.destinations() == {"/queue/a": 0, "/queue/b": 1}
    assert engine.capacity.messages == 1


def test_an_ack_takes_effect_at_commit(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.ack(message, tx="t")
    assert engine.depth("/queue/a") == 1
    one.do("COMMIT", "t")
    assert engine.depth("/queue/a") == 0


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_ack_of_an_aborted_transaction_can_be_repeated(engine: Engine, ack: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack=ack)
    one.send("/queue/a", *"123")
    first, second, third = one.messages()
    one.do("BEGIN", "t")
    one.ack(second, tx="t")
    with pytest.raises(RequestRefused):
        one.ack(second)
    one.do("ABORT", "t")
    assert one.messages() == []  # nothing is redelivered
    one.ack(second)
    assert engine.depth("/queue/a") == (1 if ack == "client" else 2)
    one.ack(third)
    if ack == "client-individual":
        one.ack(first)
    assert engine.depth("/queue/a") == 0


def test_aborted_acks_stay_in_the_order_of_delivery(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"123")
    first, second, third = one.messages()
    one.do("BEGIN", "t")
    one.ack(first, tx="t")
    one.do("ABORT", "t")
    one.ack(second)  # covers the first message, too
    assert engine.depth("/queue/a") == 1
    one.ack(third)


def test_a_nack_takes_effect_at_commit(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.nack(message, tx="t")
    assert one.messages() == []
    one.do("COMMIT", "t")
    (again,) = one.messages()
    assert again.headers["redelivered"] == "true"


def test_ack_in_a_transaction_allows_further_deliveries(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client", prefetch_count=1)
    one.send("/queue/a", "1", "2")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.ack(message, tx="t")
    assert one.bodies() == ["2"]


@pytest.mark.parametrize("destination", ["/queue/a", "/topic/t"])
@pytest.mark.parametrize("end", ["COMMIT", "ABORT"])
def test_unsubscribe_within_a_transaction_keeps_the_transaction(
    engine: Engine, destination: str, end: str
) -> None:
    one = party(engine)
    one.subscribe(destination, ack="client-individual")
    one.send(destination, "acked", "refused")
    acked, refused = one.messages()
    one.do("BEGIN", "t")
    one.ack(acked, tx="t")
    one.nack(refused, tx="t")
    one.unsubscribe()
    one.do(end, "t")
    left = {"COMMIT": 1, "ABORT": 2}[end] if destination == "/queue/a" else 0
    assert engine.depth(destination) == left
    assert engine.capacity.messages == left
    assert (engine.capacity.bytes > 0) is (left > 0)


@pytest.mark.parametrize("command", ["COMMIT", "ABORT"])
def test_an_unknown_transaction_is_refused(engine: Engine, command: str) -> None:
    with pytest.raises(RequestRefused, match="no transaction"):
        party(engine).do(command, "t")
