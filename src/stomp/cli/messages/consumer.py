"""Receiving messages, for the commands `listen`, `reply`, `dump` and `move`.

Rules of this file: a message that was not processed is not acknowledged, so the broker keeps it. The client sends
DISCONNECT whatever ends the command: the count, the timeout, a signal, an error or a closed pipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from stomp.cli.framework.exit_status import Interrupted, Status, Terminated
from stomp.cli.framework.parser import duration, number
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

#: The default prefetch, for brokers that have a header for it.
_PREFETCH = 100


def add_options(parser: Parser, *, prefetch: str) -> None:
    """Declare the options."""
    parser.add("-n", "--count", metavar="COUNT", type=number(1), help="stop after COUNT messages")
    parser.add("--timeout", metavar="TIME", type=duration(0.001),
        help="stop after this TIME without a message (with -n: exit status 3)")  # fmt: skip
    parser.add("--prefetch", metavar="N", type=number(1),
        help=f"maximum number of unacknowledged messages ({prefetch})")  # fmt: skip
    parser.add("--selector", metavar="EXPRESSION",
        help="only messages whose headers match this SQL-92 expression, if the broker supports selectors")  # fmt: skip
    parser.add("--grace", metavar="TIME", type=duration(0), default=30.0,
        help="time to finish the current message after Ctrl-C or SIGTERM (default 30)")  # fmt: skip


class MessageConsumer:
    """A connection with subscriptions. Iterate over it inside a ``with`` statement, which disconnects at its end.

    Args:
        args: the options of `add_options` and of the connection.
        terminal: for messages to the user.
        destinations: the destinations to subscribe to.
        ack: "auto", "client", "client-individual", or "none". With "none" no message is acknowledged, so the broker
            delivers all of them again.
        prefetch: the prefetch if --prefetch is not given, for brokers that have a header for it.
        durable: the name of a durable subscription.
        reconnect: connect again when the connection is lost.
        on_grace_expired: called if the current message is not settled at the end of the grace period.

    Attributes:
        client: the `stomp.Client`.
        received: the number of messages received by the iteration.
        reconnects: how often the connection was lost.
        status: the exit status, which is valid after the ``with`` statement.
    """

    def __init__(
        self,
        args: Namespace,
        terminal: Terminal,
        *,
        destinations: Sequence[str],
        ack: str = "client-individual",
        prefetch: int = _PREFETCH,
        durable: str | None = None,
        reconnect: bool = True,
        on_grace_expired: Callable[[], object] | None = None,
    ) -> None:
        from stomp.cli.config.settings import settings
        from stomp.cli.framework.signals import StopSignal

        self._args = args
        self._terminal = terminal
        self._destinations = destinations
        self._ack = ack
        self._prefetch = prefetch
        self._durable = durable
        self._on_grace_expired = on_grace_expired
        self.client: Any = settings(args).client(reconnect=reconnect, reattempts=-1)
        self.stop: StopSignal = StopSignal(self._drain)
        self._grace_expired = False  # the current message was not settled within the grace period
        self.received: int = 0
        self.reconnects: int = 0
        self.status: Status = Status.OK

    def __enter__(self) -> Self:
        try:
            self.client.connect()
            self.client.on_state(self._on_state)
            subscriptions = [self._subscribe(destination) for destination in self._destinations]
            self._source = subscriptions[0] if len(subscriptions) == 1 else self.client.merge(*subscriptions)
            self._first = subscriptions[0]
        except BaseException as error:
            self._close()
            # SIGTERM raises `Interrupted` here. Ctrl-C raises a plain KeyboardInterrupt: its exit status stays 130.
            if isinstance(error, Interrupted) and self._is_unlimited:
                raise Terminated from None
            raise
        self.stop.__enter__()
        return self

    def _subscribe(self, destination: str) -> Any:
        none = self._ack == "none"
        prefetch = self._args.prefetch
        if prefetch is None and self._ack != "auto" and self.client.broker.prefetch is not None:
            prefetch = self._prefetch if self._args.count is None else min(self._args.count, self._prefetch)
        return self.client.subscribe(
            destination,
            ack="client-individual" if none else self._ack,
            prefetch=prefetch,
            selector=self._args.selector,
            durable=self._durable,
        )

    def __iter__(self) -> Iterator[Any]:
        """The messages, until the count, the timeout or a signal ends the iteration."""
        count, timeout = self._args.count, self._args.timeout
        messages = self._messages(timeout)
        while (count is None or self.received < count) and (message := next(messages, None)) is not None:
            self.received += 1
            yield message
        if self.stop.requested:
            self.status = Status.INTERRUPTED
        elif count is not None and self.received < count:
            self.status = Status.UNREACHED
            self._terminal.error(
                f"{self.received} of {count} messages arrived; then there was none for {timeout:g} s"
            )

    def _messages(self, timeout: float | None) -> Iterator[Any]:
        try:
            messages: Iterator[Any] = self._source.messages(timeout)
        except UsageError:
            if not self.stop.requested:
                raise
            return iter(())  # a signal arrived before, and has closed the subscription
        return messages

    @property
    def _is_unlimited(self) -> bool:
        """True if only a signal stops it: there is neither a count nor a timeout."""
        return self._args.count is None and self._args.timeout is None

    @property
    def queued(self) -> Any:
        """The number of messages that were received and are still queued."""
        # Merged subscriptions share one queue.
        return self._first.waiting

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lost: int = self.queued if self._ack == "auto" else 0
        if kind is None and not self.stop.requested and self._ack != "none":
            self.client.drain(self._args.grace)
        self.stop.__exit__(kind, error, trace)
        self._close()
        if self.stop.terminated and self._is_unlimited and not self._grace_expired:
            self.status = Status.OK
        if lost:
            self._terminal.info(
                f"{lost} more messages had arrived and are lost: with --ack auto the broker considers them delivered"
            )

    def _close(self) -> None:
        from stomp.cli.config.settings import INTERRUPT_TIMEOUT

        self.client.close(INTERRUPT_TIMEOUT)

    def _drain(self) -> None:
        """After a signal: stop receiving, and wait until the current message is settled or the grace period is over.

        With `ack` "none" nothing is to be settled, so the client is closed at once.
        """
        if self._ack == "none":
            self._close()
        elif self.client.drain(self._args.grace).unsettled:
            self._grace_expired = True
            if self._on_grace_expired is not None:
                self._on_grace_expired()

    def _on_state(self, change: Any) -> None:
        state = change.state.value
        if state == "reconnecting":
            self.reconnects += 1
            self._terminal.info(f"reconnecting: {change.reason}")
        elif state == "connected":
            self._terminal.info(f"reconnected to {change.address}")
