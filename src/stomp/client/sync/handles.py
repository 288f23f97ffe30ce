"""What `stomp.Client` hands out: messages, subscriptions, confirmations, transactions."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, Unpack

from stomp.client.arguments import Body, SendOptions
from stomp.client.base import BaseSubscription, log
from stomp.client.handling import fate
from stomp.client.sync.driver import SyncDriver
from stomp.core import arguments
from stomp.core.callables import check_function, check_result
from stomp.core.engine import acknowledge, subscriptions, verbs
from stomp.core.engine.confirmations import Confirmation as BaseConfirmation
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

    In a ``with`` statement it is acknowledged at the end, and refused if there was an exception.
    Ctrl-C is no fault of the message, and leaves it to be delivered again when the connection ends.

    ```python
    with message:
        handle(message.json())
    ```

    See `stomp.core.engine.message.BaseMessage` for how to read it.
    """

    __slots__ = ("_processing",)

    def ack(self, *, confirm: bool = False, timeout: float | None = None) -> None:
        """Acknowledge it; with ack="client" all earlier ones of its subscription, too.

        Args:
            confirm: return when the broker has it.
            timeout: seconds to wait for that.

        Raises:
            AlreadySettled: it was acknowledged or refused before.
            StaleDelivery: it came over an earlier connection; the broker delivers it again.
            UsageError: its subscription needs no acknowledgement.
        """
        driver = _driver_of(self)
        arguments.flag("confirm", confirm)
        if confirm or not driver._ack_plain(self):
            _settle(self, negative=False, confirm=confirm, timeout=timeout)
        elif driver._conv.draining:  # looked at behind the ACK: who waits for it looks after that was set
            with driver._lock:
                driver._conv.settled()

    def nack(
        self, *, requeue: bool | None = None, confirm: bool = False, timeout: float | None = None
    ) -> None:
        """Refuse it. What the broker does then is its own matter: see ``client.broker.nack_effect``.

        Args:
            requeue: have it delivered again, or not; None for the broker's own way. At Artemis and HornetQ True leaves
                it unacknowledged, and the client connects again when nothing else is under way.
            confirm: return when the broker has it.
            timeout: seconds to wait for that.

        Raises:
            AlreadySettled: it was acknowledged or refused before.
            StaleDelivery: it came over an earlier connection; the broker delivers it again.
            Unsupported: the broker cannot be told whether to requeue, or would discard the message (Artemis, HornetQ)
                and `requeue` is not given.
            UsageError: its subscription needs no acknowledgement, or STOMP 1.0 has no NACK.
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
        """Answer a request: send to its ``reply-to``, with its ``correlation-id``.

        Raises:
            UsageError: it has no reply-to.
        """
        arguments.flag("confirm", confirm)
        options.setdefault("correlation_id", self.correlation_id)
        client = _driver_of(self)
        parcel = client._parcel(self.reply_to, body, options)
        client._run(verbs.reply(client._conv, parcel, client._deadline(timeout), confirm=confirm))

    def __enter__(self) -> Self:
        driver = _driver_of(self)
        driver._handling[threading.get_ident()] = self
        self._processing = driver._process(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._processing is not None:
            _driver_of(self)._end_processing(self._processing, kind, error, trace)
        _driver_of(self)._handling.pop(threading.get_ident(), None)
        if self.subscription is None or self.subscription.ack == "auto" or self.settled:
            return
        try:
            if error is None:
                self.ack()
            elif not isinstance(error, KeyboardInterrupt):
                # It is no fault of the message: the broker delivers it again when the connection ends.
                self.nack(requeue=acknowledge.requeue_of_failure(self))
        except (AlreadySettled, StaleDelivery) as late:
            # The broker delivers it again, and there is nothing that the program could do about it.
            log.warning("%s", late)
        except StompError:
            if error is None:
                raise
            log.exception("a message could not be refused")


class Confirmation(BaseConfirmation):
    """A confirmed send that is on its way, or its outcome."""

    __slots__ = ("_client",)

    def __init__(self, client: SyncDriver, receipt: str, frame: Frame | None, size: int) -> None:
        super().__init__(receipt, frame, size)
        self._client = client

    def result(self, timeout: float | None = None) -> None:
        """Wait for the outcome; return if it is "confirmed".

        Args:
            timeout: seconds; None for as long as the broker is given.

        Raises:
            BrokerError: it is "refused".
            OutcomeUnknown: it is "unknown".
            TimeoutError: there is none in time. It may still come.
        """
        deadline = None if timeout is None else self._client._deadline(timeout)
        self._client._run(verbs.outcome(self._client._conv, self, deadline))

    def exception(self, timeout: float | None = None) -> StompError | None:
        """Wait for the outcome; the error if it is not "confirmed".

        Raises:
            TimeoutError: there is none in time.
        """
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        with contextlib.suppress(StompError):
            self.result(timeout)
        return self.error

    def add_done_callback(self, callback: Callable[[Confirmation], object]) -> None:
        """Have `callback(confirmation)` called when the outcome is known: at once, if it is.

        Raises:
            UsageError: it cannot be called; it is a coroutine function, which only `AsyncClient` runs.
        """
        check_function("the callback", callback)
        with self._client._lock:
            if self.when_done(callback):
                return
        self._client._call(lambda: callback(self))


class MessageSource:
    """Messages to take: what a subscription has, and several that were merged.

    Iterating waits for the next message, and ends when the subscription is closed. Any number of threads may
    take messages at once; each gets others.
    """

    _client: SyncDriver

    @property
    def _inbox(self) -> MessageQueue:
        raise NotImplementedError

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None if there is none within so many seconds, or if the subscription is closed meanwhile.

        Args:
            timeout: seconds; None waits until there is one.

        Raises:
            UsageError: the subscription was closed before, and there is no message left.
            StompError: why the subscription ended, if it was not closed: once.
        """
        self._inbox.check_open()
        return self._receive(timeout)

    def _receive(self, timeout: float | None = None) -> Message | None:
        deadline = None if timeout is None else self._client._deadline(timeout)
        found: Any = self._client._run(verbs.take(self._client._conv, self._inbox, deadline))
        message: Message | None = found
        return message

    def messages(self, timeout: float | None = None) -> Iterator[Message]:
        """Messages, until there is none for so many seconds, or the subscription is closed.

        Raises:
            UsageError: the subscription was closed before, and there is no message left.
            StompError: why the subscription ended, if it was not closed.
        """
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        self._inbox.check_open()
        return self._messages(timeout)

    def _messages(self, timeout: float | None) -> Iterator[Message]:
        while (message := self._receive(timeout)) is not None:
            yield message

    def __iter__(self) -> Iterator[Message]:
        self._inbox.check_open()
        return self

    def __next__(self) -> Message:
        conv = self._client._conv
        if not (conv.paused or conv.draining):
            # The hot way: if there is one, there is no need for a lock.
            try:
                message: Any = self._inbox.messages.popleft()
            except IndexError:
                pass
            else:
                if conv.is_deliverable(message):
                    return message  # type: ignore[no-any-return]
        found = self._receive()
        if found is None:
            raise StopIteration
        return found


