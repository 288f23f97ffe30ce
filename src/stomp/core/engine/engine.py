"""The client without I/O, over all of its connections.

`stomp.core.session.base` is one connection; `ClientEngine` is what survives a reconnect: subscriptions and their
messages, requests without an answer, transactions, the kind of broker. `stomp.core.engine.verbs` and
`stomp.core.engine.lifecycle` are written on top of it. A driver passes it the events of the current link (`take`),
and afterwards runs the callbacks that it returns (`calls`).

Rules of this file: nothing here waits; one step at a time changes it (the driver holds a lock); user code is never
called from here, it is returned to be called without a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stomp.core.diagnostics import Counters, RecentFrames
from stomp.core.engine.broker_connection import BrokerConnection, PendingReply
from stomp.core.engine.broker_profiles import profile_for_server
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import Confirmation, PendingConfirmations
from stomp.core.engine.effects import Link, Log, Signal
from stomp.core.engine.losses import Losses, exhausted, is_stable
from stomp.core.engine.message import BaseMessage
from stomp.core.engine.message_queue import OVERHEAD, ClientSubscription
from stomp.core.engine.redelivery import Redelivery
from stomp.core.engine.status import ClientState, StateChange, StateChangeQueue, Stats, is_loss
from stomp.core.errors import (
    BrokerError,
    ConnectionLost,
    NotConnected,
    OutcomeUnknown,
    ReceiptMissing,
    StompError,
    UsageError,
)
from stomp.core.session.error_frames import error_text
from stomp.core.session.events import (
    Closed,
    Connected,
    Error,
    Event,
    Reason,
    Receipt,
    ReceiptOverdue,
    Tolerated,
)
from stomp.core.session.ledger import Ledger

if TYPE_CHECKING:
    from stomp.core.engine.config import ClientConfig
    from stomp.core.engine.message_queue import MessageQueue
    from stomp.core.engine.transactions import TransactionRecord

_C = TypeVar("_C", bound=Confirmation)

#: While an answer is awaited, reading goes on up to so many times the high-water mark.
_STRETCH = 4


class ClientEngine:
    """See the module.

    Args:
        terms: what the client wants.
        log: where lines for the log go. It is called when nothing is held.
        owner: the client that this is the conversation of, for its messages.

    Attributes:
        state: how far the client has come.
        era: the current connection; None between two.
        life: fires when `state` or `era` changes.
        feeds: the subscriptions, by id.
        waiting: the requests without an answer.
        redelivery: messages that failed and are to be given back.
        settles: fires when a message was settled or an answer came: for who waits for the end of all that.
        paused: so much waits to be taken that reading should stop; `resumed` fires when it may go on.
        leaving: close was called.
        losses: the failed attempts and short connections since the last stable connection.
        lives: counts the calls of connect and close: who makes connections for an earlier one has to stop.
        draining: no more messages are handed out that would have to be acknowledged.
        needs_reconnect: the connection was lost: the driver should run `stomp.core.engine.lifecycle.reconnect`, and set
            this to False.
        callback_waits: code of the user that was handed back waits for the broker: reading must not wait for it.
    """

    def __init__(self, terms: ClientConfig, log: Log, owner: Any = None) -> None:
        self.terms = terms
        self.owner = owner
        self._log = log
        self.state: ClientState = ClientState.NEW
        self.era: BrokerConnection | None = None
        self.life: Signal = Signal()
        self.ledger: Ledger = Ledger()
        self.feeds: dict[str, ClientSubscription] = {}
        self.waiting: PendingConfirmations = PendingConfirmations(terms.window, terms.window_bytes)
        self.progress: Signal = Signal()
        self.resumed: Signal = Signal()
        self.replies: dict[str, PendingReply] = {}
        self.redelivery: Redelivery = Redelivery(terms.backoff)
        self.reply_to: dict[str, str] = {}  # what stands for "here" in reply-to, by kind of broker
        self.recorder: RecentFrames = RecentFrames(terms.recorded)
        self.error: StompError | None = None  # why the client failed, or what ended the last try
        self.paused: bool = False
        self.leaving = False
        self.losses: Losses = Losses(terms.max_losses)
        self.run_number = 0
        self.draining = False
        self.needs_reconnect: bool = False
        self.callback_waits: bool = False
        self.observers: list[Callable[[StateChange], object]] = []
        self.logs: list[StateChangeQueue] = []
        self._transactions: dict[str, TransactionRecord] = {}
        self._calls: list[Callable[[], object]] = []
        self._called_for = 0  # bytes of the messages in `_calls`
        self._counted: list[Counters] = []
        self._messages = self._strays = self._resent = self._errors = 0
        self._ids = 0
        self._queued_bytes = (
            0  # bytes of what waits when it was last measured, and of what came or was taken since
        )

    # ------------------------------------------------------------------------------------- for verbs

    def next_id(self) -> str:
        """A name for a receipt, a subscription or a transaction that this client has not used yet."""
        self._ids += 1
        return str(self._ids)

    @property
    def current(self) -> BrokerConnection:
        """The connection, while the client is connected.

        Raises:
            NotConnected: it is not.
        """
        era = self.era
        if era is None or self.state not in (ClientState.CONNECTED, ClientState.CLOSING):
            raise self.not_connected()
        return era

    def not_connected(self) -> StompError:
        """The error for a verb that needs a connection where there is none."""
        if self.state is ClientState.NEW:
            return NotConnected(
                "the client is not connected", hint="call connect, or use it in a with statement"
            )
        if self.state is ClientState.FAILED and self.error is not None:
            return self._with_cause(
                NotConnected(f"the client has failed: {self.error.message}", hint=self.error.hint)
            )
        if self.state.over or self.leaving:
            return NotConnected("the client was closed", hint="call connect again, or make a new one")
        why = f"; {self.error.message}" if self.error is not None else ""
        return self._with_cause(NotConnected(f"the client is {self.state.value}{why}"))

    def _with_cause(self, error: StompError) -> StompError:
        error.__cause__ = self.error
        error.recent = self.recorder.lines()
        return error

    def ask(self, confirmation: _C, era: BrokerConnection | None = None) -> _C:
        """A request is about to be sent over the current link: wait for its answer."""
        confirmation.generation = (era or self.current).generation
        confirmation.attempts += 1
        self.waiting.add(confirmation)
        if self.paused:
            self.maybe_resume()
        return confirmation

    def settle_request(self, receipt: str, error: StompError | None) -> None:
        """A request has its outcome."""
        self._calls += self.waiting.settle(receipt, error)
        self._tell_of_room()

    def cancel_request(self, receipt: str) -> bool:
        """A request was not sent after all. False if it has its outcome already."""
        found = self.waiting.take(receipt)
        self._tell_of_room()
        return found is not None

    def _tell_of_room(self) -> None:
        self.waiting.room.fire()
        self.progress.fire()

    def begin(self, record: TransactionRecord) -> None:
        """A transaction was begun."""
        self._transactions[record.id] = record

    def end(self, record: TransactionRecord) -> None:
        """A transaction was ended."""
        self._transactions.pop(record.id, None)

    def add_feed(self, feed: ClientSubscription) -> None:
        """A subscription is about to be made.

        Raises:
            UsageError: there is one of that id.
        """
        if feed.id in self.feeds:
            raise UsageError(
                f"there is a subscription {feed.id!r} already", hint="close it first, or use another id"
            )
        self.feeds[feed.id] = feed

    def drop_feed(self, feed: ClientSubscription, error: BaseException | None = None) -> None:
        """A subscription is over."""
        if self.feeds.get(feed.id) is feed:
            del self.feeds[feed.id]
        feed.end(error)
        self.maybe_resume()

    def settled(self) -> None:
        """A message was settled."""
        if self.draining:
            self.progress.fire()

    @property
    def unsettled(self) -> int:
        """How many messages were handed out and not settled yet."""
        owed = sum(len(subscription.unacked) for subscription in self.ledger.subscriptions.values())
        return owed - sum(
            1
            for message in self._queued()
            # The broker delivers those of an earlier connection again: the ledger has forgotten them.
            if message.era.generation == self.ledger.generation
            and message.subscription is not None
            and message.subscription.ack != "auto"
        )

    def _queued(self) -> list[BaseMessage]:
        inboxes = {id(feed.inbox): feed.inbox for feed in self.feeds.values()}
        return [message for inbox in inboxes.values() for message in inbox.messages.copy()]

    def next_message(self, inbox: MessageQueue) -> BaseMessage | None:
        """Take the next message that may still be handled; None if there is none now."""
        messages = inbox.messages
        if self.draining:
            # The others stay: they are what is left when all is done.
            for at, message in enumerate(messages.copy()):
                if self.is_deliverable(message):
                    del messages[at]
                    return message
            return None
        while messages:
            try:
                message = messages.popleft()
            except IndexError:  # another thread was faster
                break
            if self.paused:
                self._queued_bytes -= len(message.body) + OVERHEAD
                # Measuring is worth it only when there is hope: it looks at all that waits.
                if self._queued_bytes < self._threshold(self.terms.high_water // 2):
                    self.maybe_resume()
            if self.is_deliverable(message):
                return message
        return None

    def is_deliverable(self, message: BaseMessage) -> bool:
        """False for what has to be acknowledged and cannot be: the broker delivers it again."""
        if message.subscription is None or message.subscription.ack == "auto":
            return True
        era = self.era
        if message.era is not era or era is None or self.draining:
            return False
        # The session knows of its end before the conversation does.
        return era.link.session.closed is None and message.subscription.id not in self.redelivery.blocked

    def maybe_resume(self) -> None:
        """Messages were taken, or an answer is awaited: find out whether reading may go on."""
        if self.paused and not self._over_high_water(self.terms.high_water // 2):
            self.paused = False
            self.resumed.fire()

    def _over_high_water(self, mark: int) -> bool:
        if self.leaving:
            return False  # the broker's good-bye has to be read
        inboxes = {id(feed.inbox): feed.inbox for feed in self.feeds.values()}
        self._queued_bytes = sum(inbox.size for inbox in inboxes.values())
        return self._queued_bytes + self._uncalled >= self._threshold(mark)

    @property
    def _uncalled(self) -> int:
        """About how many bytes wait for callbacks and hooks to be called."""
        return 0 if self.callback_waits else self._called_for + OVERHEAD * len(self._calls)

    def _threshold(self, mark: int) -> int:
        # Whoever waits for an answer may be the one who should take the messages.
        return mark * _STRETCH if len(self.waiting) or self.replies else mark

    def later(self, calls: Iterable[Callable[[], object]]) -> None:
        """Have these called when nothing is held."""
        self._calls += calls

    def remark(self, text: str, *args: object) -> None:
        """Have a line written to the log, at INFO, when nothing is held: handlers of logs are code of the user."""
        if self._log.has_info:
            self._calls.append(partial(self._log.info, text, *args))

    def warn(self, text: str, *args: object) -> None:
        """The same at WARNING."""
        self._calls.append(partial(self._log.warning, text, *args))

    @property
    def has_calls(self) -> bool:
        """True when `calls` has something."""
        return bool(self._calls)

    def calls(self) -> list[Callable[[], object]]:
        """What is to be called now that nothing is held: callbacks and hooks of the user, and lines for the log."""
        calls = self._calls
        if calls:
            self._calls = []
            self._called_for = 0
            self.maybe_resume()
        return calls

    def attach(self, link: Link, address: Any) -> BrokerConnection:
        """A new link is open; CONNECT was not sent yet."""
        self.era = era = BrokerConnection(link, address, self.terms.max_decompressed_size, self.owner)
        self._counted.append(link.session.counters)
        return era

    def take(self, link: Link, events: list[Event], now: float) -> None:
        """What happened on a link. What an old link has to say is not heard."""
        era = self.era
        if era is None or link is not era.link:
            return
        unmatched = taken = size = 0
        answered = False
        inboxes: list[MessageQueue] = []
        latest: object = self
        feed: ClientSubscription | None = None
        append: Callable[[BaseMessage], object] | None = None
        for event in events:
            if not isinstance(event, BaseMessage):
                if type(event) is Receipt:
                    if event.ticket is not None:
                        self._calls += self.waiting.settle(event.ticket.receipt, None)
                        answered = True
                else:
                    self._process_control_event(era, event, now)
                    latest = self  # its feed may be gone
                continue
            subscription = event.subscription
            if subscription is not latest or subscription is None:
                latest, append = subscription, None
                id = subscription.id if subscription is not None else event.headers.get("subscription", "")
                feed = self.feeds.get(id)
                if feed is not None:
                    feed.last = now
                    if not feed.acknowledges:
                        era.has_progress = True
                    if not feed.wish.hidden:
                        inboxes.append(feed.inbox)
                        append = feed.inbox.messages.append
            event.era = era
            if append is not None:
                append(event)
                taken += 1
                size += len(event.body)
                if self.terms.hooks:
                    self._calls += [partial(hook.received, event) for hook in self.terms.hooks]
                    self._called_for += len(event.body)
            elif feed is None:
                unmatched += 1
            else:
                self._take_reply(event)
        self._strays += unmatched
        self._messages += taken
        self.recorder.note_all("<", events)
        if answered:
            self._tell_of_room()
        for inbox in inboxes:
            inbox.fire()
        self._queued_bytes += size + OVERHEAD * taken
        if self._queued_bytes + self._uncalled >= self.terms.high_water and not self.paused:
            self.paused = self._over_high_water(self.terms.high_water)

    def change(self, state: ClientState, reason: str, error: StompError | None = None) -> None:
        """Come into another state, and have those told who want to know."""
        before, self.state = self.state, state
        (self.warn if is_loss(before, state) else self.remark)("%s: %s", state.value, reason)
        if self.observers or self.logs or self.terms.hooks:
            self._tell_of_change(before, reason, error)
        self.life.fire()

    def _tell_of_change(self, before: ClientState, reason: str, error: StompError | None) -> None:
        state, era = self.state, self.era
        change = StateChange(
            state,
            before,
            reason,
            error,
            str(era.address) if era is not None else "",
            self.ledger.generation,
            era.vendor.name if era is not None and era.connected else "",
        )
        self._calls += [partial(observer, change) for observer in self.observers]
        for state_log in self.logs:
            state_log.note(change)
        self._calls += [partial(hook.state_changed, change) for hook in self.terms.hooks]

    def stats(self) -> Stats:
        """What was done so far."""
        total = Counters.total(self._counted)
        waiting = self.waiting
        return Stats(
            connections=len(self._counted),
            **{name: getattr(total, name) for name in Counters.__slots__},
            messages=self._messages,
            unmatched=self._strays,
            queued=len(self._queued()),
            confirmed=waiting.confirmed,
            refused=waiting.refused,
            unknown=waiting.unknown,
            resent=self._resent,
            in_flight=waiting.sends,
            errors=self._errors,
        )

    def count_resent(self) -> None:
        """A send is repeated."""
        self._resent += 1

    def _take_reply(self, message: BaseMessage) -> None:
        reply = self.replies.pop(message.headers.get("correlation-id", ""), None)
        if reply is None:
            self._strays += 1
            return
        reply.message = message
        reply.fire()

    def _process_control_event(self, era: BrokerConnection, event: Event, now: float) -> None:
        if isinstance(event, ReceiptOverdue):
            self._overdue(event)
        elif isinstance(event, Error):
            self._refused(era, event)
        elif isinstance(event, Connected):
            era.connected, era.since, era.confirmed_before = True, now, self.waiting.confirmed
            era.vendor = self.terms.vendor or profile_for_server(event.frame.headers.get("server"))
            self.life.fire()
        elif isinstance(event, Closed):
            self._closed(era, event, now)
        elif isinstance(event, Tolerated):
            self.warn("from %s: %s", era.address, event.text)

    def _overdue(self, event: ReceiptOverdue) -> None:
        ticket = event.ticket
        suspect = self.waiting.candidate_error(ticket.receipt)
        said = f"; its last ERROR said: {suspect.message}" if suspect is not None else ""
        error = ReceiptMissing(
            f"the broker did not answer {ticket.command} in time{said}", receipt=ticket.receipt
        )
        self.settle_request(ticket.receipt, error)

    def _refused(self, era: BrokerConnection, event: Error) -> None:
        frame = event.frame
        self._errors += 1
        self._calls += [partial(hook.error, frame) for hook in self.terms.hooks]
        error = BrokerError(f"the broker refused: {error_text(frame)}", frame=frame)
        feed = self.feeds.get(frame.headers.get("subscription", ""))
        if event.ticket is not None:
            self.settle_request(event.ticket.receipt, error)
        elif feed is not None:
            # RabbitMQ ends a subscription so when its queue is deleted or its node is gone.
            error = BrokerError(f"the broker ended the subscription: {error_text(frame)}", frame=frame)
            self.ledger.subscriptions.pop(feed.id, None)
            self.drop_feed(feed, error)
        elif era.connected:
            self.warn("the broker sent an ERROR: %s", error_text(frame))
            self._calls += self.waiting.attribute_error(error)

    def _closed(self, era: BrokerConnection, event: Closed, now: float) -> None:
        """The current connection is over."""
        self.era = None
        self.waiting.clear_candidates()
        lost = event.error or ConnectionLost(era.parting or event.reason.value)
        self.redelivery.clear()
        if event.reason is not Reason.CLEAN or self.waiting or self.replies:
            lost.recent = self.recorder.lines()  # else nobody gets to see this error
        if era.connected and not (self.leaving or era.parting):
            self._count_loss(era, lost, now)
        resend = self.terms.on_unknown is OnUnknown.RESEND and not self.leaving
        for request in self.waiting.all():
            if not (resend and request.frame is not None):
                self.settle_request(request.receipt, self._unknown(lost))
        for record in self._transactions.values():
            record.state = "void"
        self._transactions.clear()
        for reply in self.replies.values():
            reply.error = self._unknown(lost)
            reply.fire()
        self.replies.clear()
        self.error = lost if event.reason is not Reason.CLEAN else None
        if self.state is ClientState.CONNECTED:
            if not self.terms.reconnect:
                self.fail(lost)
            else:
                self.needs_reconnect = True
                self.change(ClientState.RECONNECTING, lost.message, lost)
        self.paused = False
        self.resumed.fire()
        self.progress.fire()
        self.life.fire()

    def _count_loss(self, era: BrokerConnection, lost: StompError, now: float) -> None:
        stable = is_stable(era, self.waiting.confirmed, now)
        if stable:
            self.losses.reset()
        elif self.state is ClientState.CONNECTED:  # if not, `life` is about to add it
            self.losses.add_failure(lost)
        feeds, requests = list(self.feeds.values()), self.waiting.all()
        request = self.losses.add_loss(era, feeds, requests, stable=stable, now=now)
        if request is None:
            return
        error = exhausted(request, lost, self.terms.max_losses)
        if isinstance(request, ClientSubscription):
            self.drop_feed(request, error)
        self.warn("%s", error.message)
        self.settle_request(request.receipt, error)

    def _unknown(self, lost: StompError) -> OutcomeUnknown:
        error = OutcomeUnknown(
            f"the connection was lost before the broker had answered: {lost.message}",
            hint="the broker may have it or not",
        )
        error.__cause__ = lost
        error.recent = lost.recent
        return error

    def fail(self, error: StompError) -> None:
        """Give up: there will be no connection any more."""
        self.error = error
        self.finish(ClientState.FAILED, error.message, error)

    def finish(self, state: ClientState, reason: str, error: StompError | None = None) -> None:
        """The client is over: everybody who waits is told."""
        for request in self.waiting.all():
            self.settle_request(
                request.receipt, self._unknown(error or NotConnected("the client was closed"))
            )
        for feed in list(self.feeds.values()):
            self.drop_feed(feed, error)
        self.ledger.subscriptions.clear()
        self.reply_to.clear()
        self.change(state, reason, error)
        if self._log.has_counts:
            self._calls.append(self._log.flush)
