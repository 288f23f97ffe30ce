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
from stomp.core.engine.confirmations import Confirmation
from stomp.core.engine.effects import Call, CloseConnection, Now, OpenConnection, Operation, SendFrame, Wait
from stomp.core.engine.failover import Exhausted, Failover
from stomp.core.engine.losses import QUIET, STABLE_AFTER
from stomp.core.engine.message_queue import ClientSubscription
from stomp.core.engine.status import ClientState, DrainReport
from stomp.core.engine.subscriptions import on_answered, subscribe_frame, unsubscribe
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
    from stomp.core.engine.effects import Link, Signal
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.failover import Dice
    from stomp.core.engine.losses import Request

#: Seconds added to `connect_timeout`. The session detects a broker that does not answer CONNECT; this wait
#: ends even if the driver does not read.
_GRACE = 5.0


def connect(conv: ClientEngine, dice: Dice) -> Operation[None]:
    """Connect for the first time, or again after the client was closed or has failed.

    Args:
        conv: the engine of the client.
        dice: the source of random numbers, for jitter and shuffling.

    Raises:
        AuthenticationFailed: the broker refused the login.
        ConnectFailed: no broker could be reached, or none accepted the connection.
        NotConnected: the client was closed meanwhile.
        UsageError: the client is connected or connecting already.
    """
    if conv.state is not ClientState.NEW and not conv.state.over:
        raise UsageError(f"the client is {conv.state.value} already", hint="connect once")
    conv.leaving = conv.draining = False
    conv.run_number += 1
    conv.error = None
    conv.losses.reset(_failover(conv, conv.terms.attempts, dice))
    conv.change(ClientState.CONNECTING, "connecting")
    try:
        yield from _establish(conv, dice)
        conv.losses.reset()
    except BaseException as err:
        if not conv.leaving:
            ended = NotConnected(f"connecting was ended by {type(err).__name__}")
            conv.fail(err if isinstance(err, StompError) else ended)
        raise


def reconnect(conv: ClientEngine, dice: Dice) -> Operation[None]:
    """Make the next connection after one was lost. Drivers run it when `ClientEngine.needs_reconnect` is set.

    An `Exception` is not raised: the client enters the state FAILED.
    """
    if conv.leaving or conv.state is not ClientState.RECONNECTING:
        return  # the client was closed before the driver ran this operation
    try:
        yield from _establish(conv, dice)
    except StompError as err:
        if not conv.leaving:
            conv.fail(err)
    except BaseException as err:
        if not conv.leaving:
            conv.fail(NotConnected(f"reconnecting was ended by {type(err).__name__}: {err}"))
        if not isinstance(err, Exception):
            raise


def _failover(conv: ClientEngine, attempts: float, dice: Dice) -> Failover[Any]:
    terms = conv.terms
    return Failover(
        terms.addresses, backoff=terms.backoff, attempts=attempts, shuffle=terms.shuffle, dice=dice
    )


def _establish(conv: ClientEngine, dice: Dice) -> Operation[None]:
    life = conv.run_number
    losses = conv.losses
    failures = losses.failures
    while True:
        # It is None after a stable connection, also after one that was lost while this operation restored it.
        if losses.failover is None:
            losses.failover = _failover(conv, conv.terms.reattempts, dice)
        step = losses.failover.next(failures[-1] if failures else None)
        if isinstance(step, Exhausted):
            raise _all_failed(conv, step.why, failures)
        if step.after:
            now = yield Now()
            yield Wait(conv.life, lambda: conv.run_number != life, now + step.after)
        _check(conv, life)
        try:
            yield from _try(conv, step.address)
            return
        except (ConnectFailed, NotConnected, AuthenticationFailed) as err:
            _check(conv, life)
            losses.add_failure(err)
            conv.error = err
            conv.warn("%s", err)


def _check(conv: ClientEngine, life: int) -> None:
    if conv.run_number != life:
        raise NotConnected("the client was closed while it was connecting")


