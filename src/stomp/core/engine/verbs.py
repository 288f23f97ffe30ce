"""The operations of a client, as generators: send, receive, settle, transactions, requests.

These generators yield effects (`stomp.core.engine.effects`), which the driver of a client performs.

Rules of this file: a send is told to be confirmed, refused or unknown, and nothing else; what is known not to have
been sent may be sent again without a word, what may have been sent is not repeated unless the terms say so, and then
it is marked.
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
from stomp.core.engine.status import ClientState
from stomp.core.engine.subscriptions import connected, gone, request, subscribe
from stomp.core.engine.transactions import TransactionRecord
from stomp.core.errors import (
    ConnectionLost,
    NotConnected,
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

#: Their own names, for the hot ways: looking up a member of an enumeration takes 0.1 us.
_CONNECTED = ClientState.CONNECTED
_RAISE = OnUnknown.RAISE
#: Makes the confirmation of the driver: given the receipt, the frame if it may be sent again, and the size.
Maker = Callable[[str, "Frame | None", int], Any]


class OutgoingMessage:
    """A message to send, as the user gave it: the frame is made for the broker that it goes to."""

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
            body = _bytes_of(body)
        self.headers: dict[str, Any] = dict(headers) if headers else {}
        if compress is not None:
            body = deflated(body, compress)
            self.headers["content-encoding"] = compress
        self.body: bytes = body
        self.content_type: str | None = content_type
        self.text: bool = text
        self.epoch_ms: int = epoch_ms
        self.options: dict[str, Any] | None = options

    def frame(self, era: BrokerConnection) -> Frame:
        """The SEND for the broker of this connection.

        Raises:
            Unsupported: the broker cannot do what was asked for.
        """
        headers = self.headers
        if self.options:
            headers = {**send_headers(era.vendor, epoch_ms=self.epoch_ms, **self.options), **headers}
        return commands.send(
            self.destination,
            self.body,
            content_type=self.content_type,
            # ActiveMQ and Artemis make a text message of what has no content-length.
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
    """Send without asking for an answer.

    Raises:
        NotConnected: there is no connection; nothing was sent.
        ConnectionLost: the connection was lost meanwhile; the outcome is unknown.
    """
    while True:
        era = yield from connected(conv, deadline)
        frame = parcel.frame(era)
        told: Told = []
        if conv.terms.hooks:
            told = yield from _run_sending_hooks_gen(conv, frame)
        try:
            yield SendFrame(era.link, frame)
            yield from _notify_outcome(told, None)
            return
        except NotConnected as err:
            yield from _notify_outcome(told, err)
            if isinstance(err, ConnectionLost):
                raise
            # It was not sent: the connection had ended, and that had not come around yet.
            yield from gone(conv, era, deadline)


def start(
    conv: ClientEngine,
    parcel: OutgoingMessage,
    make: Maker,
    deadline: float,
    *,
    patience: float | None = None,
    patient: bool = True,
) -> Operation[Any]:
    """Send and ask for an answer: the confirmation, which will have the outcome.

    Args:
        conv: the conversation.
        parcel: what to send.
        make: makes the confirmation.
        deadline: for the connection, for room in the window, and for the broker's answer.
        patience: how many seconds the broker has for its answer after it had to be waited for the former.
        patient: the caller goes on, so that the frame may wait for company.

    Raises:
        NotConnected: there is no connection in time; nothing was sent.
        SendStalled: so many confirmations are awaited that there was no room in time; nothing was sent.
    """
    terms = conv.terms
    resend = terms.on_unknown is OnUnknown.RESEND
    size = len(parcel.body) + 1
    answer_by = deadline
    while True:
        era = conv.era
        if era is None or conv.state is not ClientState.CONNECTED or not conv.waiting.fits(size):
            era = yield from _room(conv, size, deadline)
            if patience is not None:
                answer_by = (yield Now()) + patience
        frame = parcel.frame(era)
        told: Told = []
        if terms.hooks:
            told = yield from _run_sending_hooks_gen(conv, frame)
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
            yield SendFrame(era.link, frame, None if resend else answer_by, patient)
        except SendStalled:
            pass  # it is queued, and will be written when the broker reads again
        except ConnectionLost:
            pass  # the end of the connection tells its outcome
        except NotConnected:
            if not resend and conv.cancel_request(receipt):
                # It was not sent, and nobody knows of it yet.
                yield from gone(conv, era, deadline)
                continue
        except BaseException:
            conv.cancel_request(receipt)
            raise
        return confirmation


def start_plain(conv: ClientEngine, destination: str, body: bytes, make: Maker) -> Any:
    """What `start` does before it writes, where nothing has to be waited for or told.

    Returns:
        The confirmation of a SEND with no headers of its own; None if that cannot be done.
    """
    era, terms = conv.era, conv.terms
    size = len(body) + 1
    if (
        era is None
        or conv.state is not _CONNECTED
        or not conv.waiting.fits(size)
        or terms.hooks
        or terms.on_unknown is not _RAISE
        or not destination
    ):
        return None
    return conv.ask(make(conv.next_id(), None, size), era)


def _room(conv: ClientEngine, size: int, deadline: float) -> Operation[BrokerConnection]:
    """Wait until there is a connection, and room in the window."""
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
    """Tell that a frame is to be sent; who wants to know the outcome."""
    told: Told = []
    for hook in conv.terms.hooks:
        tell = yield Call(partial(hook.sending, frame), guarded=True)
        if tell is not None:
            told.append(tell)
    return told


def _notify_outcome(told: Told, error: StompError | None) -> Operation[None]:
    for tell in told:
        yield Call(partial(tell, error), guarded=True)


def _adapt_callback(tell: Callable[[StompError | None], object]) -> Callable[[Confirmation], object]:
    return lambda confirmation: tell(confirmation.error)


def outcome(conv: ClientEngine, confirmation: Confirmation, deadline: float | None) -> Operation[None]:
    """Wait for the outcome of a confirmed send.

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there is no answer, and there will be none.
        TimeoutError: the deadline has passed; it is still waited for elsewhere.
    """
    if not (yield Wait(confirmation, confirmation.done, deadline)):
        raise TimeoutError("the broker has not answered yet")
    if confirmation.error is not None:
        raise confirmation.error


def send_confirmed(
    conv: ClientEngine, parcel: OutgoingMessage, make: Maker, deadline: float
) -> Operation[None]:
    """Send, and return when the broker has it.

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there was no answer.
        NotConnected: nothing was sent.
    """
    confirmation = yield from start(conv, parcel, make, deadline, patient=False)
    yield from confirmed(conv, confirmation, deadline)


def confirmed(conv: ClientEngine, confirmation: Confirmation, deadline: float) -> Operation[None]:
    """Return when the broker has what was sent, or the deadline has passed for good: see `send_confirmed`."""
    try:
        # The session gives up at the deadline by itself, with the better words; resends have no deadline there.
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
    """Send an answer. See `send`, and with `confirm` `send_confirmed`."""
    if confirm:
        yield from send_confirmed(conv, parcel, Confirmation, deadline)
    else:
        yield from send(conv, parcel, deadline)


def send_all(
    conv: ClientEngine, parcels: Iterable[OutgoingMessage], make: Maker, deadline: float
) -> Operation[list[Any]]:
    """Send several, confirmed, without waiting for one before the next. Returns when all have their outcome."""
    confirmations: list[Any] = []
    following = iter(parcels)  # code of the user, who may use this very client: it does not run in a step
    while (parcel := (yield Call(partial(next, following, None)))) is not None:
        confirmation = yield from start(conv, parcel, make, deadline)
        confirmations.append(confirmation)
    yield from all_done(conv, confirmations, deadline)
    return confirmations


def all_done(conv: ClientEngine, confirmations: list[Any], deadline: float) -> Operation[None]:
    """Wait until each has its outcome.

    Raises:
        ReceiptMissing: not all have one in time.
    """
    # The last one first: answers come in order mostly, so that there is one wait for all.
    for confirmation in reversed(confirmations):
        if not confirmation.done() and not (yield Wait(confirmation, confirmation.done, deadline)):
            late = sum(not each.done() for each in confirmations)
            raise ReceiptMissing(f"{late} of {len(confirmations)} sends were not confirmed in time")


def take(conv: ClientEngine, inbox: MessageQueue, deadline: float | None) -> Operation[BaseMessage | None]:
    """The next message; None if there is none in time, or if there will be none any more (`MessageQueue.over`).

    Raises:
        StompError: why a subscription ended, if it was not closed.
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
            error, feed.error = feed.error, None  # told once
            raise error


