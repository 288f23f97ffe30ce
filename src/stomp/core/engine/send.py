"""The operations that send: without a receipt, and confirmed.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.

Rules of this file: the outcome of a confirmed send is confirmed, refused or unknown, and nothing else. A
frame that is known not to have been sent may be sent again silently. A frame that may have been sent is
repeated only with `OnUnknown.RESEND`, and is then marked by a ``possible-duplicate`` header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stomp.core import arguments
from stomp.core.engine.broker_profiles import send_headers
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import Call, Now, Operation, SendFrame, Wait
from stomp.core.engine.message import deflated
from stomp.core.engine.subscriptions import wait_connected_gen, wait_disconnected_gen
from stomp.core.errors import (
    ConnectionLost,
    NotConnected,
    OutcomeUnknown,
    ReceiptMissing,
    SendStalled,
    StompError,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.frames.frame import bytes_of

if TYPE_CHECKING:
    from stomp.core.engine.broker_connection import BrokerConnection
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.frames.frame import Frame

_C = TypeVar("_C", bound=BaseConfirmation)
#: Makes the confirmation object of the client, from the receipt id, the frame (if it may be sent again) and
#: the size.
Maker = Callable[[str, "Frame | None", int], _C]


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
            body = _bytes_of(body)
        if compress is not None:
            body = deflated(body, compress)
            headers = {**(headers or {}), "content-encoding": compress}
        self.headers: dict[str, Any] | None = headers
        self.body: bytes = body
        self.content_type: str | None = content_type
        self.text: bool = text
        self.epoch_ms: int = epoch_ms
        self.options: dict[str, Any] | None = options

    def frame(self, connection: BrokerConnection) -> Frame:
        """Build the SEND for the broker of this connection.

        Raises:
            Unsupported: the broker does not have a feature that was asked for.
            UsageError: a number is out of range.
        """
        headers = self.headers
        if self.options:
            headers = {
                **send_headers(connection.profile, epoch_ms=self.epoch_ms, **self.options),
                **(headers or {}),
            }
        return commands.send(
            self.destination,
            self.body,
            content_type=self.content_type,
            # ActiveMQ and Artemis turn a SEND without content-length into a text message.
            content_length=not (self.text and connection.profile.text_without_content_length),
            headers=headers,
        )


def _bytes_of(body: object) -> bytes:
    data = bytes_of(body)
    if data is None:
        raise UsageError(
            f"the body is of type {type(body).__name__}",
            hint="pass bytes or str, or for JSON json=",
        )
    return data


def send_gen(engine: ClientEngine, outgoing: OutgoingMessage, deadline: float) -> Operation[None]:
    """Send without a receipt. Returns when the frame was passed to the connection.

    Raises:
        NotConnected: there is no connection; nothing was sent.
        ConnectionLost: the connection was lost meanwhile; the outcome is unknown.
    """
    while True:
        connection = engine.ready_connection or (yield from wait_connected_gen(engine, deadline))
        frame = outgoing.frame(connection)
        callbacks = (yield from run_sending_hooks_gen(engine, frame)) if engine.config.hooks else None
        try:
            yield from send_frame_gen(SendFrame(connection.link, frame), callbacks)
            return
        except ConnectionLost:
            raise
        except NotConnected:
            # It was not sent: the session was closed, but the engine has not processed that yet.
            yield from wait_disconnected_gen(engine, connection, deadline)


def send_async_gen(
    engine: ClientEngine,
    outgoing: OutgoingMessage,
    make: Maker[_C],
    deadline: float,
    *,
    answer_timeout: float | None = None,
    may_delay: bool = True,
) -> Operation[_C]:
    """Send with a receipt, without waiting for the answer.

    Wait for it with `wait_outcome_gen`, `wait_confirmed_gen` or `wait_all_gen`.

    Args:
        engine: the engine of the client.
        outgoing: the message.
        make: makes the confirmation.
        deadline: until when to wait for a connection and for space in the window, and when the RECEIPT is
            overdue, in seconds on the driver's clock.
        answer_timeout: if it had to wait for a connection or for space: the seconds from then on after which the
            RECEIPT is overdue, instead of `deadline`.
        may_delay: the writer may delay the frame, see `stomp.core.engine.effects.SendFrame`.

    Returns:
        The confirmation, which will get the outcome.

    Raises:
        NotConnected: there was no connection before the deadline; nothing was sent.
        SendStalled: there was no space in the window before the deadline; nothing was sent.
    """
    config = engine.config
    resend = config.on_unknown is OnUnknown.RESEND
    size = len(outgoing.body) + 1
    answer_by = deadline
    while True:
        connection = engine.ready_connection
        if connection is None or not engine.pending.fits(size):
            connection = yield from _wait_for_window_gen(engine, size, deadline)
            if answer_timeout is not None:
                answer_by = (yield Now()) + answer_timeout
        if not connection.profile.receipts:
            raise connection.profile.refuse("receipts", "send without confirm=True")
        frame = outgoing.frame(connection)
        callbacks = (yield from run_sending_hooks_gen(engine, frame)) if config.hooks else []
        if engine.connection is not connection or not engine.pending.fits(size):
            yield from _notify_outcome_gen(callbacks, NotConnected("not sent yet"))
            continue
        receipt = frame.headers["receipt"] = engine.next_id()
        if resend:
            frame.headers.setdefault(connection.profile.deduplication, f"{config.nonce}-{receipt}")
        confirmation = engine.add_request(make(receipt, frame if resend else None, size), connection)
        for callback in callbacks:
            confirmation.when_done(_adapt_callback(callback))
        try:
            yield SendFrame(connection.link, frame, None if resend else answer_by, may_delay)
        except SendStalled:
            pass  # the frame is queued, and is written when the broker reads again
        except ConnectionLost:
            pass  # the end of the connection sets the outcome
        except NotConnected as err:
            if not resend and engine.cancel_request(receipt):
                # It was not sent and has no outcome yet, so it can be sent again unmarked.
                yield from _notify_outcome_gen(callbacks, err)
                yield from wait_disconnected_gen(engine, connection, deadline)
                continue
        except BaseException as err:
            if engine.cancel_request(receipt) and not isinstance(err, GeneratorExit):
                yield from _notify_outcome_gen(callbacks, _as_outcome(err))
            raise
        return confirmation


def _wait_for_window_gen(engine: ClientEngine, size: int, deadline: float) -> Operation[BrokerConnection]:
    """Wait until there is a connection, and space in the window for `size` bytes. Returns the connection."""
    while True:
        if not (yield Wait(engine.pending.window_opened, lambda: engine.pending.fits(size), deadline)):
            raise SendStalled(
                f"{engine.pending.sends} confirmed sends are waiting for the broker, which is the limit",
                hint="check the broker's alarms, or increase window=",
            )
        connection = yield from wait_connected_gen(engine, deadline)
        if engine.pending.fits(size):
            return connection


OutcomeCallbacks = list[Callable[[StompError | None], object]]


def run_sending_hooks_gen(engine: ClientEngine, frame: Frame) -> Operation[OutcomeCallbacks]:
    """Call the `Hooks.sending` of all hooks, and return their callbacks for the outcome."""
    callbacks: OutcomeCallbacks = []
    for hook in engine.config.hooks:
        callback = yield Call(partial(hook.sending, frame), guarded=True)
        if callback is not None:
            callbacks.append(callback)
    return callbacks


def _notify_outcome_gen(callbacks: OutcomeCallbacks, error: StompError | None) -> Operation[None]:
    for callback in callbacks:
        yield Call(partial(callback, error), guarded=True)


def send_frame_gen(send: SendFrame, callbacks: OutcomeCallbacks | None) -> Operation[None]:
    """Send a frame, and call the callbacks of the hooks with the result."""
    if not callbacks:
        yield send
        return
    try:
        yield send
    except GeneratorExit:
        raise
    except BaseException as err:
        yield from _notify_outcome_gen(callbacks, _as_outcome(err))
        raise
    yield from _notify_outcome_gen(callbacks, None)


def _as_outcome(err: BaseException) -> StompError:
    """Return the error that the callbacks of hooks get for an exception of a send."""
    if isinstance(err, StompError):
        return err
    error = OutcomeUnknown(f"sending was ended by {type(err).__name__}")
    error.__cause__ = err
    return error


def _adapt_callback(callback: Callable[[StompError | None], object]) -> Callable[[BaseConfirmation], object]:
    return lambda confirmation: callback(confirmation.error)


def wait_outcome_gen(confirmation: BaseConfirmation, deadline: float | None) -> Operation[None]:
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


def send_confirmed_gen(
    engine: ClientEngine, outgoing: OutgoingMessage, make: Maker[_C], deadline: float
) -> Operation[None]:
    """Send, and wait until the broker has confirmed it.

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there was no answer.
        NotConnected: there was no connection before the deadline; nothing was sent.
        SendStalled: there was no space in the window before the deadline; nothing was sent.
    """
    confirmation = yield from send_async_gen(engine, outgoing, make, deadline, may_delay=False)
    yield from wait_confirmed_gen(engine, confirmation, deadline)


def wait_confirmed_gen(
    engine: ClientEngine, confirmation: BaseConfirmation, deadline: float
) -> Operation[None]:
    """Wait until the broker has confirmed a send. At the deadline its outcome becomes "unknown".

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there was no answer.
    """
    try:
        # The session itself reports an overdue RECEIPT at the deadline, with a more detailed error. With
        # RESEND the session has no deadline.
        resend = engine.config.on_unknown is OnUnknown.RESEND
        yield from wait_outcome_gen(confirmation, deadline if resend else deadline + 1.0)
    except TimeoutError:
        error = ReceiptMissing(
            "the broker did not confirm the message in time; it will not be sent again",
            receipt=confirmation.receipt,
            hint="the broker may or may not have received it",
        )
        engine.settle_request(confirmation.receipt, error)
        raise error from None


def send_many_gen(
    engine: ClientEngine, messages: Iterable[OutgoingMessage], make: Maker[_C], deadline: float
) -> Operation[list[_C]]:
    """Send several messages with receipts, without waiting for one before the next.

    Returns:
        The confirmations, when all have an outcome.

    Raises:
        ReceiptMissing: not all have an outcome before the deadline.
        NotConnected: there was no connection before the deadline.
        SendStalled: there was no space in the window before the deadline.
    """
    confirmations: list[_C] = []
    # The iterable is user code and may use this client, so it is called by an effect: a step holds the lock.
    following = iter(messages)
    while (outgoing := (yield Call(partial(next, following, None)))) is not None:
        confirmation = yield from send_async_gen(engine, outgoing, make, deadline)
        confirmations.append(confirmation)
    yield from wait_all_gen(confirmations, deadline)
    return confirmations


def wait_all_gen(confirmations: Sequence[BaseConfirmation], deadline: float) -> Operation[None]:
    """Wait until all confirmations have an outcome.

    Raises:
        ReceiptMissing: not all have an outcome before the deadline.
    """
    # The last one first: answers mostly arrive in order, so that one wait is enough for all.
    for confirmation in reversed(confirmations):
        if not confirmation.done() and not (yield Wait(confirmation, confirmation.done, deadline)):
            late = sum(not each.done() for each in confirmations)
            raise ReceiptMissing(f"{late} of {len(confirmations)} sends were not confirmed in time")
