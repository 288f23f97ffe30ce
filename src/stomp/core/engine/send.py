"""The operations that send: without a receipt, and confirmed.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.

Rules of this file: the outcome of a confirmed send is confirmed, refused or unknown, and nothing else. A
frame that is known not to have been sent may be sent again silently. A frame that may have been sent is
repeated only with `OnUnknown.RESEND`, and is then marked by a ``possible-duplicate`` header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.core import arguments
from stomp.core.engine.broker_profiles import send_headers
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import Confirmation
from stomp.core.engine.effects import Call, Now, Operation, SendFrame, Wait
from stomp.core.engine.message import deflated
from stomp.core.engine.subscriptions import connected, gone
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

#: Makes the confirmation object of the client, from the receipt id, the frame (if it may be sent again) and
#: the size.
Maker = Callable[[str, "Frame | None", int], Any]


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
            body = body.encode() if type(body) is str else _bytes_of(body)
        if compress is not None:
            body = deflated(body, compress)
            headers = {**(headers or {}), "content-encoding": compress}
        self.headers: dict[str, Any] | None = headers
        self.body: bytes = body
        self.content_type: str | None = content_type
        self.text: bool = text
        self.epoch_ms: int = epoch_ms
        self.options: dict[str, Any] | None = options

    def frame(self, era: BrokerConnection) -> Frame:
        """Build the SEND for the broker of this connection.

        Raises:
            Unsupported: the broker does not have a feature that was asked for.
            UsageError: a number is out of range.
        """
        headers = self.headers
        if self.options:
            headers = {
                **send_headers(era.vendor, epoch_ms=self.epoch_ms, **self.options),
                **(headers or {}),
            }
        return commands.send(
            self.destination,
            self.body,
            content_type=self.content_type,
            # ActiveMQ and Artemis turn a SEND without content-length into a text message.
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
    """Send without a receipt. Returns when the frame was passed to the connection.

    Raises:
        NotConnected: there is no connection; nothing was sent.
        ConnectionLost: the connection was lost meanwhile; the outcome is unknown.
    """
    while True:
        era = conv.ready or (yield from connected(conv, deadline))
        frame = parcel.frame(era)
        told = (yield from _run_sending_hooks_gen(conv, frame)) if conv.terms.hooks else None
        try:
            yield from _send_frame_gen(SendFrame(era.link, frame), told)
            return
        except ConnectionLost:
            raise
        except NotConnected:
            # It was not sent: the session was closed, but the engine has not processed that yet.
            yield from gone(conv, era, deadline)


def start(
    conv: ClientEngine,
    parcel: OutgoingMessage,
    make: Maker,
    deadline: float,
    *,
    patience: float | None = None,
    may_delay: bool = True,
) -> Operation[Any]:
    """Send with a receipt, without waiting for the answer.

    Wait for it with `outcome`, `confirmed` or `all_done`.

    Args:
        conv: the engine of the client.
        parcel: the message.
        make: makes the confirmation.
        deadline: until when to wait for a connection and for room in the window, and when the RECEIPT is
            overdue, in seconds on the driver's clock.
        patience: if it had to wait for a connection or for room: the seconds from then on after which the
            RECEIPT is overdue, instead of `deadline`.
        may_delay: the writer may delay the frame, see `stomp.core.engine.effects.SendFrame`.

    Returns:
        The confirmation, which will get the outcome.

    Raises:
        NotConnected: there was no connection before the deadline; nothing was sent.
        SendStalled: there was no room in the window before the deadline; nothing was sent.
    """
    terms = conv.terms
    resend = terms.on_unknown is OnUnknown.RESEND
    size = len(parcel.body) + 1
    answer_by = deadline
    while True:
        era = conv.ready
        if era is None or not conv.waiting.fits(size):
            era = yield from _room(conv, size, deadline)
            if patience is not None:
                answer_by = (yield Now()) + patience
        frame = parcel.frame(era)
        told = (yield from _run_sending_hooks_gen(conv, frame)) if terms.hooks else []
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
            yield SendFrame(era.link, frame, None if resend else answer_by, may_delay)
        except SendStalled:
            pass  # the frame is queued, and is written when the broker reads again
        except ConnectionLost:
            pass  # the end of the connection sets the outcome
        except NotConnected as err:
            if not resend and conv.cancel_request(receipt):
                # It was not sent and has no outcome yet, so it can be sent again unmarked.
                yield from _notify_outcome(told, err)
                yield from gone(conv, era, deadline)
                continue
        except BaseException as err:
            if conv.cancel_request(receipt) and not isinstance(err, GeneratorExit):
                yield from _notify_outcome(told, _as_outcome(err))
            raise
        return confirmation


def _room(conv: ClientEngine, size: int, deadline: float) -> Operation[BrokerConnection]:
    """Wait until there is a connection, and room in the window for `size` bytes. Returns the connection."""
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
    """Call the `Hooks.sending` of all hooks, and return their callbacks for the outcome."""
    told: Told = []
    for hook in conv.terms.hooks:
        tell = yield Call(partial(hook.sending, frame), guarded=True)
        if tell is not None:
            told.append(tell)
    return told


def _notify_outcome(told: Told, error: StompError | None) -> Operation[None]:
    for tell in told:
        yield Call(partial(tell, error), guarded=True)


def _send_frame_gen(send: SendFrame, told: Told | None) -> Operation[None]:
    """Send a frame, and call the callbacks of the hooks with the result."""
    if not told:
        yield send
        return
    try:
        yield send
    except GeneratorExit:
        raise
    except BaseException as err:
        yield from _notify_outcome(told, _as_outcome(err))
        raise
    yield from _notify_outcome(told, None)


def _as_outcome(err: BaseException) -> StompError:
    """Return the error that the callbacks of hooks get for an exception of a send."""
    if isinstance(err, StompError):
        return err
    error = OutcomeUnknown(f"sending was ended by {type(err).__name__}")
    error.__cause__ = err
    return error


def _adapt_callback(tell: Callable[[StompError | None], object]) -> Callable[[Confirmation], object]:
    return lambda confirmation: tell(confirmation.error)


def outcome(conv: ClientEngine, confirmation: Confirmation, deadline: float | None) -> Operation[None]:
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


def send_confirmed(
    conv: ClientEngine, parcel: OutgoingMessage, make: Maker, deadline: float
) -> Operation[None]:
    """Send, and wait until the broker has confirmed it.

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there was no answer.
        NotConnected: there was no connection before the deadline; nothing was sent.
        SendStalled: there was no room in the window before the deadline; nothing was sent.
    """
    confirmation = yield from start(conv, parcel, make, deadline, may_delay=False)
    yield from confirmed(conv, confirmation, deadline)


def confirmed(conv: ClientEngine, confirmation: Confirmation, deadline: float) -> Operation[None]:
    """Wait until the broker has confirmed a send. At the deadline its outcome becomes "unknown".

    Raises:
        BrokerError: the broker refused it.
        OutcomeUnknown: there was no answer.
    """
    try:
        # The session itself reports an overdue RECEIPT at the deadline, with a more detailed error. With
        # RESEND the session has no deadline.
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


def send_all(
    conv: ClientEngine, parcels: Iterable[OutgoingMessage], make: Maker, deadline: float
) -> Operation[list[Any]]:
    """Send several messages with receipts, without waiting for one before the next.

    Returns:
        The confirmations, when all have an outcome.

    Raises:
        ReceiptMissing: not all have an outcome before the deadline.
        NotConnected: there was no connection before the deadline.
        SendStalled: there was no room in the window before the deadline.
    """
    confirmations: list[Any] = []
    # The iterable is user code and may use this client, so it is called by an effect: a step holds the lock.
    following = iter(parcels)
    while (parcel := (yield Call(partial(next, following, None)))) is not None:
        confirmation = yield from start(conv, parcel, make, deadline)
        confirmations.append(confirmation)
    yield from all_done(conv, confirmations, deadline)
    return confirmations


def all_done(conv: ClientEngine, confirmations: list[Any], deadline: float) -> Operation[None]:
    """Wait until all confirmations have an outcome.

    Raises:
        ReceiptMissing: not all have an outcome before the deadline.
    """
    # The last one first: answers mostly arrive in order, so that one wait is enough for all.
    for confirmation in reversed(confirmations):
        if not confirmation.done() and not (yield Wait(confirmation, confirmation.done, deadline)):
            late = sum(not each.done() for each in confirmations)
            raise ReceiptMissing(f"{late} of {len(confirmations)} sends were not confirmed in time")
