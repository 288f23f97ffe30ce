"""The client class of this package, with the methods that connect, send and subscribe.

Rule of this file: a method checks its arguments and runs an operation; the logic is in `stomp.core.engine`.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

from stomp.client.aio.awaitable import awaitable_context
from stomp.client.aio.driver import AsyncDriver
from stomp.client.aio.handles import (
    AsyncMessage,
    Confirmation,
    Consumer,
    MergedSubscription,
    Subscription,
    Transaction,
)
from stomp.client.aio.waiting import INTERRUPTED, current
from stomp.client.arguments import Ack, Body, SendOptions, SubscribeOptions
from stomp.client.base import BaseClient
from stomp.client.handling import check_drain
from stomp.core import arguments
from stomp.core.callables import check_function
from stomp.core.engine import lifecycle, receive, request_reply, send, transaction_ops
from stomp.core.engine import subscriptions as subscribing
from stomp.core.engine.message_queue import MessageQueue
from stomp.core.engine.status import ClientState, DrainReport, StateChange, StateChangeQueue
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from stomp.client.config import ResolvedConfig
    from stomp.core.frames.frame import Frame


class AsyncClient(AsyncDriver):  # noqa: D101 - see BaseClient
    __doc__ = BaseClient.__doc__

    _message_class = AsyncMessage

    def _setup(self, settings: ResolvedConfig) -> None:
        super()._setup(settings)
        self._consumers: list[Consumer] = []

    @classmethod
    def per_address(
        cls, url: str | None = None, *, resolve: bool = False, **settings: Any
    ) -> list[AsyncClient]:
        """Create one client for each address of the URL, for a cluster whose brokers have separate messages.

        Args:
            url: the addresses of the brokers.
            resolve: create one client for each IP address that a name resolves to now, as with a DNS alias for a
                cluster. The look-up blocks.
            **settings: the arguments of the class.

        Returns:
            The clients, not connected yet.

        Raises:
            ConnectFailed: with `resolve`: a name cannot be resolved.
        """
        arguments.flag("resolve", resolve)
        return [cls._from(each) for each in cls(url, **settings)._settings.per_address(resolve=resolve)]

    # ------------------------------------------------------------------------------------- connecting and closing

    @awaitable_context  # ASYNC
    async def connect(self) -> Self:
        """Connect, unless that is done by an ``async with`` statement.

        Raises:
            AuthenticationFailed: the broker refused the login.
            ConnectFailed: no broker could be reached, or none accepted the login; says where and why.
            UsageError: the client is already connected, or is connected on another event loop.
        """
        async with self._opening():
            await self._connect(lifecycle.connect_gen(self._engine, self._options.random))
        return self

    async def close(self, timeout: float | None = None) -> bool:
        """Wait for the pending answers, and disconnect. True if the broker has received everything.

        It does not raise for a lost connection, and may be called again.
        """
        async with self._joining(timeout):
            return await self._run(lifecycle.close_gen(self._engine, self._deadline(timeout)))

    async def drain(self, timeout: float | None = None) -> DrainReport:
        """Stop delivering messages, wait until delivered ones are settled and all sends are answered, and `close`.

        It also waits for the end of open transactions.

        Args:
            timeout: seconds for all of this.

        Returns:
            What was left; ``report.clean`` is True if nothing was.

        Raises:
            UsageError: it was called by the handler of an unsettled message, or within an open transaction: `drain`
                would wait for its caller.
        """
        deadline = self._deadline(timeout)
        with self._lock:
            own_transactions = self._engine.transactions(current())
        check_drain(self._handling.get(current()), own_transactions)
        async with self._joining(timeout, deadline):
            return await self._run(lifecycle.drain_gen(self._engine, deadline))

    async def run_forever(
        self, *, signals: Sequence[int] = (signal.SIGTERM, signal.SIGINT), timeout: float | None = None
    ) -> DrainReport:
        """Run the handlers until a signal arrives, then `drain`. Call it on the main thread.

        Args:
            signals: the signals that stop the client.
            timeout: seconds for draining.

        Raises:
            StompError: the client has failed; this is the reason.
            UsageError: it was not called on the main thread, the only one that receives signals.
        """
        signals = arguments.items("signals", signals, "pass a list, as in signals=[signal.SIGTERM]")
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        with self._stop_signal(signals) as stop:
            await stop.wait()
            if self.state is ClientState.FAILED and self.error is not None:
                raise self.error
            return await self.drain(timeout)

    def states(self, timeout: float | None = None) -> AsyncIterator[StateChange]:
        """Iterate over state changes from now on, until the client has ended or none came within `timeout` seconds."""
        if timeout is not None:
            arguments.seconds("timeout", timeout)
        state_log = StateChangeQueue()
        with self._lock:
            self._engine.logs.append(state_log)
        return self._states(state_log, timeout)

    async def _states(self, state_log: StateChangeQueue, timeout: float | None) -> AsyncIterator[StateChange]:
        try:
            while True:
                deadline = None if timeout is None else self._deadline(timeout)
                change = await self._run(receive.next_state_change_gen(self._engine, state_log, deadline))
                if change is None:
                    return
                yield change
        finally:
            with self._lock:
                self._engine.logs.remove(state_log)

    async def __aenter__(self) -> Self:
        # As with a file, the statement may be given what is open already.
        if self.state in (ClientState.CONNECTED, ClientState.RECONNECTING):
            return self
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an interruption, do not wait for long for a broker that does not answer.
        await self.close(self._short_deadline() if isinstance(error, INTERRUPTED) else None)

    # ------------------------------------------------------------------------------------- sending

    async def send(
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
            destination: the destination.
            body: bytes, or str, which is encoded as UTF-8.
            confirm: return once the broker has confirmed the message. Otherwise the message may still be lost together
                with the connection.
            timeout: seconds to wait for a connection and for the broker.
            **options: see `SendOptions`.

        Raises:
            BrokerError: the broker refused the message.
            OutcomeUnknown: there was no answer: the broker may have received the message or not.
            NotConnected: there was no connection in time; nothing was sent.
            Unsupported: the broker does not support an option.
            FrameError: a header cannot be sent safely.
        """
        arguments.flag("confirm", confirm)
        deadline = self._deadline(timeout)
        outgoing = self._outgoing(destination, body, options)
        if confirm:
            await self._run(send.send_confirmed_gen(self._engine, outgoing, self._confirmation, deadline))
        elif not await self._try_now(outgoing):
            await self._run(send.send_gen(self._engine, outgoing, deadline))

    async def send_async(
        self,
        destination: str,
        body: Body = b"",
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> Confirmation:
        """Send a message with a RECEIPT requested, without waiting for it. Waits only while the window is full.

        Args:
            destination: the destination.
            body: bytes, or str, which is encoded as UTF-8.
            timeout: seconds to wait for a connection and for space in the window; also the timeout of the broker's
                answer.
            **options: see `SendOptions`.

        Returns:
            The pending confirmation. Wait for it with `Confirmation.result`.

        Raises:
            NotConnected: there was no connection in time; nothing was sent.
            SendStalled: there was no space in the window in time; nothing was sent.
        """
        deadline = self._deadline(timeout)
        outgoing = self._outgoing(destination, body, options)
        confirmation: Confirmation = await self._run(
            send.send_async_gen(
                self._engine, outgoing, self._confirmation, deadline, answer_timeout=self._timeout(timeout)
            )
        )
        return confirmation

    async def send_many(
        self,
        messages: Iterable[tuple[str, Body]],
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> list[Confirmation]:
        """Send (destination, body) pairs with confirmation. Returns when every message has an outcome.

        Args:
            messages: the pairs.
            timeout: seconds for all of them.
            **options: the options of each message, see `SendOptions`.

        Returns:
            A confirmation for each message, in the same order. Check its ``outcome``.
        """
        outgoing = self._outgoing_messages(messages, options)
        return await self._run(
            send.send_many_gen(self._engine, outgoing, self._confirmation, self._deadline(timeout))
        )

    @contextlib.asynccontextmanager
    async def confirmations(self, timeout: float | None = None) -> AsyncGenerator[Batch, None]:
        """A batch: ``await batch.send(...)`` does not wait for the RECEIPT; leaving the batch waits for all of them.

        Raises:
            BrokerError: at the end: the broker refused a message. The first error is raised.
            OutcomeUnknown: at the end: the outcome of a message is unknown. The first error is raised.
        """
        batch = Batch(self)
        yield batch
        await self._run(send.wait_all_gen(batch.confirmations, self._deadline(timeout)))
        for confirmation in batch.confirmations:
            if confirmation.error is not None:
                raise confirmation.error

    @awaitable_context  # ASYNC
    async def begin(self, timeout: float | None = None) -> Transaction:
        """Begin a transaction. End it with `Transaction.commit` or `Transaction.abort`.

        An ``async with`` statement commits it at the end, and aborts it if there was an exception.

        Args:
            timeout: seconds to wait for a connection; also the timeout of ``commit`` and ``abort``.

        Raises:
            NotConnected: there was no connection in time.
            Unsupported: the broker has no transactions.
            TransactionVoid: at the end of ``async with``: its connection was lost; nothing in it was committed.
            BrokerError: at the end of ``async with``: the broker refused the COMMIT.
            OutcomeUnknown: at the end of ``async with``: the connection was lost before COMMIT was answered.
        """
        operation = transaction_ops.begin_gen(self._engine, self._deadline(timeout), current())
        return Transaction(self, await self._run(operation), timeout)

    @awaitable_context  # ASYNC
    async def transaction(self, timeout: float | None = None) -> Transaction:
        """Begin a transaction; another name of `begin`."""
        return await self.begin(timeout)

    async def request(
        self,
        destination: str,
        body: Body = b"",
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> AsyncMessage:
        """Send a request and wait for its reply, which arrives on a temporary queue.

        Args:
            destination: the destination whose consumer answers with `AsyncMessage.reply`.
            body: bytes, or str, which is encoded as UTF-8.
            timeout: seconds to wait for the reply.
            **options: see `SendOptions`.

        Raises:
            ReplyMissing: there was no reply in time.
            OutcomeUnknown: the connection was lost while waiting.
            NotConnected: there was no connection in time; nothing was sent.
        """
        outgoing = self._outgoing(destination, body, options)
        reply: Any = await self._run(
            request_reply.request_gen(self._engine, outgoing, self._deadline(timeout))
        )
        message: AsyncMessage = reply
        return message

    async def request_many(
        self,
        destination: str,
        body: Body = b"",
        *,
        replies: int,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> list[AsyncMessage]:
        """Send a request to a topic, and wait for the replies of several services.

        Args:
            destination: the destination whose consumers answer with `AsyncMessage.reply`.
            body: bytes, or str, which is encoded as UTF-8.
            replies: return once there are this many replies.
            timeout: seconds; then it returns the replies that have arrived.
            **options: see `SendOptions`.

        Raises:
            ReplyMissing: there was no reply in time.
            OutcomeUnknown: the connection was lost while waiting.
            NotConnected: there was no connection in time; nothing was sent.
        """
        count = arguments.count("replies", replies)
        outgoing = self._outgoing(destination, body, options)
        found: Any = await self._run(
            request_reply.request_many_gen(self._engine, outgoing, self._deadline(timeout), count)
        )
        messages: list[AsyncMessage] = found
        return messages

    # ------------------------------------------------------------------------------------- receiving

    @awaitable_context  # ASYNC
    async def subscribe(
        self,
        destination: str,
        *,
        ack: Ack = "auto",
        timeout: float | None = None,
        **options: Unpack[SubscribeOptions],
    ) -> Subscription:
        """Subscribe to a destination. The client subscribes again after a reconnect.

        Args:
            destination: the destination.
            ack: "auto", or "client-individual" to acknowledge each message, or "client" to acknowledge a message
                together with all earlier ones.
            timeout: seconds to wait for a connection and for the broker's answer.
            **options: see `SubscribeOptions`.

        Returns:
            The subscription. Iterate over it to get the messages.

        Raises:
            BrokerError: the broker refused the subscription.
            OutcomeUnknown: the broker did not answer.
            NotConnected: there was no connection in time.
            Unsupported: the broker does not support an option.
            UsageError: there is already a subscription with this id.
        """
        subscription = self._subscription(destination, ack, options)
        await self._run(subscribing.subscribe_gen(self._engine, subscription, self._deadline(timeout)))
        return Subscription(self, subscription)

    def merge(self, *subscriptions: Subscription) -> MergedSubscription:
        """Merge several subscriptions of this client: get their messages in the order in which they arrive.

        Raises:
            UsageError: one of them is already merged, or is not a subscription of this client.
        """
        if not subscriptions:
            raise UsageError("there is no subscription to merge", hint="pass at least one")
        objects: tuple[object, ...] = subscriptions
        for number, each in enumerate(objects, 1):
            if not isinstance(each, Subscription) or each._client is not self:
                raise UsageError(
                    f"argument {number} of merge is not a subscription of this client",
                    hint="pass what its subscribe() has returned",
                )
        queue = MessageQueue()
        with self._lock:
            for subscription in subscriptions:
                subscription._subscription.merge_into(queue)
        return MergedSubscription(self, queue)

    @awaitable_context  # ASYNC
    async def consume(
        self,
        destination: str,
        handler: Callable[[AsyncMessage], object],
        *,
        concurrency: int = 1,
        ack: Ack = "client-individual",
        timeout: float | None = None,
        **options: Unpack[SubscribeOptions],
    ) -> Consumer:
        """Call `handler(message)` for each message: acknowledged when it returns, refused (NACK) when it raises.

        Args:
            destination: the destination.
            handler: a coroutine function, or a function that does not block.
            concurrency: how many run at the same time; with 1, messages are handled one after the other, in order.
            ack: see `subscribe`.
            timeout: seconds to wait for a connection and for the broker's answer.
            **options: see `SubscribeOptions`.

        Raises:
            UsageError: the handler is not callable.
            BrokerError, OutcomeUnknown, NotConnected, Unsupported: see `subscribe`.
        """
        check_function("the handler", handler, coroutines=self._awaits)
        arguments.count("concurrency", concurrency)
        subscription = await self.subscribe(destination, ack=ack, timeout=timeout, **options)
        consumer = Consumer(subscription, handler, concurrency)
        self._consumers.append(consumer)
        return consumer

    # ------------------------------------------------------------------------------------- inside

    def _confirmation(self, receipt: str, frame: Frame | None, size: int) -> Confirmation:
        return Confirmation(self, receipt, frame, size)

    async def _join_consumers(self, deadline: float) -> None:
        consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            await consumer._join(deadline)


class Batch:
    """Confirmed sends that are awaited together; created by `AsyncClient.confirmations`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.confirmations: list[Confirmation] = []

    async def send(
        self,
        destination: str,
        body: Body = b"",
        *,
        timeout: float | None = None,
        **options: Unpack[SendOptions],
    ) -> Confirmation:
        """See `AsyncClient.send_async`."""
        confirmation = await self._client.send_async(destination, body, timeout=timeout, **options)
        self.confirmations.append(confirmation)
        return confirmation
