"""The operations connect, reconnect, drain and close (see `stomp.core.engine.effects`).

Rules of this file: only one operation at a time makes connections. A refused login ends it, because the same
credentials would be refused again. On a new connection subscriptions are restored first, then unconfirmed
sends are repeated, and only then other operations may use it. `stomp.core.engine.losses` decides how long to
wait and which requests are given up.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.core.connect_errors import login_failed
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import Call, CloseConnection, Now, OpenConnection, Operation, SendFrame, Wait
from stomp.core.engine.failover import Exhausted, Failover
from stomp.core.engine.losses import QUIET, STABLE_AFTER
from stomp.core.engine.message_queue import ClientSubscription
from stomp.core.engine.status import ClientState, DrainReport
from stomp.core.engine.subscriptions import on_answered, subscribe_frame, unsubscribe_gen
from stomp.core.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionLost,
    NotConnected,
    StompError,
    UsageError,
)
from stomp.core.frames import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.core.engine.broker_connection import BrokerConnection
    from stomp.core.engine.effects import ClientLink, Signal
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.failover import Random
    from stomp.core.engine.losses import Request

#: Seconds added to `connect_timeout`. The session detects a broker that does not answer CONNECT; this wait
#: ends even if the driver does not read.
_GRACE = 5.0


def connect_gen(engine: ClientEngine, random: Random) -> Operation[None]:
    """Connect for the first time, or again after the client was closed or has failed.

    Args:
        engine: the engine of the client.
        random: the source of random numbers, for jitter and shuffling.

    Raises:
        AuthenticationFailed: the broker refused the login.
        ConnectFailed: no broker could be reached, or none accepted the connection.
        NotConnected: the client was closed meanwhile.
        UsageError: the client is connected or connecting already.
    """
    if engine.state is not ClientState.NEW and not engine.state.over:
        raise UsageError(f"the client is {engine.state.value} already", hint="connect once")
    engine.closing = engine.draining = False
    engine.run_number += 1
    run_number = engine.run_number
    engine.error = None
    engine.losses.reset(_failover(engine, engine.config.attempts, random))
    engine.set_state(ClientState.CONNECTING, "connecting")
    try:
        yield from _establish_gen(engine, random)
        engine.losses.reset()
    except BaseException as err:
        if engine.run_number == run_number:
            ended = NotConnected(f"connecting was ended by {type(err).__name__}")
            engine.fail(err if isinstance(err, StompError) else ended)
        raise


def reconnect_gen(engine: ClientEngine, random: Random) -> Operation[None]:
    """Make the next connection after one was lost. Drivers run it when `ClientEngine.needs_reconnect` is set.

    An `Exception` is not raised: the client enters the state FAILED.
    """
    if engine.closing or engine.state is not ClientState.RECONNECTING:
        return  # the client was closed before the driver ran this operation
    run_number = engine.run_number
    try:
        yield from _establish_gen(engine, random)
    except StompError as err:
        if engine.run_number == run_number:
            engine.fail(err)
    except BaseException as err:
        if engine.run_number == run_number:
            engine.fail(NotConnected(f"reconnecting was ended by {type(err).__name__}: {err}"))
        if not isinstance(err, Exception):
            raise


def _failover(engine: ClientEngine, attempts: float, random: Random) -> Failover[Any]:
    config = engine.config
    return Failover(
        config.addresses, backoff=config.backoff, attempts=attempts, shuffle=config.shuffle, random=random
    )


def _establish_gen(engine: ClientEngine, random: Random) -> Operation[None]:
    run_number = engine.run_number
    losses = engine.losses
    failures = losses.failures
    while True:
        # It is None after a stable connection, also after one that was lost while this operation restored it.
        if losses.failover is None:
            losses.failover = _failover(engine, engine.config.reattempts, random)
        step = losses.failover.next(failures[-1] if failures else None)
        if isinstance(step, Exhausted):
            raise _all_failed(engine, step, failures)
        if step.after:
            now = yield Now()
            yield Wait(engine.state_changed, lambda: engine.run_number != run_number, now + step.after)
        _raise_if_closed(engine, run_number)
        try:
            yield from _connect_once_gen(engine, step.address)
            return
        except (ConnectFailed, NotConnected, AuthenticationFailed) as err:
            _raise_if_closed(engine, run_number)
            losses.add_failure(err)
            engine.error = err
            engine.warn("%s", err)


def _closed_meanwhile() -> NotConnected:
    return NotConnected("the client was closed while it was connecting")


def _raise_if_closed(engine: ClientEngine, run_number: int) -> None:
    if engine.run_number != run_number:
        raise _closed_meanwhile()


def _all_failed(engine: ClientEngine, end: Exhausted, failures: list[BaseException]) -> StompError:
    if not failures:
        return ConnectFailed(f"no connection: {end.why}")
    last = failures[-1]
    if isinstance(last, AuthenticationFailed):
        return last
    assert isinstance(last, StompError)
    hint = last.hint
    if not hint and not isinstance(last, ConnectFailed):
        hint = "the broker ends each connection soon after the login: check its log"
    error = ConnectFailed(
        end.text_after(last.message),
        address=getattr(last, "address", ""),
        phase=getattr(last, "phase", ""),
        frame=getattr(last, "frame", None),
        failures=failures,
        hint=hint,
    )
    error.recent = engine.recorder.lines()
    error.__cause__ = last
    return error


def _resolve_setting_gen(value: Any) -> Operation[Any]:
    """Return a setting; if it is a function, call it for the current value."""
    if callable(value):
        return (yield Call(value))
    return value


def _connect_once_gen(engine: ClientEngine, address: Any) -> Operation[None]:
    """Make one attempt at one address: open the connection, log in, restore subscriptions and sends."""
    config = engine.config
    run_number = engine.run_number
    try:
        login = yield from _resolve_setting_gen(config.login)
        passcode = yield from _resolve_setting_gen(config.passcode)
        extra = yield from _resolve_setting_gen(config.headers)
    except StompError:
        raise
    except Exception as err:
        # Only the type is shown: the text of such an error may contain the credential.
        raise ConnectFailed(
            f"the credentials for {address} could not be obtained: {type(err).__name__}",
            address=str(address),
            phase="credentials",
            failures=[err],
        ) from err
    _raise_if_closed(engine, run_number)  # the client may have been closed while the functions ran
    link = yield OpenConnection(address)
    if engine.run_number != run_number:
        yield CloseConnection(link)
        raise _closed_meanwhile()
    connection = engine.attach(link, address)
    try:
        yield from _log_in_gen(engine, connection, login, passcode, extra)
        yield from _resubscribe_gen(engine, connection)
        _raise_if_lost(engine, connection)
    except BaseException as err:
        yield from _discard_gen(engine, connection, err)
        raise
    engine.error = None
    engine.set_state(ClientState.CONNECTED, f"connected to {address}, {connection.profile.title}")


def _discard_gen(engine: ClientEngine, connection: BrokerConnection, err: BaseException) -> Operation[None]:
    if engine.connection is connection:
        engine.connection = None
    yield from _close_gen(connection.link, err)


def _close_gen(link: ClientLink, err: BaseException) -> Operation[None]:
    """Close a link because of this exception.

    It is closed by an effect, because `ClientLink.close` writes, and a driver holds a lock during a step.
    """
    if isinstance(err, GeneratorExit):
        link.close()  # the generator is being closed: it cannot yield, and no lock is held
    else:
        yield CloseConnection(link, err if isinstance(err, StompError) else None)


def _log_in_gen(
    engine: ClientEngine, connection: BrokerConnection, login: Any, passcode: Any, extra: Any
) -> Operation[None]:
    config = engine.config
    now = yield Now()
    headers = {"client-id": config.client_id or None, **(extra or {})}
    frame = commands.connect(
        config.versions,
        config.vhost,
        login=login,
        passcode=passcode,
        heartbeat=config.heartbeat,
        headers=headers,
    )
    # If sending fails, the error is raised below, with the ERROR of the broker if there was one.
    with contextlib.suppress(NotConnected):
        yield SendFrame(connection.link, frame, now + config.connect_timeout)
    yield Wait(
        engine.state_changed,
        # The session may have closed before this wait began.
        lambda: connection.connected or engine.closing or connection.link.session.closed is not None,
        now + config.connect_timeout + _GRACE,
    )
    if engine.closing:
        raise _closed_meanwhile()
    if connection.connected and engine.connection is connection:
        return _check_version(connection, config.versions)
    closed = connection.link.session.closed
    why = closed.error if closed is not None else None
    if isinstance(why, AuthenticationFailed):
        why.recent = engine.recorder.lines()
        raise why
    raise login_failed(connection.address, why)


def _check_version(connection: BrokerConnection, versions: tuple[str, ...]) -> None:
    """Raise `ConnectFailed` if the version of the session was not offered.

    A broker that sends no version uses STOMP 1.0 (STOMP 1.1, "Protocol Negotiation").
    """
    version = connection.link.session.version
    assert version is not None
    spoken = version.number
    if spoken in versions:
        return
    raise ConnectFailed(
        f"connecting to {connection.address} failed: "
        f"the broker speaks STOMP {spoken}, offered was {','.join(versions)}",
        address=str(connection.address),
        phase="stomp",
        hint=f"offer {spoken}, too: versions=",
    )


def _resubscribe_gen(engine: ClientEngine, connection: BrokerConnection) -> Operation[None]:
    """Restore subscriptions and unconfirmed sends on a new connection.

    Requests after which two connections were lost are sent one by one, so that the next loss shows which is
    the cause.
    """
    # A subscription that was never sent is sent by `subscriptions.subscribe_gen`, which waits for the connection.
    requests: list[Request] = [
        subscription for subscription in engine.subscriptions.values() if subscription.generation
    ]
    requests += [each for each in engine.pending.all() if each.frame is not None]
    suspects = [each for each in requests if engine.losses.is_suspect(each)]
    others = [each for each in requests if each not in suspects]
    if not suspects:
        for each in others:
            yield from _send_again_gen(engine, connection, each)
        return
    for each in others:
        if isinstance(each, ClientSubscription):
            yield from _send_again_gen(engine, connection, each)
    yield from _send_one_by_one_gen(engine, connection, suspects)
    for each in others:
        if isinstance(each, BaseConfirmation):
            yield from _send_again_gen(engine, connection, each)


def _send_one_by_one_gen(
    engine: ClientEngine, connection: BrokerConnection, suspects: list[Request]
) -> Operation[None]:
    """Send suspect requests again, each when no other request can be the cause of another loss.

    That is so when all other requests are answered; before the first request and after a SUBSCRIBE there is a
    pause of `QUIET` seconds, too. After `STABLE_AFTER` seconds, or if an answer does not arrive within
    `ClientConfig.timeout`, the rest is sent without waiting.
    """
    careful = yield from _wait_answered_gen(engine, connection)
    until = (yield Now()) + STABLE_AFTER
    yield from _wait_until_gen(engine, connection, engine.state_changed, lambda: False, QUIET)
    for each in suspects:
        yield from _send_again_gen(engine, connection, each)
        if careful:
            # A request that is not answered in time does not delay the others.
            careful = yield from _wait_answered_gen(engine, connection)
            if careful and isinstance(each, ClientSubscription):
                # The cause of a loss may be a message for this subscription, which arrives after the RECEIPT.
                yield from _wait_until_gen(engine, connection, engine.state_changed, lambda: False, QUIET)
            careful = careful and (yield Now()) < until


def _wait_answered_gen(engine: ClientEngine, connection: BrokerConnection) -> Operation[bool]:
    """Wait until all requests on this connection are answered. False after `ClientConfig.timeout`."""
    answered = yield from _wait_until_gen(
        engine,
        connection,
        engine.progress,
        lambda: not engine.pending.sent_on(connection.generation),
        engine.config.timeout,
    )
    return answered


def _wait_until_gen(
    engine: ClientEngine,
    connection: BrokerConnection,
    signal: Signal,
    ready: Callable[[], bool],
    seconds: float,
) -> Operation[bool]:
    """Wait until `ready()` is true, while this connection lasts. Returns False after `seconds`.

    Raises:
        NotConnected: the connection was lost, or the client is being closed.
    """
    deadline = (yield Now()) + seconds
    happened: bool = yield Wait(
        signal, lambda: ready() or engine.connection is not connection or engine.closing, deadline
    )
    _raise_if_lost(engine, connection)
    return happened


def _raise_if_lost(engine: ClientEngine, connection: BrokerConnection) -> None:
    if engine.closing:
        raise _closed_meanwhile()
    if engine.connection is not connection:
        closed = connection.link.session.closed
        assert closed is not None
        raise ConnectionLost(closed.why) from closed.error


def _send_again_gen(engine: ClientEngine, connection: BrokerConnection, request: Request) -> Operation[None]:
    if isinstance(request, ClientSubscription):
        yield from _subscribe_again_gen(engine, connection, request)
    elif request.frame is not None and request.generation != connection.generation:
        request.generation = connection.generation
        request.attempts += 1
        request.frame.headers["possible-duplicate"] = "true"
        engine.count_resent()
        yield SendFrame(connection.link, request.frame)


def _subscribe_again_gen(
    engine: ClientEngine, connection: BrokerConnection, subscription: ClientSubscription
) -> Operation[None]:
    if subscription.ended:
        return
    try:
        frame = subscribe_frame(engine, connection, subscription)
    except UsageError as err:
        # The new broker is of another kind, and does not have a feature that the subscription uses.
        engine.drop_subscription(subscription, err)
        return
    now = yield Now()
    subscription.generation, subscription.last, subscription.receipt = connection.generation, now, ""
    deadline = None
    if frame is not None and subscription.config.confirm and connection.profile.receipts:
        subscription.receipt = frame.headers["receipt"] = engine.next_id()
        deadline = now + engine.config.timeout
        request = BaseConfirmation(subscription.receipt, None, 0)
        request.add_callback(partial(on_answered, engine, subscription, request))
        engine.add_request(request, connection)
    if frame is not None:
        yield SendFrame(connection.link, frame, deadline)
    if not subscription.receipt:
        subscription.made = True
        subscription.queue.notify()


def close_gen(engine: ClientEngine, deadline: float) -> Operation[bool]:
    """Wait for the outstanding answers, send DISCONNECT, and wait for its RECEIPT.

    Args:
        engine: the engine of the client.
        deadline: until when to wait, in seconds on the driver's clock. The client is closed in any case.

    Returns:
        True if all requests were answered and the broker confirmed DISCONNECT before the deadline; also if
        there was nothing to close.
    """
    if engine.state is ClientState.NEW or engine.state.over:
        if engine.state is ClientState.NEW:
            engine.finish(ClientState.CLOSED, "closed before it was connected")
        return True
    if engine.closing:
        yield Wait(engine.state_changed, lambda: engine.state.over, deadline)
        return engine.closed_cleanly
    clean = False
    if engine.state is ClientState.CONNECTED:
        yield Wait(
            engine.progress, lambda: not engine.pending or engine.state is not ClientState.CONNECTED, deadline
        )
        clean = not engine.pending
    engine.closing = True
    engine.closed_cleanly = False
    engine.run_number += 1
    engine.maybe_resume()
    connection = engine.connection
    # While an operation still connects, the link is closed without DISCONNECT: no RECEIPT would arrive.
    connected = engine.state is ClientState.CONNECTED
    engine.set_state(ClientState.CLOSING, "closing")
    try:
        if connection is not None and connected:
            clean = (yield from _disconnect_gen(engine, connection, deadline)) and clean
            engine.closed_cleanly = clean
        elif connection is not None:
            yield CloseConnection(connection.link)
    except BaseException as err:
        # If the wait was interrupted or cancelled, close without DISCONNECT.
        if connection is not None:
            engine.connection = None
            yield from _close_gen(connection.link, err)
        raise
    finally:
        engine.finish(ClientState.CLOSED, "closed")
    return clean


def _disconnect_gen(engine: ClientEngine, connection: BrokerConnection, deadline: float) -> Operation[bool]:
    """Send DISCONNECT, and wait for the end of the connection. True if the broker confirmed DISCONNECT."""
    # STOMP 1.2, "Graceful shutdown": the receipt confirms that the broker has read all earlier frames. A broker
    # may close the connection before its RECEIPT was read.
    confirmation = engine.add_request(BaseConfirmation(engine.next_id(), None, 0))
    try:
        yield SendFrame(connection.link, commands.disconnect(confirmation.receipt), deadline)
        ended: bool = yield Wait(engine.state_changed, lambda: engine.connection is not connection, deadline)
    except StompError:
        ended = False
    if not ended:
        yield CloseConnection(connection.link)
        engine.connection = None
    # RabbitMQ's Web-STOMP sends no RECEIPT for DISCONNECT.
    by_close = connection.profile.web_disconnect_closes and connection.address.transport in {"ws", "wss"}
    return confirmation.outcome == "confirmed" or (ended and by_close)


def drain_gen(engine: ClientEngine, deadline: float) -> Operation[DrainReport]:
    """Stop receiving, wait until messages are settled, transactions ended and requests answered; then `close_gen`.

    Args:
        engine: the engine of the client.
        deadline: until when to wait, in seconds on the driver's clock. The client is closed in any case.

    Returns:
        What was left.
    """
    unsettled = released = transactions = 0
    automatic = [
        subscription
        for subscription in engine.subscriptions.values()
        if not subscription.acknowledges and not subscription.config.hidden
    ]
    if engine.state is ClientState.CONNECTED:
        for subscription in automatic:
            try:
                yield from unsubscribe_gen(engine, subscription, deadline, delete=False)
            except StompError as err:
                engine.log(
                    "the subscription to %s could not be ended: %s", subscription.config.destination, err
                )
        engine.draining = True
        for subscription in list(engine.subscriptions.values()):
            subscription.queue.notify()
        yield Wait(
            engine.progress,
            # A message that was acknowledged in a transaction is settled by its COMMIT.
            lambda: not (engine.unsettled or engine.transactions()) or engine.connection is None,
            deadline,
        )
        yield Wait(engine.progress, lambda: not engine.pending or engine.connection is None, deadline)
        unsettled, transactions = engine.unsettled, engine.transactions()
        queued = [
            message
            for subscription in engine.subscriptions.values()
            for message in subscription.queue.messages.copy()
        ]
        released = len(queued)
    unconfirmed = len(engine.pending)
    clean = yield from close_gen(engine, deadline)
    clean = clean and not (unsettled or unconfirmed or transactions)
    waiting = sum(len(subscription.queue.messages) for subscription in automatic)
    return DrainReport(clean, unsettled, released, waiting, unconfirmed, transactions)