def _reconnect_silent_gen(conv: ClientEngine, inbox: MessageQueue, now: float) -> Operation[None]:
    """There was no message for longer than the user believes in: connect again, as the subscription may be dead."""
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
    """The next state change; None if there is none in time, or the client is over."""
    if not log.changes:
        yield Wait(log, lambda: bool(log.changes) or conv.state.over, deadline)
    return log.changes.popleft() if log.changes else None


def begin(conv: ClientEngine, deadline: float) -> Operation[TransactionRecord]:
    """BEGIN: the record of a new transaction."""
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
    """Send as part of a transaction: the message is there once the transaction is committed."""
    record.check()
    era = conv.current
    frame = parcel.frame(era)
    frame.headers["transaction"] = record.id
    told = yield from _run_sending_hooks_gen(conv, frame)
    try:
        yield from _in_transaction(record, era, frame)
    except TransactionVoid as err:
        yield from _notify_outcome(told, err)
        raise
    yield from _notify_outcome(told, None)


def _in_transaction(record: TransactionRecord, era: BrokerConnection, frame: Frame) -> Operation[None]:
    try:
        yield SendFrame(era.link, frame, patient=True)
    except NotConnected as err:
        record.state = "void"
        raise TransactionVoid(
            "the connection of this transaction was lost, and the transaction with it",
            hint="nothing of it was carried out: do it again in a new one",
        ) from err


