"""stomp.core.session.ledger"""

import pytest

from stomp.core.frames.frame import Headers
from stomp.core.frames.versions import STOMP12
from stomp.core.session.ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.begin_generation()
    return ledger


def subscribe(ledger: Ledger, id: str, ack: str = "auto") -> None:
    ledger.record_frame("SUBSCRIBE", Headers(destination=f"/queue/{id}", id=id, ack=ack))


def deliver(ledger: Ledger, id: str, *messages: str) -> None:
    ledger.subscriptions[id].unacked.update(dict.fromkeys(messages))


def unacked(ledger: Ledger, id: str) -> list[str]:
    return list(ledger.subscriptions[id].unacked)


def test_subscriptions_are_added_and_removed(ledger: Ledger) -> None:
    headers = Headers(destination="/queue/a", id="1", ack="client", selector="x")
    ledger.record_frame("SUBSCRIBE", headers)
    found = ledger.subscriptions["1"]
    assert (found.id, found.destination, found.ack, found.headers) == ("1", "/queue/a", "client", headers)
    assert found.acknowledges
    ledger.record_frame("UNSUBSCRIBE", Headers(id="1"))
    ledger.record_frame("UNSUBSCRIBE", Headers(id="1"))
    assert ledger.subscriptions == {}


def test_without_an_id_the_destination_names_a_subscription(ledger: Ledger) -> None:
    ledger.record_frame("SUBSCRIBE", Headers(destination="/queue/a"))
    assert not ledger.subscriptions["/queue/a"].acknowledges
    ledger.record_frame("UNSUBSCRIBE", Headers(destination="/queue/a"))
    assert ledger.subscriptions == {}


def test_headers_are_kept_for_subscribing_again(ledger: Ledger) -> None:
    headers = Headers.of([("destination", "/queue/a"), ("id", "1"), ("x", "1"), ("x", "2")])
    ledger.record_frame("SUBSCRIBE", headers)
    assert ledger.subscriptions["1"].headers.pairs() == headers.pairs()


def test_frames_without_their_headers_have_an_empty_name(ledger: Ledger) -> None:
    """What such a frame does is for the broker to say: the ledger does not refuse it."""
    ledger.record_frame("SUBSCRIBE", Headers())
    assert [(id, found.destination) for id, found in ledger.subscriptions.items()] == [("", "")]
    ledger.record_frame("UNSUBSCRIBE", Headers())
    ledger.record_frame("BEGIN", Headers())
    assert (ledger.subscriptions, ledger.transactions) == ({}, {""})
    ledger.record_frame("ABORT", Headers())
    assert ledger.transactions == set()


@pytest.mark.parametrize("named", [True, False])
def test_only_a_message_that_names_no_subscription_is_matched_by_destination(
    ledger: Ledger, named: bool
) -> None:
    subscribe(ledger, "1", "client")
    headers = {"destination": "/queue/1", "message-id": "m"} | ({"subscription": "old"} if named else {})
    assert ledger.match_by_destination(headers) is (None if named else ledger.subscriptions["1"])
    assert unacked(ledger, "1") == ([] if named else ["m"])


def test_transactions_are_added_and_removed(ledger: Ledger) -> None:
    for id in ("a", "b", "c"):
        ledger.record_frame("BEGIN", Headers(transaction=id))
    ledger.record_frame("COMMIT", Headers(transaction="a"))
    ledger.record_frame("ABORT", Headers(transaction="b"))
    ledger.record_frame("ABORT", Headers(transaction="never"))
    assert ledger.transactions == {"c"}


def test_an_individual_ack_settles_one(ledger: Ledger) -> None:
    subscribe(ledger, "1", "client-individual")
    deliver(ledger, "1", "a", "b", "c")
    ledger.record_frame("ACK", Headers(id="b"))
    assert unacked(ledger, "1") == ["a", "c"]
    ledger.record_frame("NACK", Headers(id="a"))
    ledger.record_frame("ACK", Headers(id="never"))
    assert unacked(ledger, "1") == ["c"]


def test_a_client_ack_settles_all_before_it(ledger: Ledger) -> None:
    subscribe(ledger, "1", "client")
    subscribe(ledger, "2", "client")
    deliver(ledger, "1", "a", "b", "c")
    deliver(ledger, "2", "x")
    ledger.record_frame("ACK", Headers({"message-id": "b", "subscription": "1"}))
    assert unacked(ledger, "1") == ["c"]
    ledger.record_frame("ACK", Headers({"message-id": "b", "subscription": "1"}))
    ledger.record_frame("ACK", Headers({"message-id": "x", "subscription": "gone"}))
    assert (unacked(ledger, "1"), unacked(ledger, "2")) == (["c"], ["x"])


def test_ack_may_be_in_escaped_form(ledger: Ledger) -> None:
    subscribe(ledger, "a:1", "client")
    deliver(ledger, "a:1", "x:1", "x:2")
    ledger.record_frame("ACK", {"id": "x\\c1", "subscription": "a\\c1"}, STOMP12)
    assert unacked(ledger, "a:1") == ["x:2"]


def test_ack_without_subscription_finds_the_message(ledger: Ledger) -> None:
    subscribe(ledger, "1", "client-individual")
    subscribe(ledger, "2", "client-individual")
    deliver(ledger, "2", "a")
    ledger.record_frame("ACK", Headers({"message-id": "a"}))
    assert unacked(ledger, "2") == []


