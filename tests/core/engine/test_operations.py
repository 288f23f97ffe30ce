"""What all operations that send have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stomp.core.engine import request_reply, send, subscriptions, transaction_ops
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig
from stomp.core.engine.send import OutgoingMessage
from stomp.core.errors import NotConnected
from stomp.core.frames.frame import Frame
from tests.core.stage import Stage

A = "/queue/a"
Starter = Callable[[Stage, OutgoingMessage, float], Any]


def subscribe(stage: Stage, outgoing: OutgoingMessage, deadline: float, *, confirm: bool = True) -> Any:
    config = SubscriptionConfig(outgoing.destination, confirm=confirm)
    return subscriptions.subscribe_gen(stage.engine, ClientSubscription("s", config), deadline)


#: By name: the operation for a message, a client and a deadline.
SENDERS: dict[str, Starter] = {
    "send": lambda stage, outgoing, deadline: send.send_gen(stage.engine, outgoing, deadline),
    "send confirmed": lambda stage, outgoing, deadline: send.send_confirmed_gen(
        stage.engine, outgoing, BaseConfirmation, deadline
    ),
    "reply": lambda stage, outgoing, deadline: request_reply.reply_gen(
        stage.engine, outgoing, deadline, confirm=False
    ),
    "request": lambda stage, outgoing, deadline: request_reply.request_gen(stage.engine, outgoing, deadline),
}
OTHERS: dict[str, Starter] = {
    "begin": lambda stage, outgoing, deadline: transaction_ops.begin_gen(stage.engine, deadline),
    "subscribe": subscribe,
    "subscribe unconfirmed": lambda *args: subscribe(*args, confirm=False),
}
OPERATIONS = SENDERS | OTHERS
each_operation = pytest.mark.parametrize("start", OPERATIONS.values(), ids=OPERATIONS)
#: Without those that fail at once if their frame was not sent.
WAITING = {name: start for name, start in OPERATIONS.items() if name != "request"}
each_waiting_operation = pytest.mark.parametrize("start", WAITING.values(), ids=WAITING)


@each_operation
def test_waiting_for_a_connection_ends_at_the_deadline(start: Starter) -> None:
    stage = Stage()
    stage.connect()
    stage.link.hang_up()
    run = stage.run(start(stage, OutgoingMessage(A, b"x"), stage.clock() + 5))
    stage.advance(4.9)
    assert not run.done
    stage.advance(0.1)
    with pytest.raises(NotConnected, match="reconnecting"):
        assert run.result


@each_waiting_operation
def test_waiting_for_the_end_of_a_connection_ends_at_the_deadline(start: Starter) -> None:
    """The session has ended, and the engine does not learn of it."""
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    stage.link.session.receive_eof()
    stage.link.pump = lambda: None  # type: ignore[method-assign]
    run = stage.run(start(stage, OutgoingMessage(A, b"x"), stage.clock() + 5))
    assert not run.done
    stage.clock.advance(5)
    stage.go_on()
    assert isinstance(run.error, NotConnected)


@each_operation
def test_waiting_for_the_end_of_a_connection_ends_with_the_client(start: Starter) -> None:
    stage = Stage(reconnect=False)
    stage.connect(server="RabbitMQ/3.10.8")
    link = stage.link
    link.session.receive_eof()
    run = stage.run(start(stage, OutgoingMessage(A, b"x"), stage.clock() + 60))
    link.pump()
    stage.go_on()
    assert isinstance(run.error, NotConnected)


class Tracing(Hooks):
    """Adds a header, and records outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[object] = []

    def sending(self, frame: Frame) -> Callable[[object], object]:
        frame.headers["traced"] = "yes"
        return self.outcomes.append


def sent(stage: Stage, start: Starter, outgoing: OutgoingMessage) -> Frame:
    stage.run(start(stage, outgoing, stage.clock() + 30))
    if stage.link.sent[0].command == "SUBSCRIBE":
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    return stage.link.take("SEND")


def send_in_transaction(stage: Stage, outgoing: OutgoingMessage, deadline: float) -> Any:
    record = stage.do(transaction_ops.begin_gen(stage.engine, deadline))
    stage.link.take("BEGIN")
    return transaction_ops.send_in_transaction_gen(stage.engine, record, outgoing)


each_send = pytest.mark.parametrize(
    "start", [*SENDERS.values(), send_in_transaction], ids=[*SENDERS, "send in transaction"]
)


@each_send
def test_hooks_may_add_headers_to_each_send(start: Starter) -> None:
    stage = Stage(hooks=(Tracing(),))
    stage.connect()
    assert sent(stage, start, OutgoingMessage(A, b"x")).headers["traced"] == "yes"


@each_send
def test_each_send_is_built_for_the_broker(start: Starter) -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    options = {"ttl": 1.0}
    text = sent(stage, start, OutgoingMessage(A, b"x", text=True, options=options)).headers
    assert "content-length" not in text
    assert text["expires"] == "1000"


@each_send
def test_a_message_is_not_text_for_jms_by_default(start: Starter) -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    assert sent(stage, start, OutgoingMessage(A, b"x")).headers["content-length"] == "1"


@pytest.mark.parametrize("start", [SENDERS["send"], SENDERS["request"], send_in_transaction])
def test_hooks_are_told_that_an_unconfirmed_frame_was_sent(start: Starter) -> None:
    hook = Tracing()
    stage = Stage(hooks=(hook,))
    stage.connect()
    sent(stage, start, OutgoingMessage(A, b"x"))
    assert hook.outcomes == [None]


class Failing(Hooks):
    """Its methods raise."""

    def sending(self, frame: Frame) -> Callable[[object], object]:
        if "fail" in frame.headers:
            raise ValueError("in sending")
        return self.fail

    def fail(self, error: object) -> None:
        raise ValueError("in the callback")


@each_send
@pytest.mark.parametrize("headers", [{"fail": "1"}, {}], ids=["sending", "callback"])
def test_a_failing_hook_does_not_prevent_a_send(start: Starter, headers: dict[str, str]) -> None:
    stage = Stage(hooks=(Failing(),))
    stage.connect()
    assert sent(stage, start, OutgoingMessage(A, b"x", headers=headers)).body == b"x"
