"""The operations of transactions (STOMP 1.2, "BEGIN", "COMMIT", "ABORT"). `transactions` has their state.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.effects import Operation, SendFrame
from stomp.core.engine.send import run_sending_hooks_gen, send_frame_gen
from stomp.core.engine.subscriptions import (
    send_and_wait_receipt_gen,
    wait_connected_gen,
    wait_disconnected_gen,
)
from stomp.core.engine.transactions import TransactionRecord
from stomp.core.errors import NotConnected, StompError
from stomp.core.frames import commands

if TYPE_CHECKING:
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.send import OutgoingMessage


def begin_gen(engine: ClientEngine, deadline: float, owner: object = None) -> Operation[TransactionRecord]:
    """Send BEGIN, and return the record of the new transaction.

    Pass it to `send_in_transaction_gen` and `acknowledge.settle_gen`, and end it with `commit_gen` or `abort_gen`.

    Args:
        engine: the engine of the client.
        deadline: until when to wait for a connection, in seconds on the driver's clock.
        owner: the thread or task that begins it.

    Raises:
        NotConnected: there was no connection before the deadline.
        Unsupported: the broker has no transactions.
    """
    while True:
        connection = yield from wait_connected_gen(engine, deadline)
        if not connection.profile.transactions:
            raise connection.profile.refuse("transactions", "send without a transaction")
        record = TransactionRecord(f"tx-{engine.next_id()}", connection.generation, owner)
        engine.add_transaction(record)
        try:
            yield SendFrame(connection.link, commands.transaction("BEGIN", record.id))
            return record
        except NotConnected:
            engine.remove_transaction(record)
            yield from wait_disconnected_gen(engine, connection, deadline)


def send_in_transaction_gen(
    engine: ClientEngine, record: TransactionRecord, outgoing: OutgoingMessage
) -> Operation[None]:
    """Send as part of a transaction: the broker delivers the message once the transaction is committed.

    Raises:
        TransactionVoid: the connection was lost.
        UsageError: the transaction was committed or aborted.
    """
    record.check()
    connection = engine.current
    frame = outgoing.frame(connection)
    frame.headers["transaction"] = record.id
    callbacks = yield from run_sending_hooks_gen(engine, frame)
    try:
        yield from send_frame_gen(SendFrame(connection.link, frame, may_delay=True), callbacks)
    except NotConnected as err:
        raise record.lost() from err


def commit_gen(engine: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """Send COMMIT, and wait for its RECEIPT.

    Raises:
        TransactionVoid: the connection was lost before COMMIT was sent; the broker has discarded the
            transaction.
        BrokerError: the broker refused.
        OutcomeUnknown: the connection was lost, or the deadline passed, before the broker answered.
        UsageError: the transaction was committed or aborted.
    """
    record.check()
    connection = engine.current
    frame = commands.transaction("COMMIT", record.id)
    try:
        yield from send_and_wait_receipt_gen(engine, connection, frame, deadline)
        record.state, connection.has_progress = "committed", True
    except NotConnected as err:
        raise record.lost() from err
    except BaseException as err:
        record.state, record.error = "void", err
        raise
    finally:
        engine.remove_transaction(record)


def abort_gen(engine: ClientEngine, record: TransactionRecord, deadline: float) -> Operation[None]:
    """Send ABORT, and wait for its RECEIPT: the broker discards what was done in the transaction.

    An error is logged and not raised. Messages that were acknowledged in the transaction may be settled
    again.
    """
    if record.state != "open":
        return
    record.state = "aborted"
    engine.remove_transaction(record)
    try:
        yield from send_and_wait_receipt_gen(
            engine, engine.current, commands.transaction("ABORT", record.id), deadline
        )
        record.restore()
    except StompError as err:
        # The broker aborts the transaction itself when the connection ends.
        engine.log("the transaction could not be aborted: %s", err)