def test_ack_of_an_unknown_message_is_ignored(ledger: Ledger) -> None:
    ledger.record_frame("ACK", Headers())
    ledger.record_frame("SEND", Headers(destination="/queue/a"))


def test_receipt_is_resolved_once(ledger: Ledger) -> None:
    ticket = ledger.expect_receipt("r", "SEND", None)
    assert (ticket.receipt, ticket.command, ticket.deadline, ticket.generation) == ("r", "SEND", None, 1)
    assert ledger.expects("r")
    assert ledger.resolve_receipt("r") is ticket
    assert not ledger.expects("r")
    assert ledger.resolve_receipt("r") is None
    assert ledger.resolve_receipt(None) is None


def test_a_receipt_id_may_be_used_again_while_it_is_awaited(ledger: Ledger) -> None:
    first = ledger.expect_receipt("r", "SEND", 5.0)
    second = ledger.expect_receipt("r", "SEND", 3.0)
    third = ledger.expect_receipt("r", "SEND", 3.0)
    assert ledger.resolve_receipt("r") is first
    assert ledger.next_deadline() == 3.0
    late = ledger.expired(4.0)
    assert [id(ticket) for ticket in late] == [id(second), id(third)]
    assert not ledger.expects("r")
    assert ledger.next_deadline() is None


def test_other_receipts_are_resolved_while_an_id_is_awaited_twice(ledger: Ledger) -> None:
    first, second = (ledger.expect_receipt("r", "SEND", 5.0) for _ in range(2))
    other = ledger.expect_receipt("s", "SEND", 1.0)
    assert ledger.resolve_receipt("unknown") is None
    assert ledger.resolve_receipt("s") is other
    assert ledger.next_deadline() == 5.0
    assert [ledger.resolve_receipt("r") for _ in range(3)] == [first, second, None]


def test_earliest_deadline_is_first(ledger: Ledger) -> None:
    tickets = [ledger.expect_receipt(f"r{at}", "SEND", at) for at in (5.0, 1.0, 3.0)]
    assert ledger.next_deadline() == 1.0
    assert ledger.expired(0.9) == []
    assert ledger.expired(3.0) == [tickets[1], tickets[2]]
    assert ledger.next_deadline() == 5.0
    ledger.resolve_receipt("r5.0")
    assert ledger.next_deadline() is None
    assert ledger.expired(100.0) == []


def test_answered_receipts_do_not_pile_up_behind_an_open_one(ledger: Ledger) -> None:
    ledger.expect_receipt("stuck", "SEND", 1.0)
    for number in range(1000):
        ledger.expect_receipt(str(number), "SEND", 60.0)
        ledger.resolve_receipt(str(number))
    assert len(ledger._deadlines) < 200


def test_sweeping_keeps_the_order_of_deadlines(ledger: Ledger) -> None:
    deadlines = [float(number * 37 % 101) for number in range(101)]
    for number, deadline in enumerate(deadlines * 3):
        ledger.expect_receipt(str(number), "SEND", deadline)
        if number >= 101:
            ledger.resolve_receipt(str(number))
    for number in range(0, 101, 2):
        ledger.resolve_receipt(str(number))
    for number in range(1000, 1100):
        ledger.expect_receipt(str(number), "SEND", 500.0)
    late = [ticket.deadline for ticket in ledger.expired(200.0)]
    assert late == sorted(deadlines[1::2])


def test_a_new_generation_keeps_subscriptions_only(ledger: Ledger) -> None:
    subscribe(ledger, "1", "client")
    deliver(ledger, "1", "a")
    ledger.record_frame("BEGIN", Headers(transaction="t"))
    tickets = (ledger.expect_receipt("r", "SEND", 5.0), ledger.expect_receipt("s", "SEND", None))
    assert ledger.end_generation() == tickets
    assert ledger.begin_generation() == 2
    assert list(ledger.subscriptions) == ["1"]
    assert unacked(ledger, "1") == []
    assert ledger.transactions == set()
    assert ledger.next_deadline() is None
    assert not ledger.expects("r")
    assert ledger.end_generation() == ()


def test_a_receipt_id_that_is_awaited_twice_and_overdue(ledger: Ledger) -> None:
    first, second, third = (ledger.expect_receipt("r", "SEND", deadline) for deadline in (3.0, 1.0, 2.0))
    assert ledger.expired(now=1.0) == [second]
    assert ledger.expired(now=2.0) == [third]
    assert ledger.resolve_receipt("r") is first
    assert not ledger.expects("r")
    again = ledger.expect_receipt("r", "SEND", 4.0)
    later = ledger.expect_receipt("r", "SEND", 5.0)
    assert ledger.expired(now=4.0) == [again]
    assert ledger.end_generation() == (later,)
    assert not ledger.expects("r")


def test_answered_receipt_has_no_deadline_while_another_id_is_used_several_times(ledger: Ledger) -> None:
    for deadline in (5.0, 7.0, 8.0):
        ledger.expect_receipt("often", "SEND", deadline)
    ledger.expect_receipt("once", "SEND", 6.0)
    ledger.resolve_receipt("once")
    ledger.resolve_receipt("often")
    assert ledger.next_deadline() == 7.0
    assert ledger.expired(6.5) == []
