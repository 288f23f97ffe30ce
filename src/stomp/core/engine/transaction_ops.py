"""The operations of transactions (STOMP 1.2, "BEGIN", "COMMIT", "ABORT"). `transactions` has their state.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.effects import Operation, SendFrame
from stomp.core.engine.send import _run_sending_hooks_gen, _send_frame_gen
from stomp.core.engine.subscriptions import connected, gone, request
from stomp.core.engine.transactions import TransactionRecord
from stomp.core.errors import NotConnected, StompError, TransactionVoid
from stomp.core.frames import commands

if TYPE_CHECKING:
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.send import OutgoingMessage


def begin(conv: ClientEngine, deadline: float) -> Operation[TransactionRecord]:
    """Send BEGIN, and return the record of the new transaction.

    Pass it to `send_in` and `acknowledge.settle`, and end it with `commit` or `abort`.

    Raises:
        NotConnected: there was no connection before the deadline.
    """
    while True:
        era = yield from connected(conv, deadline)
        record = TransactionRecord(f"tx-{conv.next_id()}", era.generation)
        conv.begin(record)
        try:
            yield SendFrame(era.link, commands.transaction("BEGIN", record.id))
            return record
        except NotConnected:
            conv.end(record)
            yield from gone(conv, era, deadline)


def send_in(conv: ClientEngine, record: TransactionRecord, parcel: OutgoingMessage) -> Operation[None]:
    """Send as part of a transaction: the broker delivers the message once the transaction is committed.

    Raises:
        TransactionVoid: the connection was lost.
        UsageError: the transaction was committed or aborted.
    """
    record.check()
    era = conv.current
    frame = parcel.frame(era)
    frame.headers["transaction"] = record.id
    told = yield from _run_sending_hooks_gen(conv, frame)
    try:
        yield from _send_frame_gen(SendFrame(era.link, frame, may_delay=True), told)
    except NotConnected as err:
        record.state = "void"
        raise TransactionVoid(
            "the connection of this transaction was lost, and the transaction with it",
            hint="nothing of it was carried out: do it again in a new one",
        ) from err


def commit(conv: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """Send COMMIT, and wait for its RECEIPT.

    Raises:
        TransactionVoid: the connection was lost before COMMIT was sent; the broker has discarded the
            transaction.
        BrokerError: the broker refused.
        OutcomeUnknown: the connection was lost, or the deadline passed, before the broker answered.
        UsageError: the transaction was committed or aborted.
    """
    record.check()
    era = conv.current
    frame = commands.transaction("COMMIT", record.id)
    try:
        yield from request(conv, era, frame, deadline)
        record.state, era.has_progress = "committed", True
    except NotConnected as err:
        record.state = "void"
        raise TransactionVoid("the connection was lost before COMMIT: nothing was carried out") from err
    except BaseException as err:
        record.state, record.error = "void", err
        raise
    finally:
        conv.end(record)


def abort(conv: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """Send ABORT, and wait for its RECEIPT: the broker discards what was done in the transaction.

    An error is logged and not raised. Messages that were acknowledged in the transaction may be settled
    again.
    """
    if record.state != "open":
        return
    record.state = "aborted"
    conv.end(record)
    try:
        yield from request(conv, conv.current, commands.transaction("ABORT", record.id), deadline)
        record.restore()
    except StompError as err:
        # The broker aborts the transaction itself when the connection ends.
        conv.remark("the transaction could not be aborted: %s", err)
