"""The operations of a client, as generators: send, receive, transactions, requests.

These generators yield effects (`stomp.core.engine.effects`), which the driver of a client performs.

Rules of this file: the outcome of a confirmed send is confirmed, refused or unknown, and nothing else. A
frame that is known not to have been sent may be sent again silently. A frame that may have been sent is
repeated only with `OnUnknown.RESEND`, and is then marked by a ``possible-duplicate`` header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.core import arguments
from stomp.core.engine.acknowledge import give_back
from stomp.core.engine.broker_connection import PendingReply
from stomp.core.engine.broker_profiles import send_headers
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import Confirmation
from stomp.core.engine.effects import Call, CloseConnection, Now, Operation, SendFrame, Wait
from stomp.core.engine.message import deflated
from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig
from stomp.core.engine.subscriptions import connected, gone, request, subscribe
from stomp.core.engine.transactions import TransactionRecord
from stomp.core.errors import (
    ConnectionLost,
    NotConnected,
    OutcomeUnknown,
    ReceiptMissing,
    ReplyMissing,
    SendStalled,
    StompError,
    TransactionVoid,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.frames.frame import bytes_of

if TYPE_CHECKING:
    from stomp.core.engine.broker_connection import BrokerConnection
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.message_queue import MessageQueue
    from stomp.core.engine.status import StateChange, StateChangeQueue
    from stomp.core.frames.frame import Frame

#: Makes the confirmation object of the client, from the receipt id, the frame (if it may be sent again) and
#: the size.
Maker = Callable[[str, "Frame | None", int], Any]


class OutgoingMessage:
    """A message to send, as passed by the user. The frame is built for the broker that it is sent to.

    Args:
        destination: the destination.
        body: the body; `str` is encoded as UTF-8.
        headers: further headers. The dictionary is not changed, and must not be changed afterwards.
        content_type: the ``content-type``.
        text: the message is to be a text message for JMS consumers.
        compress: the ``content-encoding``: "gzip" or "deflate".
        epoch_ms: the wall-clock time in milliseconds since 1970, see `broker_profiles.send_headers`.
        options: further arguments of `broker_profiles.send_headers`.

    Raises:
        UsageError: an argument is not valid.
    """

    __slots__ = (
        "body",
        "content_type",
        "destination",
        "epoch_ms",
        "headers",
        "options",
        "text",
    )

    def __init__(
        self,
        destination: str,
        body: bytes | bytearray | memoryview | str,
        *,
        headers: dict[str, Any] | None = None,
        content_type: str | None = None,
        text: bool = False,
        compress: str | None = None,
        epoch_ms: int = 0,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.destination: str = arguments.destination(destination)
        if type(body) is not bytes:
            body = body.encode() if type(body) is str else _bytes_of(body)
        if compress is not None:
            body = deflated(body, compress)
            headers = {**(headers or {}), "content-encoding": compress}
        self.headers: dict[str, Any] | None = headers
        self.body: bytes = body
        self.content_type: str | None = content_type
        self.text: bool = text
        self.epoch_ms: int = epoch_ms
        self.options: dict[str, Any] | None = options

    def frame(self, era: BrokerConnection) -> Frame:
        """Build the SEND for the broker of this connection.

        Raises:
            Unsupported: the broker does not have a feature that was asked for.
            UsageError: a number is out of range.
        """
        headers = self.headers
        if self.options:
            headers = {
                **send_headers(era.vendor, epoch_ms=self.epoch_ms, **self.options),
                **(headers or {}),
            }
        return commands.send(
            self.destination,
            self.body,
            content_type=self.content_type,
            # ActiveMQ and Artemis turn a SEND without content-length into a text message.
            content_length=not (self.text and era.vendor.text_without_content_length),
            headers=headers,
        )


def _bytes_of(body: object) -> bytes:
    data = bytes_of(body)
    if data is None:
        raise UsageError(
            f"the body is of type {type(body).__name__}",
            hint="pass bytes or str; for JSON use json.dumps(...)",
        )
    return data


def send(conv: ClientEngine, parcel: OutgoingMessage, deadline: float) -> Operation[None]:
    """Send without a receipt. Returns when the frame was passed to the connection.

    Raises:
        NotConnected: there is no connection; nothing was sent.
        ConnectionLost: the connection was lost meanwhile; the outcome is unknown.
    """
    while True:
        era = conv.ready or (yield from connected(conv, deadline))
        frame = parcel.frame(era)
        told = (yield from _run_sending_hooks_gen(conv, frame)) if conv.terms.hooks else None
        try:
            yield from _send_frame_gen(SendFrame(era.link, frame), told)
            return
        except ConnectionLost:
            raise
        except NotConnected:
            # It was not sent: the session was closed, but the engine has not processed that yet.
            yield from gone(conv, era, deadline)


def start(
    conv: ClientEngine,
    parcel: OutgoingMessage,
    make: Maker,
    deadline: float,
    *,
    patience: float | None = None,
    may_delay: bool = True,
) -> Operation[Any]:
    """Send with a receipt, without waiting for the answer.

    Wait for it with `outcome`, `confirmed` or `all_done`.

    Args:
        conv: the engine of the client.
        parcel: the message.
        make: makes the confirmation.
        deadline: until when to wait for a connection and for room in the window, and when the RECEIPT is
            overdue, in seconds on the driver's clock.
        patience: if it had to wait for a connection or for room: the seconds from then on after which the
            RECEIPT is overdue, instead of `deadline`.
        may_delay: the writer may delay the frame, see `stomp.core.engine.effects.SendFrame`.

    Returns:
        The confirmation, which will get the outcome.

    Raises:
        NotConnected: there was no connection before the deadline; nothing was sent.
        SendStalled: there was no room in the window before the deadline; nothing was sent.
    """
    terms = conv.terms
    resend = terms.on_unknown is OnUnknown.RESEND
    size = len(parcel.body) + 1
    answer_by = deadline
    while True:
        era = conv.ready
        if era is None or not conv.waiting.fits(size):
            era = yield from _room(conv, size, deadline)
            if patience is not None:
                answer_by = (yield Now()) + patience
        frame = parcel.frame(era)
        told = (yield from _run_sending_hooks_gen(conv, frame)) if terms.hooks else []
        if conv.era is not era or not conv.waiting.fits(size):
            yield from _notify_outcome(told, NotConnected("not sent yet"))
            continue
        receipt = frame.headers["receipt"] = conv.next_id()
        if resend:
            frame.headers.setdefault(era.vendor.deduplication, f"{terms.nonce}-{receipt}")
        confirmation = conv.ask(make(receipt, frame if resend else None, size), era)
        for tell in told:
            confirmation.when_done(_adapt_callback(tell))
        try:
            yield SendFrame(era.link, frame, None if resend else answer_by, may_delay)
        except SendStalled:
            pass  # the frame is queued, and is written when the broker reads again
        except ConnectionLost:
            pass  # the end of the connection sets the outcome
        except NotConnected as err:
            if not resend and conv.cancel_request(receipt):
                # It was not sent and has no outcome yet, so it can be sent again unmarked.
                yield from _notify_outcome(told, err)
                yield from gone(conv, era, deadline)
                continue
        except BaseException as err:
            if conv.cancel_request(receipt) and not isinstance(err, GeneratorExit):
                yield from _notify_outcome(told, _as_outcome(err))
            raise
        return confirmation


def _room(conv: ClientEngine, size: int, deadline: float) -> Operation[BrokerConnection]:
    """Wait until there is a connection, and room in the window for `size` bytes. Returns the connection."""
    while True:
        if not (yield Wait(conv.waiting.room, lambda: conv.waiting.fits(size), deadline)):
            raise SendStalled(
                f"{conv.waiting.sends} confirmed sends wait for the broker's answer, and no more may",
                hint="look at the broker's alarms, or raise window=",
            )
        era = yield from connected(conv, deadline)
        if conv.waiting.fits(size):
            return era


Told = list[Callable[[StompError | None], object]]


def _run_sending_hooks_gen(conv: ClientEngine, frame: Frame) -> Operation[Told]:
    """Call the `Hooks.sending` of all hooks, and return their callbacks for the outcome."""
    told: Told = []
    for hook in conv.terms.hooks:
        tell = yield Call(partial(hook.sending, frame), guarded=True)
        if tell is not None:
            told.append(tell)
    return told


def _notify_outcome(told: Told, error: StompError | None) -> Operation[None]:
    for tell in told:
        yield Call(partial(tell, error), guarded=True)


def _send_frame_gen(send: SendFrame, told: Told | None) -> Operation[None]:
    """Send a frame, and call the callbacks of the hooks with the result."""
    if not told:
        yield send
        return
    try:
        yield send
    except GeneratorExit:
        raise
    except BaseException as err:
        yield from _notify_outcome(told, _as_outcome(err))
        raise
    yield from _notify_outcome(told, None)


def _as_outcome(err: BaseException) -> StompError:
    """Return the error that the callbacks of hooks get for an exception of a send."""
    if isinstance(err, StompError):
        return err
    error = OutcomeUnknown(f"sending was ended by {type(err).__name__}")
    error.__cause__ = err
    return error


def _adapt_callback(tell: Callable[[StompError | None], object]) -> Callable[[Confirmation], object]:
    return lambda confirmation: tell(confirmation.error)


def outcome(conv: ClientEngine, confirmation: Confirmation, deadline: float | None) -> Operation[None]:
    """Wait for the outcome of a confirmed send.

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there is no answer, and there will be none.
        TimeoutError: the deadline has passed; the send is still pending, and may be waited for again.
    """
    if not (yield Wait(confirmation, confirmation.done, deadline)):
        raise TimeoutError("the broker has not answered yet")
    if confirmation.error is not None:
        raise confirmation.error


def send_confirmed(
    conv: ClientEngine, parcel: OutgoingMessage, make: Maker, deadline: float
) -> Operation[None]:
    """Send, and wait until the broker has confirmed it.

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there was no answer.
        NotConnected: there was no connection before the deadline; nothing was sent.
        SendStalled: there was no room in the window before the deadline; nothing was sent.
    """
    confirmation = yield from start(conv, parcel, make, deadline, may_delay=False)
    yield from confirmed(conv, confirmation, deadline)


def confirmed(conv: ClientEngine, confirmation: Confirmation, deadline: float) -> Operation[None]:
    """Wait until the broker has confirmed a send. At the deadline its outcome becomes "unknown".

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there was no answer.
    """
    try:
        # The session itself reports an overdue RECEIPT at the deadline, with a more detailed error. With
        # RESEND the session has no deadline.
        resend = conv.terms.on_unknown is OnUnknown.RESEND
        yield from outcome(conv, confirmation, deadline if resend else deadline + 1.0)
    except TimeoutError:
        error = ReceiptMissing(
            "the broker has not confirmed it in time, and it will not be sent again",
            receipt=confirmation.receipt,
            hint="the broker may have it or not",
        )
        conv.settle_request(confirmation.receipt, error)
        raise error from None


def reply(conv: ClientEngine, parcel: OutgoingMessage, deadline: float, *, confirm: bool) -> Operation[None]:
    """Send a reply: by `send_confirmed` if `confirm`, else by `send`."""
    if confirm:
        yield from send_confirmed(conv, parcel, Confirmation, deadline)
    else:
        yield from send(conv, parcel, deadline)


def send_all(
    conv: ClientEngine, parcels: Iterable[OutgoingMessage], make: Maker, deadline: float
) -> Operation[list[Any]]:
    """Send several messages with receipts, without waiting for one before the next.

    Returns:
        The confirmations, when all have an outcome.

    Raises:
        ReceiptMissing: not all have an outcome before the deadline.
        NotConnected: there was no connection before the deadline.
        SendStalled: there was no room in the window before the deadline.
    """
    confirmations: list[Any] = []
    # The iterable is user code and may use this client, so it is called by an effect: a step holds the lock.
    following = iter(parcels)
    while (parcel := (yield Call(partial(next, following, None)))) is not None:
        confirmation = yield from start(conv, parcel, make, deadline)
        confirmations.append(confirmation)
    yield from all_done(conv, confirmations, deadline)
    return confirmations


def all_done(conv: ClientEngine, confirmations: list[Any], deadline: float) -> Operation[None]:
    """Wait until all confirmations have an outcome.

    Raises:
        ReceiptMissing: not all have an outcome before the deadline.
    """
    # The last one first: answers mostly arrive in order, so that one wait is enough for all.
    for confirmation in reversed(confirmations):
        if not confirmation.done() and not (yield Wait(confirmation, confirmation.done, deadline)):
            late = sum(not each.done() for each in confirmations)
            raise ReceiptMissing(f"{late} of {len(confirmations)} sends were not confirmed in time")


def take(conv: ClientEngine, inbox: MessageQueue, deadline: float | None) -> Operation[BaseMessage | None]:
    """Receive the next message.

    It also ends the connection, so that the driver reconnects, when failed messages are due to be given back
    (`acknowledge.give_back`), or when a subscription is silent for longer than its `max_silence`.

    Args:
        conv: the engine of the client.
        inbox: the queue.
        deadline: until when to wait, in seconds on the driver's clock; None for no limit.

    Returns:
        None if no message arrived before the deadline, or if no more messages arrive: the subscriptions have
        ended (`MessageQueue.over`), or the client is drained.

    Raises:
        StompError: a subscription ended for this reason, and was not closed by the program.
    """
    while True:
        message = conv.next_message(inbox)
        if message is not None:
            return message
        if inbox.over or conv.draining:
            _raise_subscription_error(inbox)
            return None
        now = yield Now()
        yield from give_back(conv, now)
        watched = min((feed.silent_at for feed in inbox.feeds if feed.wish.max_silence), default=None)
        until = min(
            (moment for moment in (deadline, watched, conv.redelivery.due) if moment is not None),
            default=None,
        )
        if (yield Wait(inbox, lambda: bool(inbox.messages) or inbox.over or conv.draining, until)):
            continue
        now = yield Now()
        if watched is not None and now >= watched:
            yield from _reconnect_silent_gen(conv, inbox, now)
        elif deadline is not None and now >= deadline:
            return None


def _raise_subscription_error(inbox: MessageQueue) -> None:
    for feed in inbox.feeds:
        if feed.error is not None:
            error, feed.error = feed.error, None  # raised once
            raise error


def _reconnect_silent_gen(conv: ClientEngine, inbox: MessageQueue, now: float) -> Operation[None]:
    """End the connection if a subscription got no message for its `max_silence`.

    The broker may have lost the subscription. The driver reconnects.
    """
    for feed in inbox.feeds:
        if feed.wish.max_silence and now >= feed.silent_at and conv.era is not None:
            feed.last = now
            why = f"no message from {feed.wish.destination} for {feed.wish.max_silence:g} s"
            yield CloseConnection(conv.era.link, ConnectionLost(why))
            return
        feed.last = now


def next_change(
    conv: ClientEngine, log: StateChangeQueue, deadline: float | None
) -> Operation[StateChange | None]:
    """Wait for the next state change; None if there is none before the deadline, or the client has ended."""
    if not log.changes:
        yield Wait(log, lambda: bool(log.changes) or conv.state.over, deadline)
    return log.changes.popleft() if log.changes else None


def begin(conv: ClientEngine, deadline: float) -> Operation[TransactionRecord]:
    """Send BEGIN, and return the record of the new transaction.

    Pass it to `send_in` and `acknowledge.settle`, and end it with `commit` or `abort`.

    Raises:
        NotConnected: there was no connection before the deadline.
    """
    while True:
        era = yield from connected(conv, deadline)
        record = TransactionRecord(f"tx-{conv.next_id()}", era.generation)
        conv.begin(record)
        try:
            yield SendFrame(era.link, commands.transaction("BEGIN", record.id))
            return record
        except NotConnected:
            conv.end(record)
            yield from gone(conv, era, deadline)


def send_in(conv: ClientEngine, record: TransactionRecord, parcel: OutgoingMessage) -> Operation[None]:
    """Send as part of a transaction: the broker delivers the message once the transaction is committed.

    Raises:
        TransactionVoid: the connection was lost.
        UsageError: the transaction was committed or aborted.
    """
    record.check()
    era = conv.current
    frame = parcel.frame(era)
    frame.headers["transaction"] = record.id
    told = yield from _run_sending_hooks_gen(conv, frame)
    try:
        yield from _send_frame_gen(SendFrame(era.link, frame, may_delay=True), told)
    except NotConnected as err:
        record.state = "void"
        raise TransactionVoid(
            "the connection of this transaction was lost, and the transaction with it",
            hint="nothing of it was carried out: do it again in a new one",
        ) from err


def commit(conv: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """Send COMMIT, and wait for its RECEIPT.

    Raises:
        TransactionVoid: the connection was lost before COMMIT was sent; the broker has discarded the
            transaction.
        BrokerError: the broker refused.
        OutcomeUnknown: the connection was lost, or the deadline passed, before the broker answered.
        UsageError: the transaction was committed or aborted.
    """
    record.check()
    era = conv.current
    frame = commands.transaction("COMMIT", record.id)
    try:
        yield from request(conv, era, frame, deadline)
        record.state, era.has_progress = "committed", True
    except NotConnected as err:
        record.state = "void"
        raise TransactionVoid("the connection was lost before COMMIT: nothing was carried out") from err
    except BaseException as err:
        record.state, record.error = "void", err
        raise
    finally:
        conv.end(record)


def abort(conv: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """Send ABORT, and wait for its RECEIPT: the broker discards what was done in the transaction.

    An error is logged and not raised. Messages that were acknowledged in the transaction may be settled
    again.
    """
    if record.state != "open":
        return
    record.state = "aborted"
    conv.end(record)
    try:
        yield from request(conv, conv.current, commands.transaction("ABORT", record.id), deadline)
        record.restore()
    except StompError as err:
        # The broker aborts the transaction itself when the connection ends.
        conv.remark("the transaction could not be aborted: %s", err)


# ------------------------------------------------------------------------------------- requests


def ask(conv: ClientEngine, parcel: OutgoingMessage, deadline: float) -> Operation[BaseMessage]:
    """Send a request and wait for its reply.

    The reply is a message to the reply queue of the client, with the ``correlation-id`` of the request.

    Raises:
        ReplyMissing: no reply arrived before the deadline.
        OutcomeUnknown: the connection was lost after the request, and the temporary queue with it.
        NotConnected: there was no connection; nothing was sent.
    """
    era = yield from connected(conv, deadline)
    name = yield from _reply_queue(conv, era, deadline)
    frame = parcel.frame(era)
    correlation = frame.headers.setdefault("correlation-id", f"{conv.terms.nonce}-{conv.next_id()}")
    frame.headers.setdefault("reply-to", name)
    told = yield from _run_sending_hooks_gen(conv, frame)
    reply = conv.replies[correlation] = PendingReply()
    if conv.paused:
        conv.maybe_resume()
    try:
        yield from _send_frame_gen(SendFrame(era.link, frame), told)
        if not (yield Wait(reply, lambda: reply.done, deadline)):
            raise ReplyMissing(
                f"nobody answered the request to {parcel.destination} in time",
                hint="is somebody subscribed to it?",
            )
    finally:
        conv.replies.pop(correlation, None)
    if reply.error is not None:
        raise reply.error
    assert reply.message is not None
    return reply.message


def _reply_queue(conv: ClientEngine, era: BrokerConnection, deadline: float) -> Operation[str]:
    """Return the destination of the reply queue, a temporary queue. Subscribes to it first if needed."""
    name = conv.reply_to.get("name")
    if name is None:
        name = conv.reply_to["name"] = f"/temp-queue/reply-{conv.terms.nonce}"
    feed = conv.feeds.get(name)
    if feed is None:
        yield from subscribe(conv, ClientSubscription(name, SubscriptionConfig(name, hidden=True)), deadline)
    else:
        # It exists, or another operation is making it.
        yield Wait(feed.inbox, lambda: feed.made or feed.ended, deadline)
    return name
