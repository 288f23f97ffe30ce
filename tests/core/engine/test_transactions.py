from __future__ import annotations

import pytest

from stomp.core.engine.message import BaseMessage
from stomp.core.engine.transactions import TransactionRecord
from stomp.core.errors import BrokerError, TransactionVoid, UsageError
from stomp.core.frames.frame import Headers
from stomp.core.session.ledger import ActiveSubscription


def test_closed_transaction_refuses_frames() -> None:
    record = TransactionRecord("t", 1)
    record.check()
    record.state = "void"
    with pytest.raises(TransactionVoid):
        record.check()
    record.state = "committed"
    with pytest.raises(UsageError, match="committed already") as ended:
        record.check()
    assert ended.value.hint == "begin a new one"
    for error, why in ((BrokerError("no"), "no"), (KeyError("secret"), "KeyError")):
        record.error = error
        with pytest.raises(TransactionVoid) as void:
            record.check()
        assert void.value.message == f"the transaction has ended, its COMMIT failed: {why}"
        assert void.value.hint == "begin a new one"
        assert void.value.__cause__ is error


def test_transaction_of_a_lost_connection_is_to_be_repeated() -> None:
    record = TransactionRecord("t", 1)
    error = record.lost()
    assert "was lost" in error.message
    assert "repeat it" in error.hint
    assert record.state == "void"


def test_deliveries_are_restored_before_those_that_came_later() -> None:
    record = TransactionRecord("t", 1)
    subscription = ActiveSubscription("s", "/queue/a", "client", Headers())
    first, second = BaseMessage("MESSAGE", Headers()), BaseMessage("MESSAGE", Headers())
    for message, names in ((first, ["1", "2"]), (second, ["3"])):
        record.settled(message, subscription, names)
        message.settled = True
    subscription.unacked["4"] = None
    record.restore()
    assert list(subscription.unacked) == ["1", "2", "3", "4"]
    assert not first.settled
    assert not second.settled
    record.restore()
    assert list(subscription.unacked) == ["1", "2", "3", "4"]


def test_new_transaction_is_open() -> None:
    record = TransactionRecord("t", 3, "owner")
    assert (record.id, record.generation, record.owner) == ("t", 3, "owner")
    assert (record.state, record.error) == ("open", None)


def test_messages_of_an_aborted_transaction_are_not_settled() -> None:
    record = TransactionRecord("t", 1)
    message = BaseMessage("MESSAGE", Headers())
    record.settled(message, ActiveSubscription("s", "/queue/a", "client", Headers()), ["1"])
    message.settled = True
    record.restore()
    assert message.settled is False