def commit(conv: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """COMMIT, and wait until the broker has carried it out.

    Raises:
        TransactionVoid: the connection was lost before: nothing was carried out.
        BrokerError: the broker refused.
        OutcomeUnknown: the connection was lost, or the time was up, before the broker had answered.
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
    except BaseException:
        record.state = "void"
        raise
    finally:
        conv.end(record)


def abort(conv: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """ABORT: nothing is carried out, and what was acknowledged in it is not."""
    if record.state != "open":
        return
    record.state = "aborted"
    conv.end(record)
    try:
        yield from request(conv, conv.current, commands.transaction("ABORT", record.id), deadline)
        record.restore()
    except StompError as err:
        # The broker aborts by itself what has lost its connection.
        conv.remark("the transaction could not be aborted: %s", err)


# ------------------------------------------------------------------------------------- requests


def ask(conv: ClientEngine, parcel: OutgoingMessage, deadline: float) -> Operation[BaseMessage]:
    """Send a request and wait for its reply.

    Raises:
        ReplyMissing: nobody answered in time.
        OutcomeUnknown: the connection was lost meanwhile, and the temporary queue with it.
        NotConnected: nothing was sent.
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
        yield SendFrame(era.link, frame)
        yield from _notify_outcome(told, None)
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
    """The name of the temporary queue that replies come to; subscribed to, where that is needed."""
    name = conv.reply_to.get("name")
    if name is None:
        name = conv.reply_to["name"] = f"/temp-queue/reply-{conv.terms.nonce}"
    feed = conv.feeds.get(name)
    if feed is None:
        yield from subscribe(conv, ClientSubscription(name, SubscriptionConfig(name, hidden=True)), deadline)
    else:
        # Another thread is about to.
        yield Wait(feed.inbox, lambda: feed.made or feed.ended, deadline)
    return name
