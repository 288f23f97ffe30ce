"""stomp.core.engine.request_reply"""

from __future__ import annotations

import pytest

from stomp.core.engine import request_reply
from stomp.core.engine.send import OutgoingMessage
from stomp.core.errors import (
    OutcomeUnknown,
    ReplyMissing,
    Unsupported,
)
from tests.core.stage import Stage

A = "/queue/a"


@pytest.mark.parametrize("server", ["ActiveMQ/5.17.2", "RabbitMQ/3.10.8"])
def test_a_request_gets_its_reply(server: str) -> None:
    stage = Stage(nonce="n")
    stage.connect(server=server)
    run = stage.run(request_reply.request_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + 30))
    if server.startswith("ActiveMQ"):
        subscribed = stage.link.take("SUBSCRIBE")
        assert subscribed.headers["destination"] == "/temp-queue/reply-n"
        stage.link.confirm(subscribed)
    asked = stage.link.take("SEND")
    assert asked.headers["reply-to"] == "/temp-queue/reply-n"
    stage.link.say(
        "MESSAGE", b"stray", subscription="/temp-queue/reply-n", message_id="1", correlation_id="other"
    )
    assert not run.done
    stage.link.say(
        "MESSAGE",
        b"!",
        subscription="/temp-queue/reply-n",
        message_id="2",
        correlation_id=asked.headers["correlation-id"],
    )
    assert run.result.body == b"!"
    assert not stage.engine.replies


def reply(stage: Stage, body: bytes, correlation: str) -> None:
    stage.link.say(
        "MESSAGE",
        body,
        subscription="/temp-queue/reply-n",
        message_id=body.decode(),
        correlation_id=correlation,
    )


def test_a_request_gets_several_replies() -> None:
    stage = Stage(nonce="n")
    stage.connect(server="RabbitMQ/3.10.8")
    run = stage.run(
        request_reply.request_many_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + 30, 2)
    )
    correlation = stage.link.take("SEND").headers["correlation-id"]
    reply(stage, b"1", correlation)
    assert not run.done
    reply(stage, b"2", correlation)
    assert [message.body for message in run.result] == [b"1", b"2"]
    reply(stage, b"late", correlation)
    assert stage.engine.stats().unmatched == 1


def test_a_request_for_several_replies_returns_those_that_are_in_time() -> None:
    stage = Stage(nonce="n")
    stage.connect(server="RabbitMQ/3.10.8")
    run = stage.run(
        request_reply.request_many_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + 5, 3)
    )
    reply(stage, b"1", stage.link.take("SEND").headers["correlation-id"])
    stage.advance(5)
    assert [message.body for message in run.result] == [b"1"]


def test_request_without_reply_times_out(stage: Stage) -> None:
    run = stage.run(request_reply.request_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + 5))
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.advance(5)
    with pytest.raises(ReplyMissing, match="no reply to the request"):
        assert run.result
    assert not stage.engine.replies


def test_request_of_a_lost_connection_fails(stage: Stage) -> None:
    run = stage.run(request_reply.request_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + 30))
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.link.hang_up()
    with pytest.raises(OutcomeUnknown):
        assert run.result


def test_missing_reply_says_what_to_check(stage: Stage) -> None:
    run = stage.run(request_reply.request_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + 5))
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.advance(5)
    with pytest.raises(ReplyMissing, match=f"no reply to the request to {A} in time") as caught:
        assert run.result
    assert caught.value.hint == "check that a service is subscribed to it"


def test_requests_share_one_queue_for_replies() -> None:
    stage = Stage(nonce="mine")
    stage.connect()
    runs = [
        stage.run(request_reply.request_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + 30))
        for _ in "12"
    ]
    subscribed = stage.link.take("SUBSCRIBE")
    assert subscribed.headers["destination"] == "/temp-queue/reply-mine"
    assert not stage.link.sent  # the second one waits for the queue, too
    stage.link.confirm(subscribed)
    asked = [stage.link.take("SEND") for _ in runs]
    assert [frame.headers["reply-to"] for frame in asked] == ["/temp-queue/reply-mine"] * 2
    assert len({frame.headers["correlation-id"] for frame in asked}) == 2


@pytest.mark.parametrize("confirm", [False, True])
def test_a_reply_may_be_confirmed(stage: Stage, confirm: bool) -> None:
    outgoing = OutgoingMessage(A, b"!")
    run = stage.run(request_reply.reply_gen(stage.engine, outgoing, stage.clock() + 30, confirm=confirm))
    frame = stage.link.take("SEND")
    assert frame.body == b"!"
    assert run.done is not confirm
    if confirm:
        stage.link.confirm(frame)
    assert run.result is None


def test_second_request_waits_for_the_queue_until_its_own_deadline(stage: Stage) -> None:
    first, second = (
        stage.run(request_reply.request_gen(stage.engine, OutgoingMessage(A, b"?"), stage.clock() + seconds))
        for seconds in (30, 5)
    )
    stage.advance(4.9)
    assert not second.done
    stage.advance(0.1)
    assert isinstance(second.error, ReplyMissing)
    assert not first.done


def test_broker_without_temporary_queues_says_what_to_do() -> None:
    stage = Stage()
    stage.connect(server="HornetQ/2.4.9")
    with pytest.raises(Unsupported, match="HornetQ has no temporary queues: its queues must exist") as caught:
        stage.do(request_reply.request_gen(stage.engine, OutgoingMessage(A, b"?"), 30))
    assert caught.value.hint == "subscribe to a queue for replies, and send with headers={'reply-to': QUEUE}"
    assert not stage.link.sent
