"""The client without I/O, over all of its connections.

`stomp.core.session.base` is one connection. `ClientEngine` is the state that survives a reconnect:
subscriptions and their queued messages, unanswered requests, and the failed connection attempts. The
operations in `stomp.core.engine.send` and `stomp.core.engine.lifecycle` use it. A driver passes the events
of the current link to `process_events`, and then runs the callbacks that `pop_callbacks` returns.

Rules of this file: nothing here waits. Only one step at a time changes the engine: `stomp.Client` holds a
lock, `stomp.AsyncClient` runs all steps on one event loop. User code is never called from here: the engine
returns it, and the driver calls it without holding a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stomp.core.diagnostics import Counters, RecentFrames
from stomp.core.engine.broker_connection import BrokerConnection
from stomp.core.engine.broker_profiles import profile_for_server
from stomp.core.engine.confirmations import BaseConfirmation, PendingConfirmations
from stomp.core.engine.effects import ClientLink, Log, Signal
from stomp.core.engine.losses import Losses, exhausted, is_stable
from stomp.core.engine.message import BaseMessage
from stomp.core.engine.message_queue import OVERHEAD, ClientSubscription
from stomp.core.engine.pending_reply import PendingReply
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
    from stomp.core.session.ledger import ActiveSubscription

_C = TypeVar("_C", bound=BaseConfirmation)

_CONNECTED = ClientState.CONNECTED  # looking up a member of an enumeration takes 0.1 us
#: While an answer is awaited, reading goes on up to this multiple of the high-water mark.
_STRETCH = 4


class ClientEngine:
    """The state of a client over all of its connections. See the module for how a driver uses it.

    Args:
        config: the configuration of the client.
        log: receives log lines. Its methods that write are called without a lock; only `has_info` and
            `has_counts` are read under it.
        owner: the client object that this engine belongs to; `stomp.core.engine.message.owner_of` returns it.

    Attributes:
        state: the state of the client.
        connection: the current connection; None if there is none.
        state_changed: a signal for when `state` or `connection` changes.
        ledger: receipts, transactions, active subscriptions and unacknowledged messages, shared with the
            sessions.
        subscriptions: the subscriptions, by id.
        pending: the unanswered requests.
        progress: a signal for when an answer arrived, when a message was settled during a drain, and
            when the connection was lost. `close` and `drain` wait for it.
        replies: the requests of `request_reply.request_many_gen` that wait for replies, by correlation id.
        redelivery: failed messages that are given back to the broker by the end of the connection.
        recorder: the last frames, for error reports.
        error: why the client failed, or why the last connection or attempt to connect ended.
        reading_paused: the queued messages and callbacks take more than `ClientConfig.high_water`, so reading should
            stop.
        resumed: a signal for when reading may go on.
        closing: close was called.
        closed_cleanly: the last `close` found no open request, and the broker confirmed DISCONNECT.
        losses: the failed attempts and short connections since the last stable connection.
        run_number: counts the calls of connect and close. An operation that connects must stop when it has
            changed.
        draining: messages that would have to be acknowledged are not delivered to the program any more.
        needs_reconnect: the connection was lost. The driver runs `stomp.core.engine.lifecycle.reconnect_gen`, and
            sets this to False.
        callback_waits: a callback of the user waits for the broker. Queued callbacks then do not pause
            reading, because the answer has to be read.
        callbacks: the callbacks, hooks and log lines that `pop_callbacks` returns. Drivers only look whether there are
            any: an attribute, because they look at each step.
        observers: callbacks of the user for state changes.
        logs: queues of state changes, for `receive.next_state_change_gen`.
    """

    def __init__(self, config: ClientConfig, log: Log, owner: object = None) -> None:
        self.config = config
        self.owner = owner
        self._logger = log
        self.state: ClientState = ClientState.NEW
        self.connection: BrokerConnection | None = None
        self.state_changed: Signal = Signal()
        self.ledger: Ledger = Ledger()
        self.subscriptions: dict[str, ClientSubscription] = {}
        self.pending: PendingConfirmations = PendingConfirmations(config.window, config.window_bytes)
        self.progress: Signal = Signal()
        self.resumed: Signal = Signal()
        self.replies: dict[str, PendingReply] = {}
        self.redelivery: Redelivery = Redelivery(config.backoff)
        self.recorder: RecentFrames = RecentFrames(config.recorded)
        self.error: StompError | None = None  # see Attributes
        self.reading_paused: bool = False
        self.closing = False
        self.closed_cleanly = False
        self.losses: Losses = Losses(config.max_losses)
        self.run_number = 0
        self.draining = False
        self.needs_reconnect: bool = False
        self.callback_waits: bool = False
        self.observers: list[Callable[[StateChange], object]] = []
        self.logs: list[StateChangeQueue] = []
        self._transactions: dict[str, TransactionRecord] = {}
        self.callbacks: list[Callable[[], object]] = []
        self._callback_bytes = 0  # bytes of the messages in `callbacks`
        self._counted: list[Counters] = []
        self._messages = self._unmatched = self._resent = self._errors = 0
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
        connection = self.connection
        if connection is None or self.state not in (ClientState.CONNECTED, ClientState.CLOSING):
            raise self.not_connected()
        return connection

    @property
    def ready_connection(self) -> BrokerConnection | None:
        """The connection if operations may use it now; None while there is none, or it is not restored yet."""
        return self.connection if self.state is _CONNECTED else None

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
        if self.state.over or self.closing:
            return NotConnected("the client was closed", hint="call connect again, or make a new one")
        why = f"; {self.error.message}" if self.error is not None else ""
        return self._with_cause(NotConnected(f"the client is {self.state.value}{why}"))

    def _with_cause(self, error: StompError) -> StompError:
        error.__cause__ = self.error
        error.recent = self.recorder.lines()
        return error

    def add_request(self, confirmation: _C, connection: BrokerConnection | None = None) -> _C:
        """Register a request that is about to be sent, so that its answer is matched.

        Args:
            confirmation: the request.
            connection: the connection that it is sent on; by default the current one.

        Raises:
            NotConnected: no connection was given, and the client is not connected.
        """
        confirmation.generation = (connection or self.current).generation
        confirmation.attempts += 1
        self.pending.add(confirmation)
        if self.reading_paused:
            self.maybe_resume()
        return confirmation

    def settle_request(self, receipt: str, error: StompError | None) -> None:
        """Set the outcome of a request: confirmed if `error` is None."""
        self.callbacks += self.pending.settle(receipt, error)
        self._notify_window()

    def cancel_request(self, receipt: str) -> bool:
        """Remove a request that was not sent. Returns False if it has its outcome already."""
        found = self.pending.remove(receipt)
        self._notify_window()
        return found is not None

    def _notify_window(self) -> None:
        self.pending.window_opened.notify()
        self.progress.notify()

    def add_transaction(self, record: TransactionRecord) -> None:
        """Register a transaction that is about to begin, so that a lost connection makes it void."""
        self._transactions[record.id] = record

    def remove_transaction(self, record: TransactionRecord) -> None:
        """Remove a transaction that has ended."""
        self._transactions.pop(record.id, None)
        self.progress.notify()

    def transactions(self, owner: object = None) -> int:
        """The number of open transactions; with `owner`, of those that it has begun."""
        return sum(owner is None or record.owner == owner for record in self._transactions.values())

    def add_subscription(self, subscription: ClientSubscription) -> None:
        """Register a subscription, before its SUBSCRIBE is sent.

        Raises:
            UsageError: there is a subscription with this id already.
        """
        if subscription.id in self.subscriptions:
            raise UsageError(
                f"there is a subscription {subscription.id!r} already",
                hint="close it first, or use another id",
            )
        self.subscriptions[subscription.id] = subscription

    def drop_subscription(self, subscription: ClientSubscription, error: BaseException | None = None) -> None:
        """End a subscription and remove it, so that it is not made again on the next connection."""
        if self.subscriptions.get(subscription.id) is subscription:
            del self.subscriptions[subscription.id]
        subscription.end(error)
        self.maybe_resume()

    def settled(self) -> None:
        """Note that a message was settled; `drain` waits for that."""
        if self.draining:
            self.progress.notify()

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
        queues = {id(subscription.queue): subscription.queue for subscription in self.subscriptions.values()}
        return [message for queue in queues.values() for message in queue.messages.copy()]

    def next_message(self, queue: MessageQueue) -> BaseMessage | None:
        """Take the next deliverable message from a queue; None if there is none now. See `is_deliverable`."""
        messages = queue.messages
        if self.draining:
            # The other messages stay in the queue: `lifecycle.drain_gen` counts them for its report.
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
            if self.reading_paused:
                self._queued_bytes -= len(message.body) + OVERHEAD
                # `maybe_resume` measures all queued messages: call it only when reading may well resume.
                if self._queued_bytes < self._threshold(self.config.high_water // 2):
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
        connection = self.connection
        if message.connection is not connection or connection is None or self.draining:
            return False
        # The session may be closed before the engine has processed its Closed event.
        return (
            connection.link.session.closed is None and message.subscription.id not in self.redelivery.blocked
        )

    def maybe_resume(self) -> None:
        """Measure the queued messages, and resume reading if they take less than half of the high-water mark.

        To be called after messages were taken, and when an answer is awaited.
        """
        if self.reading_paused and not self._over_high_water(self.config.high_water // 2):
            self.reading_paused = False
            self.resumed.notify()

    def _over_high_water(self, mark: int) -> bool:
        if self.closing:
            return False  # the RECEIPT of DISCONNECT has to be read
        queues = {id(subscription.queue): subscription.queue for subscription in self.subscriptions.values()}
        self._queued_bytes = sum(queue.size for queue in queues.values())
        return self._queued_bytes + self._pending_callback_bytes >= self._threshold(mark)

    @property
    def _pending_callback_bytes(self) -> int:
        """About how many bytes the callbacks and hooks take that were not called yet."""
        return 0 if self.callback_waits else self._callback_bytes + OVERHEAD * len(self.callbacks)

    def _threshold(self, mark: int) -> int:
        # The thread that waits for an answer may be the one that takes the messages. With reading paused, the
        # answer would not be read, and neither would go on.
        return mark * _STRETCH if len(self.pending) or self.replies else mark

    def defer(self, callbacks: Iterable[Callable[[], object]]) -> None:
        """Add callbacks for `pop_callbacks`; the driver runs them without a lock."""
        self.callbacks += callbacks

    def log(self, text: str, *args: object) -> None:
        """Write a line to the log at INFO, from `pop_callbacks`: log handlers must not run under a lock."""
        if self._logger.has_info:
            self.callbacks.append(partial(self._logger.info, text, *args))

    def warn(self, text: str, *args: object) -> None:
        """Write a line to the log at WARNING, from `pop_callbacks`."""
        self.callbacks.append(partial(self._logger.warning, text, *args))

    def pop_callbacks(self) -> list[Callable[[], object]]:
        """Return and remove the pending callbacks, hooks and log lines, to be called without a lock."""
        callbacks = self.callbacks
        if callbacks:
            self.callbacks = []
            self._callback_bytes = 0
            self.maybe_resume()
        return callbacks

    def attach(self, link: ClientLink, address: Any) -> BrokerConnection:
        """Make an open link the current connection. To be called before CONNECT is sent."""
        self.connection = connection = BrokerConnection(
            link, address, self.config.max_decompressed_size, self.owner
        )
        self._counted.append(link.session.counters)
        return connection

    def process_events(self, link: ClientLink, events: list[Event], now: float) -> None:
        """Process the events of a link. Events of a link that is not the current one are ignored.

        Args:
            link: the link.
            events: its events, in order.
            now: the time in seconds, by the clock of the driver.
        """
        connection = self.connection
        if connection is None or link is not connection.link:
            return
        unmatched = taken = size = 0
        answered = False
        queues: list[MessageQueue] = []
        latest: ActiveSubscription | None = None
        subscription: ClientSubscription | None = None
        append: Callable[[BaseMessage], object] | None = None
        for event in events:
            if not isinstance(event, BaseMessage):
                if type(event) is Receipt:
                    if event.ticket is not None:
                        self.callbacks += self.pending.settle(event.ticket.receipt, None)
                        answered = True
                else:
                    self._process_control_event(connection, event, now)
                    latest = None  # the event may have ended the subscription: look it up again
                continue
            active = event.subscription
            if active is not latest or active is None:
                latest, append = active, None
                id = active.id if active is not None else event.headers.get("subscription", "")
                subscription = self.subscriptions.get(id)
                if subscription is not None:
                    subscription.last = now
                    if not subscription.acknowledges:
                        connection.has_progress = True
                    if not subscription.config.hidden:
                        queues.append(subscription.queue)
                        append = subscription.queue.messages.append
            event.connection = connection
            if append is not None:
                append(event)
                taken += 1
                size += len(event.body)
                if self.config.hooks:
                    self.callbacks += [partial(hook.received, event) for hook in self.config.hooks]
                    self._callback_bytes += len(event.body)
            elif subscription is None:
                unmatched += 1
            else:
                self._process_reply(event)
        self._unmatched += unmatched
        self._messages += taken
        self.recorder.note_all("<", events)
        if answered:
            self._notify_window()
        for queue in queues:
            queue.notify()
        if queues and self.draining:
            self.progress.notify()  # a message is not `unsettled` any more once it is queued
        self._queued_bytes += size + OVERHEAD * taken
        if (
            self._queued_bytes + self._pending_callback_bytes >= self.config.high_water
            and not self.reading_paused
        ):
            self.reading_paused = self._over_high_water(self.config.high_water)

    def set_state(self, state: ClientState, reason: str, error: StompError | None = None) -> None:
        """Enter another state: log it, and schedule the state callbacks and hooks.

        Args:
            state: the new state.
            reason: why, for the log and the `StateChange`.
            error: the error that caused it, if there was one.
        """
        before, self.state = self.state, state
        text = reason if reason.startswith(state.value) else f"{state.value}: {reason}"
        (self.warn if is_loss(before, state) else self.log)("%s", text)
        if self.observers or self.logs or self.config.hooks:
            self._notify_state_change(before, reason, error)
        self.state_changed.notify()

    def _notify_state_change(self, before: ClientState, reason: str, error: StompError | None) -> None:
        state, connection = self.state, self.connection
        change = StateChange(
            state,
            before,
            reason,
            error,
            str(connection.address) if connection is not None else "",
            self.ledger.generation,
            connection.profile.name if connection is not None and connection.connected else "",
        )
        self.callbacks += [partial(observer, change) for observer in self.observers]
        for state_log in self.logs:
            state_log.note(change)
        self.callbacks += [partial(hook.state_changed, change) for hook in self.config.hooks]

    def stats(self) -> Stats:
        """Return the statistics over all connections so far."""
        total = Counters.total(self._counted)
        pending = self.pending
        return Stats(
            connections=len(self._counted),
            **{name: getattr(total, name) for name in Counters.__slots__},
            messages=self._messages,
            unmatched=self._unmatched,
            queued=len(self._queued()),
            confirmed=pending.confirmed,
            refused=pending.refused,
            unknown=pending.unknown,
            resent=self._resent,
            in_flight=pending.sends,
            errors=self._errors,
        )

    def count_resent(self) -> None:
        """Count a send that is repeated on a new connection."""
        self._resent += 1

    def _process_reply(self, message: BaseMessage) -> None:
        reply = self.replies.get(message.headers.get("correlation-id", ""))
        if reply is None or reply.done:
            self._unmatched += 1
            return
        reply.messages.append(message)
        reply.notify()

    def _process_control_event(self, connection: BrokerConnection, event: Event, now: float) -> None:
        if isinstance(event, ReceiptOverdue):
            self._on_overdue(event)
        elif isinstance(event, Error):
            self._on_error(connection, event)
        elif isinstance(event, Connected):
            connection.connected, connection.since, connection.confirmed_before = (
                True,
                now,
                self.pending.confirmed,
            )
            connection.profile = self.config.profile or profile_for_server(event.frame.headers.get("server"))
            self.state_changed.notify()
        elif isinstance(event, Closed):
            self._on_closed(connection, event, now)
        elif isinstance(event, Tolerated):
            self.warn("from %s: %s", connection.address, event.text)

    def _on_overdue(self, event: ReceiptOverdue) -> None:
        ticket = event.ticket
        candidate = self.pending.candidate_error(ticket.receipt)
        why = f"; its last ERROR said: {candidate.message}" if candidate is not None else ""
        connection = self.connection
        # STOMP 1.2, "receipt": a server must answer; Spring's simple broker does not.
        silent = (
            ticket.command == "SUBSCRIBE" and connection is not None and connection.profile.name == "generic"
        )
        error = ReceiptMissing(
            f"the broker did not answer {ticket.command} in time{why}",
            receipt=ticket.receipt,
            hint="if it is an application with Spring's simple broker, give broker='spring'"
            if silent
            else "",
        )
        self.settle_request(ticket.receipt, error)

    def _on_error(self, connection: BrokerConnection, event: Error) -> None:
        frame = event.frame
        self._errors += 1
        self.callbacks += [partial(hook.error, frame) for hook in self.config.hooks]
        error = BrokerError(f"the broker refused: {error_text(frame)}", frame=frame)
        subscription = self.subscriptions.get(frame.headers.get("subscription", ""))
        if event.ticket is not None:
            self.settle_request(event.ticket.receipt, error)
        elif subscription is not None:
            # RabbitMQ ends a subscription this way when its queue is deleted or its node is down.
            error = BrokerError(f"the broker ended the subscription: {error_text(frame)}", frame=frame)
            self.ledger.subscriptions.pop(subscription.id, None)
            self.drop_subscription(subscription, error)
        elif connection.connected:
            self.warn("the broker sent an ERROR: %s", error_text(frame))
            self.callbacks += self.pending.attribute_error(error)

    def _on_closed(self, connection: BrokerConnection, event: Closed, now: float) -> None:
        """Process the end of the current connection.

        Requests that are not sent again get the outcome "unknown", and open transactions become void.
        """
        self.connection = None
        self.pending.clear_candidates()
        lost = event.error or ConnectionLost(connection.reconnect_reason or event.reason.value)
        self.redelivery.clear()
        if event.reason is not Reason.CLEAN or self.pending or self.replies:
            lost.recent = self.recorder.lines()  # otherwise this error is not reported
        if connection.reconnect_reason:
            self.losses.reset()  # it was not lost: the next attempts are not those after a failure
        elif connection.connected and not self.closing:
            self._count_loss(connection, lost, now)
        for request in self.pending.all():
            if self.closing or request.frame is None:  # else it is sent again
                self.settle_request(request.receipt, self._outcome_unknown(lost))
        for record in self._transactions.values():
            record.state = "void"
        self._transactions.clear()
        for reply in self.replies.values():
            reply.error = self._outcome_unknown(lost)
            reply.notify()
        self.replies.clear()
        self.error = lost if event.reason is not Reason.CLEAN else None
        if self.state is ClientState.CONNECTED:
            if not self.config.reconnect:
                self.fail(lost)
            else:
                self.needs_reconnect = True
                self.set_state(ClientState.RECONNECTING, lost.message, lost)
        self.reading_paused = False
        self.resumed.notify()
        self.progress.notify()
        self.state_changed.notify()

    def _count_loss(self, connection: BrokerConnection, lost: StompError, now: float) -> None:
        stable = is_stable(connection, self.pending.confirmed, now)
        if stable:
            self.losses.reset()
        elif self.state is ClientState.CONNECTED:  # while connecting, `lifecycle` adds it
            self.losses.add_failure(lost)
        subscriptions, requests = list(self.subscriptions.values()), self.pending.all()
        request = self.losses.add_loss(connection, subscriptions, requests, stable=stable, now=now)
        if request is None:
            return
        error = exhausted(request, lost, self.config.max_losses)
        if isinstance(request, ClientSubscription):
            self.drop_subscription(request, error)
        self.warn("%s", error.message)
        self.settle_request(request.receipt, error)

    def _outcome_unknown(self, lost: StompError) -> OutcomeUnknown:
        error = OutcomeUnknown(
            f"the connection was lost before the broker had answered: {lost.message}",
            hint="the broker may or may not have received it",
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
        for request in self.pending.all():
            self.settle_request(
                request.receipt, self._outcome_unknown(error or NotConnected("the client was closed"))
            )
        for subscription in list(self.subscriptions.values()):
            self.drop_subscription(subscription, error)
        self.ledger.subscriptions.clear()
        self.set_state(state, reason, error)
        if self._logger.has_counts:
            self.callbacks.append(self._logger.flush)