def _all_failed(conv: ClientEngine, why: str, failures: list[BaseException]) -> StompError:
    if not failures:
        return ConnectFailed(f"no connection: {why}")
    last = failures[-1]
    if isinstance(last, AuthenticationFailed):
        return last
    assert isinstance(last, StompError)
    hint = last.hint
    if not hint and not isinstance(last, ConnectFailed):
        hint = "the broker ends each connection soon after the login: look at its log"
    error = ConnectFailed(
        f"{last.message}; {why}",
        address=getattr(last, "address", ""),
        phase=getattr(last, "phase", ""),
        frame=getattr(last, "frame", None),
        failures=failures,
        hint=hint,
    )
    error.recent = conv.recorder.lines()
    error.__cause__ = last
    return error


def _resolve_setting_gen(value: Any) -> Operation[Any]:
    """Return a setting; if it is a function, call it for the current value."""
    if callable(value):
        return (yield Call(value))
    return value


def _try(conv: ClientEngine, address: Any) -> Operation[None]:
    """Make one attempt at one address: open the connection, log in, restore subscriptions and sends."""
    terms = conv.terms
    life = conv.run_number
    try:
        login = yield from _resolve_setting_gen(terms.login)
        passcode = yield from _resolve_setting_gen(terms.passcode)
        extra = yield from _resolve_setting_gen(terms.headers)
    except StompError:
        raise
    except Exception as err:
        # Only the type is shown: the text of such an error may contain the credential.
        raise ConnectFailed(
            f"the credentials for {address} could not be had: {type(err).__name__}",
            address=str(address),
            phase="credentials",
            failures=[err],
        ) from err
    _check(conv, life)  # the client may have been closed while the functions ran
    link = yield OpenConnection(address)
    if conv.run_number != life:
        yield CloseConnection(link)
        _check(conv, life)
    era = conv.attach(link, address)
    try:
        yield from _log_in(conv, era, login, passcode, extra)
        yield from _resubscribe_gen(conv, era)
        _check_link(conv, era)
    except BaseException as err:
        yield from _drop(conv, era, err)
        raise
    conv.error = None
    conv.change(ClientState.CONNECTED, f"connected to {address}, {era.vendor.title}")


def _drop(conv: ClientEngine, era: BrokerConnection, err: BaseException) -> Operation[None]:
    if conv.era is era:
        conv.era = None
    yield from _hang_up(era.link, err)


def _hang_up(link: Link, err: BaseException) -> Operation[None]:
    """Close a link because of this exception.

    It is closed by an effect, because `Link.close` writes, and a driver holds a lock during a step.
    """
    if isinstance(err, GeneratorExit):
        link.close()  # the generator is being closed: it cannot yield, and no lock is held
    else:
        yield CloseConnection(link, err if isinstance(err, StompError) else None)


def _log_in(
    conv: ClientEngine, era: BrokerConnection, login: Any, passcode: Any, extra: Any
) -> Operation[None]:
    terms = conv.terms
    now = yield Now()
    headers = {**({"client-id": terms.client_id} if terms.client_id else {}), **(extra or {})}
    frame = commands.connect(
        terms.versions,
        terms.vhost,
        login=login,
        passcode=passcode,
        heartbeat=terms.heartbeat,
        headers=headers,
    )
    # If sending fails, the error is raised below, with the ERROR of the broker if there was one.
    with contextlib.suppress(NotConnected):
        yield SendFrame(era.link, frame, now + terms.connect_timeout)
    yield Wait(
        conv.life,
        # The session may have closed before this wait began.
        lambda: era.connected or conv.era is not era or conv.leaving or era.link.session.closed is not None,
        now + terms.connect_timeout + _GRACE,
    )
    if conv.leaving:
        raise NotConnected("the client was closed while it was connecting")
    if era.connected and conv.era is era:
        return _check_version(era, terms.versions)
    closed = era.link.session.closed
    why = closed.error if closed is not None else None
    if isinstance(why, AuthenticationFailed):
        why.recent = conv.recorder.lines()
        raise why
    raise login_failed(era.address, why)


def _check_version(era: BrokerConnection, versions: tuple[str, ...]) -> None:
    """Raise `ConnectFailed` if the version of the session was not offered.

    A broker that sends no version uses STOMP 1.0 (STOMP 1.1, "Protocol Negotiation").
    """
    spoken = era.link.session.version.number if era.link.session.version is not None else ""
    if spoken in versions:
        return
    raise ConnectFailed(
        f"connecting to {era.address} failed: the broker speaks STOMP {spoken}, offered was {','.join(versions)}",
        address=str(era.address),
        phase="stomp",
        hint=f"offer {spoken}, too: versions=",
    )


