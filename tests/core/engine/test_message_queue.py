from __future__ import annotations

import pytest

from stomp.core.engine.message import BaseMessage
from stomp.core.engine.message_queue import OVERHEAD, ClientSubscription, MessageQueue, SubscriptionConfig
from stomp.core.errors import UsageError
from stomp.core.frames.frame import Headers


def subscription(id: str, **config) -> ClientSubscription:
    return ClientSubscription(id, SubscriptionConfig("/queue/a", **config))


def message(body: bytes) -> BaseMessage:
    return BaseMessage("MESSAGE", Headers(), body)


def test_ended_queue_notifies_once() -> None:
    one = subscription("1")
    fired: list[int] = []
    one.queue.add_callback(lambda: fired.append(1))
    assert not one.queue.over
    one.end(ValueError("x"))
    one.end()
    assert fired == [1]
    assert one.queue.over
    assert isinstance(one.error, ValueError)


def test_queue_counts_its_bytes() -> None:
    one = subscription("1")
    one.queue.messages.extend([message(b"abc"), message(b"de")])
    assert one.queue.size == 5 + 2 * OVERHEAD


def test_merged_subscriptions_share_a_queue() -> None:
    one, two, shared = subscription("1"), subscription("2"), MessageQueue()
    waiting = message(b"x")
    one.queue.messages.append(waiting)
    one.merge_into(shared)
    two.merge_into(shared)
    assert list(shared.messages) == [waiting]
    assert one.queue is two.queue is shared
    one.end()
    assert not shared.over
    two.end()
    assert shared.over


def test_subscription_is_merged_once() -> None:
    one = subscription("1")
    one.merge_into(MessageQueue())
    subscription("2").merge_into(one.queue)
    with pytest.raises(UsageError, match="merged already"):
        one.merge_into(MessageQueue())


def test_needs_ack_depends_on_the_ack_mode() -> None:
    assert not subscription("1").acknowledges
    assert subscription("1", ack="client").acknowledges


def test_silence_deadline_is_computed() -> None:
    one = subscription("1", max_silence=5.0)
    one.last = 10.0
    assert one.silent_at == 15.0


def test_new_subscription_has_not_been_sent() -> None:
    new = subscription("1")
    assert (new.ended, new.made) == (False, False)
    assert None not in (new.ended, new.made)
    assert (new.error, new.generation, new.receipt, new.last) == (None, 0, "", 0.0)


def test_second_merge_says_what_to_do() -> None:
    one = subscription("1")
    one.merge_into(MessageQueue())
    subscription("2").merge_into(one.queue)
    with pytest.raises(UsageError, match="the subscription '1' is merged already") as caught:
        one.merge_into(MessageQueue())
    assert caught.value.hint == "merge each subscription once"
