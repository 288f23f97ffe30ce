from __future__ import annotations

from typing import Any

import pytest

from stomp.core.engine import request_reply, send, transaction_ops
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import Call, SendFrame
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.send import OutgoingMessage
from stomp.core.errors import FrameError, NotConnected, OutcomeUnknown
from tests.core.stage import Stage

A = "/queue/a"


class Outcomes(Hooks):
    """Records what the callbacks of `sending` were called with."""

    def __init__(self) -> None:
        self.outcomes: list[Any] = []

    def sending(self, frame: Any) -> Any:
        return self.outcomes.append


@pytest.mark.parametrize("operation", ["send", "start", "send_in", "ask"])
def test_the_callback_of_a_hook_gets_the_error_of_a_frame_that_cannot_be_encoded(operation: str) -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect(version="1.0")  # cannot escape a line end
    message = OutgoingMessage(A, b"x", headers={"a": "b\nc"})
    if operation == "ask":
        run = stage.run(request_reply.request_gen(stage.engine, message, 30))
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    elif operation == "send_in":
        run = stage.run(
            transaction_ops.send_in_transaction_gen(
                stage.engine, stage.do(transaction_ops.begin_gen(stage.engine, 30)), message
            )
        )
    elif operation == "start":
        run = stage.run(send.send_async_gen(stage.engine, message, BaseConfirmation, 30))
    else:
        run = stage.run(send.send_gen(stage.engine, message, 30))
    assert isinstance(run.error, FrameError)
    assert hook.outcomes == [run.error]


def test_the_callback_of_a_hook_gets_the_error_of_a_confirmed_send_that_was_not_sent() -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect()
    stage.link.session.abort(None)  # closed, and the engine has not processed that yet
    run = stage.run(send.send_async_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30))
    assert [type(error) for error in hook.outcomes] == [NotConnected]
    stage.link.pump()
    stage.reconnect()
    stage.link.confirm(stage.link.take("SEND"))
    stage.make_calls()
    assert run.result.outcome == "confirmed"
    assert hook.outcomes[1:] == [None]


def test_the_callback_of_a_hook_gets_an_unknown_outcome_when_sending_is_interrupted() -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect()
    for operation in (
        send.send_gen(stage.engine, OutgoingMessage(A, b"x"), 30),
        send.send_async_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30),
    ):
        hook.outcomes.clear()
        call = next(operation)
        assert isinstance(call, Call)
        assert isinstance(operation.send(call.function()), SendFrame)
        notified = operation.throw(KeyboardInterrupt())
        assert isinstance(notified, Call)
        notified.function()
        with pytest.raises(KeyboardInterrupt):
            next(operation)
        [error] = hook.outcomes
        assert isinstance(error, OutcomeUnknown)
        assert not len(stage.engine.pending)
