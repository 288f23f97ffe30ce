from __future__ import annotations

import pytest

from stomp.core.engine import request_reply
from stomp.core.engine.send import OutgoingMessage
from stomp.core.errors import (
    OutcomeUnknown,
    ReplyMissing,
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