def _resubscribe_gen(conv: ClientEngine, era: BrokerConnection) -> Operation[None]:
    """Restore subscriptions and unconfirmed sends on a new connection.

    Requests after which two connections were lost are sent one by one, so that the next loss shows which is
    the cause.
    """
    # A subscription that was never sent is sent by `subscriptions.subscribe`, which waits for the connection.
    requests: list[Request] = [feed for feed in conv.feeds.values() if feed.generation]
    requests += [each for each in conv.waiting.all() if each.frame is not None]
    suspects = [each for each in requests if conv.losses.is_suspect(each)]
    others = [each for each in requests if each not in suspects]
    if not suspects:
        for each in others:
            yield from _send_again(conv, era, each)
        return
    for each in others:
        if isinstance(each, ClientSubscription):
            yield from _send_again(conv, era, each)
    yield from _send_one_by_one(conv, era, suspects)
    for each in others:
        if isinstance(each, Confirmation):
            yield from _send_again(conv, era, each)


def _send_one_by_one(conv: ClientEngine, era: BrokerConnection, suspects: list[Request]) -> Operation[None]:
    """Send suspect requests again, each when no other request can be the cause of another loss.

    That is so when all other requests are answered; before the first request and after a SUBSCRIBE there is a
    pause of `QUIET` seconds, too. After `STABLE_AFTER` seconds, or if an answer does not arrive within
    `ClientConfig.timeout`, the rest is sent without waiting.
    """
    careful = yield from _until(
        conv, era, conv.progress, lambda: not conv.waiting.sent_on(era.generation), conv.terms.timeout
    )
    until = (yield Now()) + STABLE_AFTER
    yield from _until(conv, era, conv.life, lambda: False, QUIET)
    for each in suspects:
        yield from _send_again(conv, era, each)
        if careful:
            # A request that is not answered in time does not delay the others.
            careful = yield from _until(
                conv, era, conv.progress, lambda: not conv.waiting.sent_on(era.generation), conv.terms.timeout
            )
            if careful and isinstance(each, ClientSubscription):
                # The cause of a loss may be a message for this subscription, which arrives after the RECEIPT.
                yield from _until(conv, era, conv.life, lambda: False, QUIET)
            careful = careful and (yield Now()) < until


def _until(
    conv: ClientEngine, era: BrokerConnection, signal: Signal, ready: Callable[[], bool], seconds: float
) -> Operation[bool]:
    """Wait until `ready()` is true, while this connection lasts. Returns False after `seconds`.

    Raises:
        NotConnected: the connection was lost, or the client is being closed.
    """
    deadline = (yield Now()) + seconds
    happened: bool = yield Wait(signal, lambda: ready() or conv.era is not era or conv.leaving, deadline)
    _check_link(conv, era)
    return happened


def _check_link(conv: ClientEngine, era: BrokerConnection) -> None:
    if conv.leaving:
        raise NotConnected("the client was closed while it was connecting")
    if conv.era is not era:
        closed = era.link.session.closed
        lost = ConnectionLost(closed.why if closed is not None else "the connection was lost")
        lost.__cause__ = closed.error if closed is not None else None
        raise lost


def _send_again(conv: ClientEngine, era: BrokerConnection, request: Request) -> Operation[None]:
    if isinstance(request, ClientSubscription):
        yield from _subscribe_again(conv, era, request)
    elif request.frame is not None and request.generation != era.generation:
        request.generation = era.generation
        request.attempts += 1
        request.frame.headers["possible-duplicate"] = "true"
        conv.count_resent()
        yield SendFrame(era.link, request.frame)


def _subscribe_again(conv: ClientEngine, era: BrokerConnection, feed: ClientSubscription) -> Operation[None]:
    if feed.ended:
        return
    try:
        frame = subscribe_frame(conv, era, feed)
    except UsageError as err:
        # The new broker is of another kind, and does not have a feature that the subscription uses.
        conv.drop_feed(feed, err)
        return
    now = yield Now()
    feed.generation, feed.last, feed.receipt = era.generation, now, ""
    deadline = None
    if frame is not None and feed.wish.confirm:
        feed.receipt = frame.headers["receipt"] = conv.next_id()
        deadline = now + conv.terms.timeout
        request = Confirmation(feed.receipt, None, 0)
        request.watch(partial(on_answered, conv, feed, request))
        request.generation = era.generation
        conv.waiting.add(request)
    if frame is not None:
        yield SendFrame(era.link, frame, deadline)
    if not feed.receipt:
        feed.made = True
        feed.inbox.fire()


