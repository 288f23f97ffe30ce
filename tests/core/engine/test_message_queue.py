from __future__ import annotations

import pytest

from stomp.core.engine.message import BaseMessage
from stomp.core.engine.message_queue import OVERHEAD, ClientSubscription, MessageQueue, SubscriptionConfig
from stomp.core.errors import UsageError
from stomp.core.frames.frame import Headers


def feed(id: str, **wish) -> ClientSubscription:
    return ClientSubscription(id, SubscriptionConfig("/queue/a", **wish))


def message(body: bytes) -> BaseMessage:
    return BaseMessage("MESSAGE", Headers(), body)


def test_an_inbox_fires_at_the_end_and_is_over_then() -> None:
    one = feed("1")
    fired: list[int] = []
    one.inbox.watch(lambda: fired.append(1))
    assert not one.inbox.over
    one.end(ValueError("x"))
    one.end()
    assert fired == [1]
    assert one.inbox.over
    assert isinstance(one.error, ValueError)


def test_an_inbox_knows_its_size() -> None:
    one = feed("1")
    one.inbox.messages.extend([message(b"abc"), message(b"de")])
    assert one.inbox.size == 5 + 2 * OVERHEAD


def test_merged_feeds_share_an_inbox() -> None:
    one, two, shared = feed("1"), feed("2"), MessageQueue()
    waiting = message(b"x")
    one.inbox.messages.append(waiting)
    one.merge_into(shared)
    two.merge_into(shared)
    assert list(shared.messages) == [waiting]
    assert one.inbox is two.inbox is shared
    one.end()
    assert not shared.over
    two.end()
    assert shared.over


def test_a_feed_is_merged_once() -> None:
    one = feed("1")
    one.merge_into(MessageQueue())
    feed("2").merge_into(one.inbox)
    with pytest.raises(UsageError, match="merged already"):
        one.merge_into(MessageQueue())


def test_what_has_to_be_acknowledged() -> None:
    assert not feed("1").acknowledges
    assert feed("1", ack="client").acknowledges


def test_when_it_will_have_been_silent_for_too_long() -> None:
    one = feed("1", max_silence=5.0)
    one.last = 10.0
    assert one.silent_at == 15.0
