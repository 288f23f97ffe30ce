# Generated from stomp/client/aio/handles.py by scripts/generate_sync.py; do not edit.
"""The objects that `stomp.Client` returns: messages, subscriptions, confirmations, transactions, consumers.

Rule of this file: a method checks its arguments and runs an operation; the logic is in `stomp.core.engine`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, Unpack

from stomp.client.arguments import Body, SendOptions
from stomp.client.base import BaseSubscription, log
from stomp.client.handling import fate
from stomp.client.sync.driver import SyncDriver
from stomp.client.sync.waiting import EXITS, INTERRUPTED, Workers, call_handler, current
from stomp.core import arguments
from stomp.core.callables import check_function
from stomp.core.engine import acknowledge, receive, request_reply, send, subscriptions, transaction_ops
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.message import BaseMessage, owner_of
from stomp.core.engine.message_queue import MessageQueue
from stomp.core.errors import AlreadySettled, StaleDelivery, StompError

if TYPE_CHECKING:
    from types import TracebackType

    from stomp.core.engine.message_queue import ClientSubscription
    from stomp.core.engine.transactions import TransactionRecord
    from stomp.core.frames.frame import Frame


class Message(BaseMessage):
    """One message.

    A ``with`` statement acknowledges the message at the end, and refuses it (NACK) if there was an exception.
    After Ctrl-C it does neither, so the broker delivers the message again when the connection ends.

    ```python
    with message:
        handle(message.json())
    ```

    See `stomp.core.engine.message.BaseMessage` for how to read it.
    """

    __slots__ = ("_processing",)

    def ack(self, *, confirm: bool = False, timeout: float | None = None) -> None:
        """Acknowledge the message; with ack="client" also all earlier ones of its subscription.

        Args:
            confirm: return once the broker has confirmed the ACK.
            timeout: seconds to wait for that.

        Raises:
            AlreadySettled: the message was acknowledged or refused before.
            StaleDelivery: the message was received on an earlier connection; the broker delivers it again.
            UsageError: the subscription has ack="auto".
        """
        arguments.flag("confirm", confirm)
        _settle(self, negative=False, confirm=confirm, timeout=timeout)

    def nack(
        self, *, requeue: bool | None = None, confirm: bool = False, timeout: float | None = None
    ) -> None:
        """Refuse the message (NACK). The effect depends on the broker: see ``client.broker.nack_effect``.

        Args:
            requeue: True to have the message delivered again, False to not; None for the broker's default. On Artemis
                and HornetQ, True leaves the message unacknowledged, and the client reconnects when nothing else is
                pending.
            confirm: return once the broker has confirmed the NACK.
            timeout: seconds to wait for that.

        Raises:
            AlreadySettled: the message was acknowledged or refused before.
            StaleDelivery: the message was received on an earlier connection; the broker delivers it again.
            Unsupported: the broker has no choice of requeueing, or would discard the message (Artemis, HornetQ) and
                `requeue` is not given.
            UsageError: the subscription has ack="auto", or the version is STOMP 1.0, which has no NACK.
        """
        if requeue is not None:
            arguments.flag("requeue", requeue)
        arguments.flag("confirm", confirm)
        _settle(self, negative=True, requeue=requeue, confirm=confirm, timeout=timeout)

    def reply(
        self,
        body: Body = b"",
        *,
        confirm: bool = False,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> None:
        """Reply to a request: send to its ``reply-to``, with its ``correlation-id``.

        Raises:
            UsageError: the message has no ``reply-to``.
        """
        arguments.flag("confirm", confirm)
        options.setdefault("correlation_id", self.correlation_id)
        client = _driver_of(self)
        outgoing = client._outgoing(self.reply_to, body, options)
        client._run(
            request_reply.reply_gen(client._engine, outgoing, client._deadline(timeout), confirm=confirm)
        )

    def __enter__(self) -> Self:
        driver = _driver_of(self)
        driver._handling[current()] = self
        self._processing = driver._process(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._processing is not None:
            _driver_of(self)._end_processing(self._processing, kind, error, trace)
        _driver_of(self)._handling.pop(current(), None)
        if self.subscription is None or self.subscription.ack == "auto" or self.settled:
            return
        try:
            if error is None:
                self.ack()
            elif not isinstance(error, INTERRUPTED):
                # No NACK after an interruption: the broker delivers the message again when the connection ends.
                self.nack(requeue=acknowledge.requeue_of_failure(self))
        except (AlreadySettled, StaleDelivery) as late:
            # The program can do nothing about it, so this is only logged.
            log.warning("%s", late)
        except StompError:
            if error is None:
                raise
            log.exception("a message could not be refused")


class Confirmation(BaseConfirmation):
    """A confirmed send: pending, or with its outcome."""

    __slots__ = ("_client",)

    def __init__(self, client: SyncDriver, receipt: str, frame: Frame | None, size: int) -> None:
        super().__init__(receipt, frame, size)
        self._client = client

    def result(self, timeout: float | None = None) -> None:
        """Wait for the outcome. Returns if it is "confirmed".

        Args:
            timeout: seconds; None waits until the timeout of the send has passed.

        Raises:
            BrokerError: the outcome is "refused".
            OutcomeUnknown: the outcome is "unknown".
            TimeoutError: there is no outcome in time. The message may still be confirmed.
        """
        deadline = None if timeout is None else self._client._deadline(timeout)
        self._client._run(send.wait_outcome_gen(self, deadline))

    def exception(self, timeout: float | None = None) -> StompError | None:
        """Wait for the outcome. Returns the error if it is not "confirmed".

        Raises:
            TimeoutError: there is no outcome in time.
        """
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        with contextlib.suppress(StompError):
            self.result(timeout)
        return self.error

    def add_done_callback(self, callback: Callable[[Confirmation], object]) -> None:
        """Call `callback(confirmation)` when the outcome is known; at once if it is known already.

        Raises:
            UsageError: the callback is not callable, or is a coroutine function, which only `AsyncClient` runs.
        """
        check_function("the callback", callback, coroutines=self._client._awaits)
        with self._client._lock:
            if self.when_done(callback):
                return
        self._client._call(lambda: callback(self))


class MessageSource:
    """A source of messages: a subscription, or several merged ones.

    Iterating waits for the next message, and ends when the subscription is closed. Several threads may receive at the
    same time; each message goes to one of them.
    """

    _client: SyncDriver

    @property
    def _queue(self) -> MessageQueue:
        raise NotImplementedError

    def receive(self, timeout: float | None = None) -> Message | None:
        """Return the next message; None after the timeout, or when the subscription is closed while waiting.

        Args:
            timeout: seconds; None waits without a limit.

        Raises:
            UsageError: the subscription was closed before, and no message is left.
            StompError: the subscription ended because of this error. It is raised once.
        """
        self._queue.check_open()
        return self._receive(timeout)

    def _receive(self, timeout: float | None = None) -> Message | None:
        # No wait after a message was removed from the queue: a cancellation would lose it.
        client, queue = self._client, self._queue
        message = self._pop_queued(queue)
        if message is not None:
            return message
        deadline = None if timeout is None else client._deadline(timeout)
        found: Any = client._run(receive.receive_gen(client._engine, queue, deadline))
        return found  # type: ignore[no-any-return]

    def _pop_queued(self, queue: MessageQueue) -> Message | None:
        """Return the next message if one is queued and no operation is needed. Most messages are received here."""
        engine, messages = self._client._engine, queue.messages
        if messages and not (engine.reading_paused or engine.draining):
            try:
                message: Any = messages.popleft()
            except IndexError:
                return None  # another caller has received the last one
            if engine.is_deliverable(message):
                return message  # type: ignore[no-any-return]
        return None

    def messages(self, timeout: float | None = None) -> Iterator[Message]:
        """Iterate over messages until none came within `timeout` seconds, or the subscription is closed.

        Raises:
            UsageError: the subscription was closed before, and no message is left.
            StompError: the subscription ended because of this error.
        """
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        self._queue.check_open()
        return self._messages(timeout)

    def _messages(self, timeout: float | None) -> Iterator[Message]:
        while (message := self._receive(timeout)) is not None:
            yield message

    def __iter__(self) -> Iterator[Message]:
        self._queue.check_open()
        return self

    def __next__(self) -> Message:
        message = self._receive()
        if message is None:
            raise StopIteration
        return message


class Subscription(BaseSubscription, MessageSource):
    """A subscription: iterate over it, or call `receive`; its ``with`` statement closes it at the end."""

    def __init__(self, client: SyncDriver, subscription: ClientSubscription) -> None:
        self._client = client
        self._subscription = subscription

    def close(self, *, delete: bool = False, timeout: float | None = None) -> None:
        """Unsubscribe. The broker delivers messages that are still queued here to other consumers.

        Args:
            delete: also delete a durable subscription and its stored messages on the broker.
            timeout: seconds to wait for the broker's answer.

        Raises:
            BrokerError: the broker refused.
            OutcomeUnknown: the broker did not answer.
        """
        arguments.flag("delete", delete)
        client = self._client
        deadline = client._deadline(timeout)
        client._run(
            subscriptions.unsubscribe_gen(client._engine, self._subscription, deadline, delete=delete)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close(timeout=self._client._short_deadline() if isinstance(error, INTERRUPTED) else None)
        except StompError:
            if error is None:
                raise


class MergedSubscription(MessageSource):
    """Several merged subscriptions; created by `Client.merge`."""

    def __init__(self, client: SyncDriver, queue: MessageQueue) -> None:
        self._client = client
        self._merged = queue

    @property
    def _queue(self) -> MessageQueue:
        return self._merged


class Transaction:
    """A transaction: its sends and acknowledgements are committed together or not at all.

    Created by `Client.begin`. Its ``with`` statement commits it at the end, and aborts it if there was an
    exception.
    """

    def __init__(self, client: SyncDriver, record: TransactionRecord, timeout: float | None) -> None:
        self._client = client
        self._record = record
        self._timeout = timeout

    @property
    def id(self) -> str:
        """The id of the transaction in the header ``transaction``."""
        return self._record.id

    @property
    def state(self) -> str:
        """ "open", "committed", "aborted", or "void" when its connection was lost."""
        return self._record.state

    def send(self, destination: str, body: Body = b"", **options: Unpack[SendOptions]) -> None:
        """Send a message in the transaction.

        Raises:
            TransactionVoid: its connection was lost; nothing in it was committed.
        """
        client = self._client
        outgoing = client._outgoing(destination, body, options)
        client._run(transaction_ops.send_in_transaction_gen(client._engine, self._record, outgoing))

    def ack(self, message: Message) -> None:
        """Acknowledge a message in the transaction.

        Raises:
            TransactionVoid: its connection was lost.
            Unsupported: the broker would ignore the transaction of the ACK (Artemis, HornetQ).
        """
        self._record.check()
        _settle(message, negative=False, transaction=self._record)

    def nack(self, message: Message) -> None:
        """Refuse a message (NACK) in the transaction.

        Raises:
            TransactionVoid: its connection was lost.
            Unsupported: the broker does not support that (ActiveMQ, Artemis, HornetQ).
        """
        self._record.check()
        _settle(message, negative=True, transaction=self._record)

    def commit(self, timeout: float | None = None) -> None:
        """Commit the transaction. Returns once the broker has confirmed it.

        Raises:
            TransactionVoid: its connection was lost; nothing in it was committed.
            BrokerError: the broker refused.
            OutcomeUnknown: the connection was lost before the broker answered.
        """
        self._client._run(
            transaction_ops.commit_gen(self._client._engine, self._record, self._deadline(timeout))
        )

    def abort(self, timeout: float | None = None) -> None:
        """Abort the transaction: the broker drops its sends and acknowledgements. Its messages may be settled again.

        Does nothing if the transaction has ended.
        """
        self._client._run(
            transaction_ops.abort_gen(self._client._engine, self._record, self._deadline(timeout))
        )

    def _deadline(self, timeout: float | None) -> float:
        return self._client._deadline(self._timeout if timeout is None else timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.abort()
        elif self.state not in ("aborted", "committed"):
            self.commit()


class Consumer:
    """A handler and the threads that call it; created by `Client.consume`."""

    def __init__(
        self, subscription: Subscription, handler: Callable[[Message], object], concurrency: int
    ) -> None:
        self.subscription = subscription
        self._handler = handler
        self._workers = Workers(self._work, concurrency)

    def _work(self) -> None:
        try:
            # Not a loop over the subscription: its start raises if the subscription was closed before this runs.
            while (message := next(self.subscription, None)) is not None:
                self._handle(message)
        except StompError as err:
            log.error("the subscription to %s has ended: %s", self.subscription.destination, err)
        except EXITS:
            # The handler called sys.exit(). No more messages are handled, so return the queued ones to the broker.
            with contextlib.suppress(StompError):
                self.subscription.close()

    def _handle(self, message: Message) -> None:
        by_handler = False
        try:
            with message:
                try:
                    call_handler(self._handler, message)
                finally:
                    by_handler = message.settled
        except Exception:
            log.exception(
                "a handler failed for message %.100r of %s: %s",
                message.id,
                self.subscription.destination,
                fate(message, by_handler=by_handler),
            )
        except EXITS:
            log.error(
                "a handler called sys.exit() for message %.100r of %s: %s; this ends the consumer and not the program",
                message.id,
                self.subscription.destination,
                fate(message, by_handler=by_handler),
            )
            raise

    def close(self, timeout: float | None = None) -> None:
        """Receive no more messages, and wait for the running handlers, at most `timeout` seconds.

        Handlers that are still running then go on, on their threads.
        """
        client = self.subscription._client
        deadline = client._deadline(timeout)
        self.subscription.close(timeout=timeout)
        self._join(deadline)

    def _join(self, deadline: float) -> None:
        self._workers.join(max(0.0, deadline - self.subscription._client._options.clock()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _driver_of(message: Message) -> SyncDriver:
    owner = owner_of(message)
    assert isinstance(owner, SyncDriver)
    return owner


def _settle(
    message: Message,
    *,
    negative: bool,
    requeue: bool | None = None,
    confirm: bool = False,
    timeout: float | None = None,
    transaction: TransactionRecord | None = None,
) -> None:
    driver = _driver_of(message)
    driver._run(
        acknowledge.settle_gen(
            driver._engine,
            message,
            driver._deadline(timeout),
            negative=negative,
            requeue=requeue,
            confirm=confirm,
            transaction=transaction,
        )
    )
