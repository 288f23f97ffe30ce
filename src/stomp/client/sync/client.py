"""`Client`: messages by blocking calls and plain iteration. `stomp.AsyncClient` has the same verbs with ``await``."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

from stomp.client.arguments import Ack, Body, SendOptions, SubscribeOptions
from stomp.client.base import BaseClient
from stomp.client.handling import check_drain
from stomp.client.sync.driver import LONGEST, SyncDriver
from stomp.client.sync.handles import (
    Confirmation,
    Consumer,
    MergedSubscription,
    Message,
    Subscription,
    Transaction,
)
from stomp.core import arguments
from stomp.core.callables import check_function
from stomp.core.engine import lifecycle, verbs
from stomp.core.engine import subscriptions as subscribing
from stomp.core.engine.message_queue import MessageQueue
from stomp.core.engine.status import ClientState, DrainReport, StateChange, StateChangeQueue
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from stomp.client.config import ResolvedConfig
    from stomp.core.frames.frame import Frame


class Client(SyncDriver):  # noqa: D101 - see BaseClient
    __doc__ = BaseClient.__doc__

    _message_class = Message

    def _setup(self, settings: ResolvedConfig) -> None:
        super()._setup(settings)
        self._consumers: list[Consumer] = []

    @classmethod
    def per_address(cls, url: str | None = None, *, resolve: bool = False, **settings: Any) -> list[Client]:
        """One client for each address of the URL, for brokers that each have messages of their own.

        Args:
            url: where they are.
            resolve: one for each numeric address that a name stands for now, as with a DNS alias for a cluster.
                The look-up blocks.
            **settings: the arguments of the class.

        Returns:
            The clients; they are not connected yet.

        Raises:
            ConnectFailed: with `resolve`: a name cannot be looked up.
        """
        arguments.flag("resolve", resolve)
        return [cls._from(each) for each in cls(url, **settings)._settings.each(resolve=resolve)]

    # ------------------------------------------------------------------------------------- life

    def connect(self) -> Self:
        """Connect, unless that is done by a ``with`` statement.

        When it returns or raises, the callbacks for what happened were called, unless they take longer than 2 s.

        Raises:
            AuthenticationFailed: the broker refused the login.
            ConnectFailed: no broker could be reached, or none let us in; says where and why.
            UsageError: the client is connected already.
        """
        try:
            self._connect(lifecycle.connect(self._conv, self._options.dice))
        finally:
            self._join_calls(self._deadline(self._short_deadline()))
        return self

    def close(self, timeout: float | None = None) -> bool:
        """Wait for the answers that are due, and disconnect. True if the broker has had everything.

        It never raises for a connection that is gone, and may be called again. When it returns, handlers and callbacks
        have ended, unless they take longer than the timeout, and callbacks longer than 2 s.
        """
        clean = self._run(lifecycle.close(self._conv, self._deadline(timeout)))
        self._join(self._deadline(timeout))
        return clean

    def drain(self, timeout: float | None = None) -> DrainReport:
        """Take no more messages, wait until those handed out are settled and all sends are answered, and `close`.

        Args:
            timeout: seconds for all of it.

        Returns:
            What was left; ``report.clean`` if nothing was.

        Raises:
            UsageError: it was called by a handler whose message is not settled: that is waited for.
        """
        check_drain(self._handling.get(threading.get_ident()))
        deadline = self._deadline(timeout)
        report = self._run(lifecycle.drain(self._conv, deadline))
        self._join(deadline)
        return report

    def run_forever(
        self, *, signals: Sequence[int] = (signal.SIGTERM, signal.SIGINT), timeout: float | None = None
    ) -> DrainReport:
        """Let handlers work until a signal comes, then `drain`. To be called on the main thread.

        Args:
            signals: the signals that end it.
            timeout: seconds for the draining.

        Raises:
            StompError: why the client has failed, if it has.
            UsageError: it was not called on the main thread, which alone gets signals.
        """
        if threading.current_thread() is not threading.main_thread():
            raise UsageError(
                "run_forever waits for signals, and was not called on the main thread",
                hint="call drain instead",
            )
        signals = arguments.items("signals", signals, "pass a list, as in signals=[signal.SIGTERM]")
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        from queue import Empty, SimpleQueue

        # Not an Event: a signal may come while the lock of one is held by this very thread.
        stopped: SimpleQueue[None] = SimpleQueue()

        def stop(*_: object) -> None:
            stopped.put(None)

        def look() -> None:
            if self.state.over:
                stopped.put(None)

        before = {number: signal.signal(number, stop) for number in signals}
        with self._lock:
            self._conv.life.watch(look)
        try:
            while not self.state.over:
                with contextlib.suppress(Empty):
                    stopped.get(timeout=LONGEST)
                    break
            if self.state is ClientState.FAILED and self.error is not None:
                raise self.error
            return self.drain(timeout)
        finally:
            with self._lock:
                self._conv.life.unwatch(look)
            for number, handler in before.items():
                signal.signal(number, handler)

    def states(self, timeout: float | None = None) -> Iterator[StateChange]:
        """State changes from now on, one by one, until the client is over or there was none for so many seconds."""
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        state_log = StateChangeQueue()
        with self._lock:
            self._conv.logs.append(state_log)
        return self._states(state_log, timeout)

    def _states(self, state_log: StateChangeQueue, timeout: float | None) -> Iterator[StateChange]:
        try:
            while True:
                deadline = None if timeout is None else self._deadline(timeout)
                change = self._run(verbs.next_change(self._conv, state_log, deadline))
                if change is None:
                    return
                yield change
        finally:
            with self._lock:
                self._conv.logs.remove(state_log)

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Who presses Ctrl-C does not want to wait for a broker that says nothing.
        self.close(self._short_deadline() if isinstance(error, KeyboardInterrupt) else None)

    # ------------------------------------------------------------------------------------- sending

    def send(
        self,
        destination: str,
        body: Body = b"",
        *,
        confirm: bool = False,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> None:
        """Send a message.

        Args:
            destination: where to.
            body: bytes, or text, which becomes UTF-8.
            confirm: return when the broker has it. Else it is on its way, and may be lost with the connection.
            timeout: seconds to wait for a connection and for the broker.
            **options: see `SendOptions`.

        Raises:
            BrokerError: the broker refused it.
            OutcomeUnknown: there was no answer: the broker may have it or not.
            NotConnected: there is no connection in time; nothing was sent.
            Unsupported: the broker cannot do what an option asks for.
            FrameError: a header cannot be sent safely.
        """
        if not (confirm or options) and type(body) is bytes and self._send_plain(destination, body):
            return
        arguments.flag("confirm", confirm)
        deadline = self._deadline(timeout)
        if confirm and not options:
            sent: Confirmation | None = self._start_plain(destination, body, deadline, patient=False)
            if sent is not None:
                self._run(verbs.confirmed(self._conv, sent, deadline))
                return
        parcel = self._parcel(destination, body, options)
        if confirm:
            self._run(verbs.send_confirmed(self._conv, parcel, self._confirmation, deadline))
        else:
            self._run(verbs.send(self._conv, parcel, deadline))

    def send_async(
        self,
        destination: str,
        body: Body = b"",
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> Confirmation:
        """Send a message to be confirmed, and go on. It waits only while the window is full.

        Args:
            destination: where to.
            body: bytes, or text, which becomes UTF-8.
            timeout: seconds to wait for a connection and for room in the window; then, for the broker's answer.
            **options: see `SendOptions`.

        Returns:
            What will have the outcome; see `Confirmation.result`.

        Raises:
            NotConnected: there is no connection in time; nothing was sent.
            SendStalled: there was no room in the window in time; nothing was sent.
        """
        deadline = self._deadline(timeout)
        if not options:
            sent: Confirmation | None = self._start_plain(destination, body, deadline, patient=True)
            if sent is not None:
                return sent
        parcel = self._parcel(destination, body, options)
        confirmation: Confirmation = self._run(
            verbs.start(self._conv, parcel, self._confirmation, deadline, patience=self._timeout(timeout))
        )
        return confirmation

    def send_many(
        self,
        messages: Iterable[tuple[str, Body]],
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> list[Confirmation]:
        """Send (destination, body) pairs, confirmed; return when all have their outcome.

        Args:
            messages: the pairs.
            timeout: seconds for all of them.
            **options: for each of them, see `SendOptions`.

        Returns:
            A confirmation for each, in the same order: look at ``outcome``.
        """
        parcels = self._parcels(messages, options)
        return self._run(verbs.send_all(self._conv, parcels, self._confirmation, self._deadline(timeout)))

    @contextlib.contextmanager
    def confirmations(self, timeout: float | None = None) -> Generator[Batch, None, None]:
        """A batch: ``batch.send(...)`` goes on at once; leaving it waits until all are confirmed.

        Raises:
            BrokerError: at the end: one was refused, the first of them.
            OutcomeUnknown: at the end: of one nobody knows, the first of them.
        """
        batch = Batch(self)
        yield batch
        self._run(verbs.all_done(self._conv, batch.confirmations, self._deadline(timeout)))
        for confirmation in batch.confirmations:
            if confirmation.error is not None:
                raise confirmation.error

    @contextlib.contextmanager
    def transaction(self, timeout: float | None = None) -> Generator[Transaction, None, None]:
        """A transaction: committed at the end, aborted if there was an exception.

        Raises:
            TransactionVoid: its connection was lost; nothing of it was carried out.
            BrokerError: the broker refused the COMMIT.
            OutcomeUnknown: the connection was lost before COMMIT was answered.
        """
        record = self._run(verbs.begin(self._conv, self._deadline(timeout)))
        transaction = Transaction(self, record)
        try:
            yield transaction
        except BaseException:
            transaction.abort(timeout)
            raise
        if record.state != "aborted":
            transaction.commit(timeout)

    def request(
        self,
        destination: str,
        body: Body = b"",
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> Message:
        """Send a request and wait for its reply, which comes over a temporary queue.

        Args:
            destination: where somebody answers by `Message.reply`.
            body: bytes, or text, which becomes UTF-8.
            timeout: seconds to wait for the reply.
            **options: see `SendOptions`.

        Raises:
            ReplyMissing: nobody answered in time.
            OutcomeUnknown: the connection was lost meanwhile.
            NotConnected: nothing was sent.
        """
        parcel = self._parcel(destination, body, options)
        reply: Any = self._run(verbs.ask(self._conv, parcel, self._deadline(timeout)))
        message: Message = reply
        return message

    # ------------------------------------------------------------------------------------- receiving

    def subscribe(
        self,
        destination: str,
        *,
        ack: Ack = "auto",
        timeout: float | None = None,
        **options: Unpack[SubscribeOptions],
    ) -> Subscription:
        """Subscribe; iterate over what is returned. It is restored when the connection was lost.

        Args:
            destination: where messages come from.
            ack: "auto", or "client-individual" to acknowledge each message, or "client" to acknowledge it with all
                that came before.
            timeout: seconds to wait for a connection and for the broker's answer.
            **options: see `SubscribeOptions`.

        Raises:
            BrokerError: the broker refused.
            OutcomeUnknown: it did not answer.
            NotConnected: there is no connection in time.
            Unsupported: the broker cannot do what an option asks for.
            UsageError: there is a subscription of that id.
        """
        feed = self._feed(destination, ack, options)
        self._run(subscribing.subscribe(self._conv, feed, self._deadline(timeout)))
        return Subscription(self, feed)

    def merge(self, *subscriptions: Subscription) -> MergedSubscription:
        """Several subscriptions of this client as one: take their messages in the order in which they come.

        Raises:
            UsageError: one of them is merged already.
        """
        self._check_merged(subscriptions)
        inbox = MessageQueue()
        with self._lock:
            for subscription in subscriptions:
                subscription._feed.merge_into(inbox)
        return MergedSubscription(self, inbox)

    def consume(
        self,
        destination: str,
        handler: Callable[[Message], object],
        *,
        concurrency: int = 1,
        ack: Ack = "client-individual",
        timeout: float | None = None,
        **options: Unpack[SubscribeOptions],
    ) -> Consumer:
        """Have `handler(message)` called for each message: acknowledged when it returns, refused when it raises.

        Args:
            destination: where messages come from.
            handler: called on threads of its own, which may block.
            concurrency: how many threads; with 1 messages are handled one after the other, in order.
            ack: see `subscribe`.
            timeout: seconds to wait for a connection and for the broker's answer.
            **options: see `SubscribeOptions`.

        Raises:
            UsageError: the handler cannot be called; it is a coroutine function, which only `AsyncClient` runs.
            BrokerError, OutcomeUnknown, NotConnected, Unsupported: see `subscribe`.
        """
        check_function("the handler", handler)
        arguments.count("concurrency", concurrency)
        subscription = self.subscribe(destination, ack=ack, timeout=timeout, **options)
        consumer = Consumer(subscription, handler, concurrency)
        self._consumers.append(consumer)
        return consumer

    # ------------------------------------------------------------------------------------- inside

    def _confirmation(self, receipt: str, frame: Frame | None, size: int) -> Confirmation:
        return Confirmation(self, receipt, frame, size)

    def _join(self, deadline: float) -> None:
        """Wait for the handlers and callbacks at work."""
        self._join_calls(min(deadline, self._deadline(self._short_deadline())))
        consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            consumer._join(deadline)


class Batch:
    """Confirmed sends that are waited for together; made by `Client.confirmations`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.confirmations: list[Confirmation] = []

    def send(
        self,
        destination: str,
        body: Body = b"",
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> Confirmation:
        """See `Client.send_async`."""
        confirmation = self._client.send_async(destination, body, timeout=timeout, **options)
        self.confirmations.append(confirmation)
        return confirmation
