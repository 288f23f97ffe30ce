"""The client without I/O, over all of its connections.

`stomp.core.session.base` is one connection. `ClientEngine` is the state that survives a reconnect:
subscriptions and their queued messages, unanswered requests, and the failed connection attempts. The
operations in `stomp.core.engine.send` and `stomp.core.engine.lifecycle` use it. A driver passes the events
of the current link to `take`, and then runs the callbacks that `calls` returns.

Rules of this file: nothing here waits. Only one step at a time changes the engine: `stomp.Client` holds a
lock, `stomp.AsyncClient` runs all steps on one event loop. User code is never called from here: the engine
returns it, and the driver calls it without holding a lock.
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

_CONNECTED = ClientState.CONNECTED  # looking up a member of an enumeration takes 0.1 us
#: While an answer is awaited, reading goes on up to this multiple of the high-water mark.
_STRETCH = 4


class ClientEngine:
    """The state of a client over all of its connections. See the module for how a driver uses it.

    Args:
        terms: the configuration of the client.
        log: receives log lines. Its methods that write are called without a lock; only `has_info` and
            `has_counts` are read under it.
        owner: the client object that this engine belongs to; `stomp.core.engine.message.owner_of` returns it.

    Attributes:
        state: the state of the client.
        era: the current connection; None if there is none.
        life: a signal that fires when `state` or `era` changes.
        ledger: receipts, transactions, active subscriptions and unacknowledged messages, shared with the
            sessions.
        feeds: the subscriptions, by id.
        waiting: the unanswered requests.
        progress: a signal that fires when an answer arrived, when a message was settled during a drain, and
            when the connection was lost. `close` and `drain` wait for it.
        replies: the unanswered requests of `request_reply.ask`, by correlation id.
        redelivery: failed messages that are given back to the broker by the end of the connection.
        recorder: the last frames, for error reports.
        error: why the client failed, or why the last connection or attempt to connect ended.
        paused: the queued messages and callbacks take more than `ClientConfig.high_water`, so reading should
            stop.
        resumed: a signal that fires when reading may go on.
        leaving: close was called.
        closed_cleanly: the last `close` found no open request, and the broker confirmed DISCONNECT.
        losses: the failed attempts and short connections since the last stable connection.
        run_number: counts the calls of connect and close. An operation that connects must stop when it has
            changed.
        draining: messages that would have to be acknowledged are not delivered to the program any more.
        needs_reconnect: the connection was lost. The driver runs `stomp.core.engine.lifecycle.reconnect`, and
            sets this to False.
        callback_waits: a callback of the user waits for the broker. Queued callbacks then do not pause
            reading, because the answer has to be read.
        observers: callbacks of the user for state changes.
        logs: queues of state changes, for `receive.next_change`.
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
        self.reply_to: dict[str, str] = {}  # "name": the destination of the reply queue
        self.recorder: RecentFrames = RecentFrames(terms.recorded)
        self.error: StompError | None = None  # see Attributes
        self.paused: bool = False
        self.leaving = False
        self.closed_cleanly = False
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
        # Bytes of the queued messages: the last measurement, plus what arrived, minus what was taken since.
        self._queued_bytes = 0

    # ------------------------------------------------------------------------------------- for operations

    def next_id(self) -> str:
        """Return a new id for a receipt, a subscription or a transaction, unique within this client."""
        self._ids += 1
        return str(self._ids)

    @property
    def current(self) -> BrokerConnection:
        """The connection, while the client is connected.

        Raises:
            NotConnected: the client is not connected.
        """
        era = self.era
        if era is None or self.state not in (ClientState.CONNECTED, ClientState.CLOSING):
            raise self.not_connected()
        return era

    @property
    def ready(self) -> BrokerConnection | None:
        """The connection if operations may use it now; None while there is none, or it is not restored yet."""
        return self.era if self.state is _CONNECTED else None

    def not_connected(self) -> StompError:
        """Return the error for an operation that needs a connection while there is none."""
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
        """Register a request that is about to be sent, so that its answer is matched.

        Args:
            confirmation: the request.
            era: the connection that it is sent on; by default the current one.

        Raises:
            NotConnected: no connection was given, and the client is not connected.
        """
        confirmation.generation = (era or self.current).generation
        confirmation.attempts += 1
        self.waiting.add(confirmation)
        if self.paused:
            self.maybe_resume()
        return confirmation

    def settle_request(self, receipt: str, error: StompError | None) -> None:
        """Set the outcome of a request: confirmed if `error` is None."""
        self._calls += self.waiting.settle(receipt, error)
        self._tell_of_room()

    def cancel_request(self, receipt: str) -> bool:
        """Remove a request that was not sent. Returns False if it has its outcome already."""
        found = self.waiting.take(receipt)
        self._tell_of_room()
        return found is not None

    def _tell_of_room(self) -> None:
        self.waiting.room.fire()
        self.progress.fire()

    def begin(self, record: TransactionRecord) -> None:
        """Register a transaction that is about to begin, so that a lost connection makes it void."""
        self._transactions[record.id] = record

    def end(self, record: TransactionRecord) -> None:
        """Remove a transaction that has ended."""
        self._transactions.pop(record.id, None)

    def add_feed(self, feed: ClientSubscription) -> None:
        """Register a subscription, before its SUBSCRIBE is sent.

        Raises:
            UsageError: there is a subscription with this id already.
        """
        if feed.id in self.feeds:
            raise UsageError(
                f"there is a subscription {feed.id!r} already", hint="close it first, or use another id"
            )
        self.feeds[feed.id] = feed

    def drop_feed(self, feed: ClientSubscription, error: BaseException | None = None) -> None:
        """End a subscription and remove it, so that it is not made again on the next connection."""
        if self.feeds.get(feed.id) is feed:
            del self.feeds[feed.id]
        feed.end(error)
        self.maybe_resume()

    def settled(self) -> None:
        """Note that a message was settled; `drain` waits for that."""
        if self.draining:
            self.progress.fire()

    @property
    def unsettled(self) -> int:
        """How many messages were delivered to the program and are not settled yet."""
        active = self.ledger.subscriptions
        count = sum(len(subscription.unacked) for subscription in active.values())
        for message in self._queued():
            subscription = message.subscription
            # Queued messages of an earlier connection or a closed subscription are not in the ledger any more.
            if subscription is not None and active.get(subscription.id) is subscription:
                count -= subscription.acknowledges
        return count

    def _queued(self) -> list[BaseMessage]:
        inboxes = {id(feed.inbox): feed.inbox for feed in self.feeds.values()}
        return [message for inbox in inboxes.values() for message in inbox.messages.copy()]

    def next_message(self, inbox: MessageQueue) -> BaseMessage | None:
        """Take the next deliverable message from a queue; None if there is none now. See `is_deliverable`."""
        messages = inbox.messages
        if self.draining:
            # The other messages stay in the queue: `lifecycle.drain` counts them for its report.
            for at, message in enumerate(messages.copy()):
                if self.is_deliverable(message):
                    del messages[at]
                    return message
            return None
        while messages:
            try:
                message = messages.popleft()
            except IndexError:  # another thread has taken the last one
                break
            if self.paused:
                self._queued_bytes -= len(message.body) + OVERHEAD
                # `maybe_resume` measures all queued messages: call it only when reading may well resume.
                if self._queued_bytes < self._threshold(self.terms.high_water // 2):
                    self.maybe_resume()
            if self.is_deliverable(message):
                return message
        return None

    def is_deliverable(self, message: BaseMessage) -> bool:
        """Return False for a message that needs an ACK, if it cannot be acknowledged or the client drains.

        The broker delivers such a message again, so it is not delivered to the program now.
        """
        if message.subscription is None or message.subscription.ack == "auto":
            return True
        era = self.era
        if message.era is not era or era is None or self.draining:
            return False
        # The session may be closed before the engine has processed its Closed event.
        return era.link.session.closed is None and message.subscription.id not in self.redelivery.blocked

    def maybe_resume(self) -> None:
        """Measure the queued messages, and resume reading if they take less than half of the high-water mark.

        To be called after messages were taken, and when an answer is awaited.
        """
        if self.paused and not self._over_high_water(self.terms.high_water // 2):
            self.paused = False
            self.resumed.fire()

    def _over_high_water(self, mark: int) -> bool:
        if self.leaving:
            return False  # the RECEIPT of DISCONNECT has to be read
        inboxes = {id(feed.inbox): feed.inbox for feed in self.feeds.values()}
        self._queued_bytes = sum(inbox.size for inbox in inboxes.values())
        return self._queued_bytes + self._uncalled >= self._threshold(mark)

    @property
    def _uncalled(self) -> int:
        """About how many bytes the callbacks and hooks take that were not called yet."""
        return 0 if self.callback_waits else self._called_for + OVERHEAD * len(self._calls)

    def _threshold(self, mark: int) -> int:
        # The thread that waits for an answer may be the one that takes the messages. With reading paused, the
        # answer would not be read, and neither would go on.
        return mark * _STRETCH if len(self.waiting) or self.replies else mark

    def later(self, calls: Iterable[Callable[[], object]]) -> None:
        """Add callbacks for `calls`; the driver runs them without a lock."""
        self._calls += calls

    def remark(self, text: str, *args: object) -> None:
        """Write a line to the log at INFO, from `calls`: log handlers must not run under a lock."""
        if self._log.has_info:
            self._calls.append(partial(self._log.info, text, *args))

    def warn(self, text: str, *args: object) -> None:
        """Write a line to the log at WARNING, from `calls`."""
        self._calls.append(partial(self._log.warning, text, *args))

    @property
    def has_calls(self) -> bool:
        """True if `calls` would return something."""
        return bool(self._calls)

    def calls(self) -> list[Callable[[], object]]:
        """Return and remove the pending callbacks, hooks and log lines, to be called without a lock."""
        calls = self._calls
        if calls:
            self._calls = []
            self._called_for = 0
            self.maybe_resume()
        return calls

    def attach(self, link: Link, address: Any) -> BrokerConnection:
        """Make an open link the current connection. To be called before CONNECT is sent."""
        self.era = era = BrokerConnection(link, address, self.terms.max_decompressed_size, self.owner)
        self._counted.append(link.session.counters)
        return era

    def take(self, link: Link, events: list[Event], now: float) -> None:
        """Process the events of a link. Events of a link that is not the current one are ignored.

        Args:
            link: the link.
            events: its events, in order.
            now: the time in seconds, by the clock of the driver.
        """
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
                    latest = self  # the event may have ended the subscription: look it up again
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
        if inboxes and self.draining:
            self.progress.fire()  # a message is not `unsettled` any more once it is queued
        self._queued_bytes += size + OVERHEAD * taken
        if self._queued_bytes + self._uncalled >= self.terms.high_water and not self.paused:
            self.paused = self._over_high_water(self.terms.high_water)

    def change(self, state: ClientState, reason: str, error: StompError | None = None) -> None:
        """Enter another state: log it, and schedule the state callbacks and hooks.

        Args:
            state: the new state.
            reason: why, for the log and the `StateChange`.
            error: the error that caused it, if there was one.
        """
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
        """Return the statistics over all connections so far."""
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
        """Count a send that is repeated on a new connection."""
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
            # RabbitMQ ends a subscription this way when its queue is deleted or its node is down.
            error = BrokerError(f"the broker ended the subscription: {error_text(frame)}", frame=frame)
            self.ledger.subscriptions.pop(feed.id, None)
            self.drop_feed(feed, error)
        elif era.connected:
            self.warn("the broker sent an ERROR: %s", error_text(frame))
            self._calls += self.waiting.attribute_error(error)

    def _closed(self, era: BrokerConnection, event: Closed, now: float) -> None:
        """Process the end of the current connection.

        Requests that are not sent again get the outcome "unknown", and open transactions become void.
        """
        self.era = None
        self.waiting.clear_candidates()
        lost = event.error or ConnectionLost(era.parting or event.reason.value)
        self.redelivery.clear()
        if event.reason is not Reason.CLEAN or self.waiting or self.replies:
            lost.recent = self.recorder.lines()  # otherwise this error is not reported
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
        elif self.state is ClientState.CONNECTED:  # while connecting, `lifecycle` adds it
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
        """Enter the state FAILED: the client makes no more connections until `connect` is called again."""
        self.error = error
        self.finish(ClientState.FAILED, error.message, error)

    def finish(self, state: ClientState, reason: str, error: StompError | None = None) -> None:
        """Enter a final state: settle all requests and end all subscriptions, so that no operation waits on.

        Args:
            state: CLOSED or FAILED.
            reason: why, for the log and the `StateChange`.
            error: the error that caused it; requests and subscriptions get it, too.
        """
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