class Subscription(BaseSubscription, MessageSource):
    """A subscription: iterate over it, or call `receive`. Leaving its ``with`` statement closes it."""

    def __init__(self, client: SyncDriver, feed: ClientSubscription) -> None:
        self._client = client
        self._feed = feed

    def close(self, *, delete: bool = False, timeout: float | None = None) -> None:
        """End it. Messages that have come and were not taken are given to others by the broker.

        Args:
            delete: have the broker forget a durable subscription, too, and what it keeps for it.
            timeout: seconds to wait for the broker's answer.

        Raises:
            BrokerError: the broker refused.
            OutcomeUnknown: it did not answer.
        """
        arguments.flag("delete", delete)
        client = self._client
        deadline = client._deadline(timeout)
        client._run(subscriptions.unsubscribe(client._conv, self._feed, deadline, delete=delete))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close(
                timeout=self._client._short_deadline() if isinstance(error, KeyboardInterrupt) else None
            )
        except StompError:
            if error is None:
                raise


class MergedSubscription(MessageSource):
    """Several subscriptions as one; made by `Client.merge`."""

    def __init__(self, client: SyncDriver, inbox: MessageQueue) -> None:
        self._client = client
        self._merged = inbox

    @property
    def _inbox(self) -> MessageQueue:
        return self._merged