def close(conv: ClientEngine, deadline: float) -> Operation[bool]:
    """Wait for the outstanding answers, send DISCONNECT, and wait for its RECEIPT.

    Args:
        conv: the engine of the client.
        deadline: until when to wait, in seconds on the driver's clock. The client is closed in any case.

    Returns:
        True if all requests were answered and the broker confirmed DISCONNECT before the deadline; also if
        there was nothing to close.
    """
    if conv.state is ClientState.NEW or conv.state.over:
        if conv.state is ClientState.NEW:
            conv.finish(ClientState.CLOSED, "closed before it was connected")
        return True
    if conv.leaving:
        yield Wait(conv.life, lambda: conv.state.over, deadline)
        return conv.closed_cleanly
    clean = False
    if conv.state is ClientState.CONNECTED:
        yield Wait(
            conv.progress, lambda: not conv.waiting or conv.state is not ClientState.CONNECTED, deadline
        )
        clean = not conv.waiting
    conv.leaving = True
    conv.closed_cleanly = False
    conv.run_number += 1
    conv.maybe_resume()
    era = conv.era
    # While an operation still connects, the link is closed without DISCONNECT: no RECEIPT would arrive.
    connected = conv.state is ClientState.CONNECTED
    conv.change(ClientState.CLOSING, "closing")
    try:
        if era is not None and connected:
            clean = (yield from _disconnect_gen(conv, era, deadline)) and clean
            conv.closed_cleanly = clean
        elif era is not None:
            yield CloseConnection(era.link)
    except BaseException as err:
        # If the wait was interrupted or cancelled, close without DISCONNECT.
        if era is not None:
            conv.era = None
            yield from _hang_up(era.link, err)
        raise
    finally:
        conv.finish(ClientState.CLOSED, "closed")
    return clean


def _disconnect_gen(conv: ClientEngine, era: BrokerConnection, deadline: float) -> Operation[bool]:
    """Send DISCONNECT, and wait for the end of the connection. True if the broker confirmed DISCONNECT."""
    # STOMP 1.2, "Graceful shutdown": the receipt confirms that the broker has read all earlier frames. A broker
    # may close the connection before its RECEIPT was read.
    confirmation = conv.ask(Confirmation(conv.next_id(), None, 0), era)
    try:
        yield SendFrame(era.link, commands.disconnect(confirmation.receipt), deadline)
        ended: bool = yield Wait(conv.life, lambda: conv.era is not era, deadline)
    except StompError:
        ended = False
    if not ended:
        conv.cancel_request(confirmation.receipt)
        yield CloseConnection(era.link)
        conv.era = None
    return confirmation.outcome == "confirmed"


def drain(conv: ClientEngine, deadline: float) -> Operation[DrainReport]:
    """Stop receiving, wait until messages are settled and requests are answered, then `close`.

    Args:
        conv: the engine of the client.
        deadline: until when to wait, in seconds on the driver's clock. The client is closed in any case.

    Returns:
        What was left.
    """
    unsettled = released = 0
    automatic = [feed for feed in conv.feeds.values() if not feed.acknowledges and not feed.wish.hidden]
    if conv.state is ClientState.CONNECTED:
        for feed in automatic:
            try:
                yield from unsubscribe(conv, feed, deadline, delete=False)
            except StompError as err:
                conv.remark("the subscription to %s could not be ended: %s", feed.wish.destination, err)
        conv.draining = True
        for feed in list(conv.feeds.values()):
            feed.inbox.fire()
        yield Wait(conv.progress, lambda: not conv.unsettled or conv.era is None, deadline)
        yield Wait(conv.progress, lambda: not conv.waiting or conv.era is None, deadline)
        unsettled = conv.unsettled
        queued = [message for feed in conv.feeds.values() for message in feed.inbox.messages.copy()]
        released = len(queued)
    unconfirmed = len(conv.waiting)
    clean = yield from close(conv, deadline)
    clean = clean and not (unsettled or unconfirmed)
    waiting = sum(len(feed.inbox.messages) for feed in automatic)
    return DrainReport(clean, unsettled, released, waiting, unconfirmed)