class Transaction:
    """What is sent and acknowledged here is carried out as one, or not at all; made by `Client.transaction`."""

    def __init__(self, client: SyncDriver, record: TransactionRecord) -> None:
        self._client = client
        self._record = record

    @property
    def id(self) -> str:
        """Its name on the wire."""
        return self._record.id

    @property
    def state(self) -> str:
        """ "open", "committed", "aborted", or "void" when its connection was lost."""
        return self._record.state

    def send(self, destination: str, body: Body = b"", **options: Unpack[SendOptions]) -> None:
        """Send as part of it.

        Raises:
            TransactionVoid: its connection was lost; nothing of it was carried out.
        """
        client = self._client
        parcel = client._parcel(destination, body, options)
        client._run(verbs.send_in(client._conv, self._record, parcel))

    def ack(self, message: Message) -> None:
        """Acknowledge as part of it.

        Raises:
            TransactionVoid: its connection was lost.
            Unsupported: the broker would ignore that (Artemis, HornetQ).
        """
        self._record.check()
        _settle(message, negative=False, transaction=self._record)

    def nack(self, message: Message) -> None:
        """Refuse as part of it.

        Raises:
            TransactionVoid: its connection was lost.
            Unsupported: the broker cannot do that (ActiveMQ, Artemis, HornetQ).
        """
        self._record.check()
        _settle(message, negative=True, transaction=self._record)

    def commit(self, timeout: float | None = None) -> None:
        """Have it carried out; returns when it is.

        Raises:
            TransactionVoid: its connection was lost; nothing of it was carried out.
            BrokerError: the broker refused.
            OutcomeUnknown: the connection was lost before the broker had answered.
        """
        client = self._client
        client._run(verbs.commit(client._conv, self._record, client._deadline(timeout)))

    def abort(self, timeout: float | None = None) -> None:
        """Drop it: nothing is carried out, and what was acknowledged in it is not. Messages may be settled again."""
        client = self._client
        client._run(verbs.abort(client._conv, self._record, client._deadline(timeout)))


class Consumer:
    """A handler and the threads that call it; made by `Client.consume`."""

    def __init__(
        self, subscription: Subscription, handler: Callable[[Message], object], concurrency: int
    ) -> None:
        self.subscription = subscription
        self._handler = handler
        self._threads = [
            threading.Thread(target=self._work, name=f"stomp-consumer-{n}", daemon=True)
            for n in range(concurrency)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        try:
            # Not by `for`: it may have been closed before this thread began.
            while (message := next(self.subscription, None)) is not None:
                self._handle(message)
        except StompError as err:
            log.error("the subscription to %s has ended: %s", self.subscription.destination, err)
        except SystemExit:
            # It is the end of this thread, and nobody would take what the broker has handed out to it.
            with contextlib.suppress(StompError):
                self.subscription.close()

    def _handle(self, message: Message) -> None:
        by_handler = False
        try:
            with message:
                try:
                    check_result("the handler", self._handler(message))
                finally:
                    by_handler = message.settled
        except Exception:
            log.exception(
                "a handler failed for message %.100r of %s: %s",
                message.id,
                self.subscription.destination,
                fate(message, by_handler=by_handler),
            )
        except SystemExit:
            log.error(
                "a handler called sys.exit() for message %.100r of %s: %s; this ends the consumer and not the program",
                message.id,
                self.subscription.destination,
                fate(message, by_handler=by_handler),
            )
            raise

    def close(self, timeout: float | None = None) -> None:
        """Take no more messages, and wait for the handlers at work, so many seconds at most."""
        client = self.subscription._client
        deadline = client._deadline(timeout)
        self.subscription.close(timeout=timeout)
        self._join(deadline)

    def _join(self, deadline: float) -> None:
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - self.subscription._client._options.clock()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _driver_of(message: Message) -> SyncDriver:
    driver: SyncDriver = owner_of(message)
    return driver


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
        acknowledge.settle(
            driver._conv,
            message,
            driver._deadline(timeout),
            negative=negative,
            requeue=requeue,
            confirm=confirm,
            transaction=transaction,
        )
    )
