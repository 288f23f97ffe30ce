"""The life of a client, as programs: connect, connect again, drain, close (see `stomp.core.effects`).

Rules of this file: one program at a time makes connections; a refused login ends it, because the same credentials
would be refused again; on a new connection subscriptions come first, then the sends that have to be repeated, and
only then everybody else.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.core import commands
from stomp.core.confirmation import Confirmation
from stomp.core.effects import Call, Dial, HangUp, Now, Program, Transmit, Wait
from stomp.core.errors import (
    AuthenticationFailed,
    ConnectFailed,
    NotConnected,
    StompError,
    UsageError,
)
from stomp.core.failover import Failover, GiveUp
from stomp.core.status import ClientState, Report
from stomp.core.subscribing import subscribe_frame, unsubscribe

if TYPE_CHECKING:
    from stomp.core.conversation import Conversation
    from stomp.core.effects import Link
    from stomp.core.era import Era
    from stomp.core.failover import Dice
    from stomp.core.feed import Feed

#: A broker that does not answer CONNECT is noticed by the session; this is for a driver that never read.
_GRACE = 5.0
#: So many failed attempts are kept for the error that tells of them.
_REMEMBERED = 20


def connect(conv: Conversation, dice: Dice) -> Program[None]:
    """Connect for the first time, or after `close`.

    Raises:
        AuthenticationFailed: the broker refused the login.
        ConnectFailed: no broker could be reached, or none let us in.
        UsageError: the client is connected already.
    """
    if conv.state is not ClientState.NEW and not conv.state.over:
        raise UsageError(f"the client is {conv.state.value} already", hint="connect once")
    conv.leaving = conv.draining = False
    conv.lives += 1
    conv.error = None
    conv.change(ClientState.CONNECTING, "connecting")
    try:
        yield from _establish(conv, conv.terms.attempts, dice)
    except BaseException as err:
        if not conv.leaving:
            ended = NotConnected(f"connecting was ended by {type(err).__name__}")
            conv.fail(err if isinstance(err, StompError) else ended)
        raise


def reconnect(conv: Conversation, dice: Dice) -> Program[None]:
    """Make the next connection after one was lost; drivers run it when `needs_link` is set. It raises nothing."""
    if conv.leaving or conv.state is not ClientState.RECONNECTING:
        return  # it was closed before the driver came to this
    try:
        yield from _establish(conv, conv.terms.reattempts, dice)
    except StompError as err:
        if not conv.leaving:
            conv.fail(err)
    except BaseException as err:
        if not conv.leaving:
            conv.fail(NotConnected(f"reconnecting was ended by {type(err).__name__}: {err}"))
        if not isinstance(err, Exception):
            raise


def _establish(conv: Conversation, attempts: float, dice: Dice) -> Program[None]:
    terms = conv.terms
    life = conv.lives
    policy = Failover(
        terms.addresses, backoff=terms.backoff, attempts=attempts, shuffle=terms.shuffle, dice=dice
    )
    failures: list[BaseException] = []
    while True:
        step = policy.next(failures[-1] if failures else None)
        if isinstance(step, GiveUp):
            raise _all_failed(conv, step.why, failures)
        if step.after:
            now = yield Now()
            yield Wait(conv.life, lambda: conv.lives != life, now + step.after)
        _check(conv, life)
        try:
            yield from _try(conv, step.address)
            return
        except (ConnectFailed, NotConnected, AuthenticationFailed) as err:
            _check(conv, life)
            failures.append(err)
            del failures[:-_REMEMBERED]
            conv.error = err
            conv.remark("%s", err)


def _check(conv: Conversation, life: int) -> None:
    if conv.lives != life:
        raise NotConnected("the client was closed while it was connecting")


def _all_failed(conv: Conversation, why: str, failures: list[BaseException]) -> StompError:
    if not failures:
        return ConnectFailed(f"no connection: {why}")
    last = failures[-1]
    if isinstance(last, AuthenticationFailed):
        return last
    assert isinstance(last, StompError)
    error = ConnectFailed(
        f"{last.message}; {why}",
        address=getattr(last, "address", ""),
        phase=getattr(last, "phase", ""),
        frame=getattr(last, "frame", None),
        failures=failures,
        hint=last.hint,
    )
    error.recent = conv.recorder.lines()
    error.__cause__ = last
    return error


def _asked(value: Any) -> Program[Any]:
    """A setting that may be a function: what it is now."""
    if callable(value):
        return (yield Call(value))
    return value


def _try(conv: Conversation, address: Any) -> Program[None]:
    """One attempt at one address: dial, log in, take up what there was."""
    terms = conv.terms
    try:
        login = yield from _asked(terms.login)
        passcode = yield from _asked(terms.passcode)
        extra = yield from _asked(terms.headers)
    except StompError:
        raise
    except Exception as err:
        # The text of such an error may hold the credential that it is about.
        raise ConnectFailed(
            f"the credentials for {address} could not be had: {type(err).__name__}",
            address=str(address),
            phase="credentials",
            failures=[err],
        ) from err
    life = conv.lives
    link = yield Dial(address)
    if conv.lives != life:
        yield HangUp(link)
        _check(conv, life)
    era = conv.adopt(link, address)
    try:
        yield from _log_in(conv, era, login, passcode, extra)
        yield from _restore(conv, era)
    except BaseException as err:
        yield from _drop(conv, era, err)
        raise
    conv.error = None
    conv.change(ClientState.CONNECTED, f"connected to {address}, {era.vendor.title}")


def _drop(conv: Conversation, era: Era, err: BaseException) -> Program[None]:
    if conv.era is era:
        conv.era = None
    yield from _hang_up(era.link, err)


def _hang_up(link: Link, err: BaseException) -> Program[None]:
    """Drop a link because of this exception, outside of the step: `Link.close` writes, and drivers hold a lock."""
    if isinstance(err, GeneratorExit):
        link.close()  # the program was abandoned: it cannot ask for anything, and no step is under way
    else:
        yield HangUp(link, err if isinstance(err, StompError) else None)


def _log_in(conv: Conversation, era: Era, login: Any, passcode: Any, extra: Any) -> Program[None]:
    terms = conv.terms
    where = str(era.address)
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
    # If it fails, why is told below: in the words of the broker, if it has said something.
    with contextlib.suppress(NotConnected):
        yield Transmit(era.link, frame, now + terms.connect_timeout)
    yield Wait(
        conv.life,
        # It may have ended before anybody listened.
        lambda: era.connected or conv.era is not era or conv.leaving or era.link.session.closed is not None,
        now + terms.connect_timeout + _GRACE,
    )
    if conv.leaving:
        raise NotConnected("the client was closed while it was connecting")
    if era.connected and conv.era is era:
        return
    closed = era.link.session.closed
    why = closed.error if closed is not None else None
    if isinstance(why, AuthenticationFailed):
        why.recent = conv.recorder.lines()
        raise why
    words = why.message if why is not None else "the broker did not answer CONNECT in time"
    said = getattr(why, "frame", None)
    hint = why.hint if why is not None else ""
    if not hint and said is None:
        hint = "is this its STOMP port, does it want TLS, and does the broker behind it run?"
    raise ConnectFailed(
        f"connecting to {where} failed: {words}",
        address=where,
        phase="stomp",
        frame=said,
        failures=[why] if why is not None else [],
        hint=hint,
    ) from why


def _restore(conv: Conversation, era: Era) -> Program[None]:
    """Take up on a new connection what there was on the one before."""
    now = yield Now()
    for feed in list(conv.feeds.values()):
        if not feed.made:
            continue  # whoever makes it is waiting for the connection
        try:
            frame = subscribe_frame(conv, era, feed)
        except UsageError as err:
            # The next broker is of another kind, which cannot do what was asked for.
            conv.drop_feed(feed, err)
            continue
        feed.generation, feed.last = era.generation, now
        deadline = None
        if feed.wish.confirm and frame is not None:
            receipt = conv.next_id()
            frame.headers["receipt"] = receipt
            deadline = now + conv.terms.timeout
            request = Confirmation(receipt, None, 0)
            request.watch(partial(_end_if_refused, conv, feed, request))
            request.generation = era.generation
            conv.waiting.add(request)
        if frame is not None:
            yield Transmit(era.link, frame, deadline)
    for request in conv.waiting.all():
        if request.frame is not None and request.generation != era.generation:
            request.generation = era.generation
            request.attempts += 1
            request.frame.headers["possible-duplicate"] = "true"
            conv.note_resent()
            yield Transmit(era.link, request.frame)


def _end_if_refused(conv: Conversation, feed: Feed, request: Confirmation) -> None:
    """A SUBSCRIBE that was sent again has its answer. This is part of the step, and no callback."""
    if request.outcome == "refused":
        conv.drop_feed(feed, request.error)


def close(conv: Conversation, deadline: float) -> Program[bool]:
    """Wait for the answers that are due, say good-bye, wait for the broker's; True if all that went well."""
    if conv.state is ClientState.NEW or conv.state.over:
        if conv.state is ClientState.NEW:
            conv.finish(ClientState.CLOSED, "closed before it was connected")
        return True
    if conv.leaving:
        yield Wait(conv.life, lambda: conv.state.over, deadline)
        return conv.state is ClientState.CLOSED
    clean = False
    if conv.state is ClientState.CONNECTED:
        yield Wait(
            conv.settles, lambda: not conv.waiting or conv.state is not ClientState.CONNECTED, deadline
        )
        clean = not conv.waiting
    conv.leaving = True
    conv.lives += 1
    conv.relieve()
    era = conv.era
    conv.change(ClientState.CLOSING, "closing")
    try:
        if era is not None and era.connected:
            clean = (yield from _say_goodbye(conv, era, deadline)) and clean
        elif era is not None:
            yield HangUp(era.link)
    except BaseException as err:
        # Who may not wait for the good-bye goes without it.
        if era is not None:
            conv.era = None
            yield from _hang_up(era.link, err)
        raise
    finally:
        conv.finish(ClientState.CLOSED, "closed")
    return clean


def _say_goodbye(conv: Conversation, era: Era, deadline: float) -> Program[bool]:
    try:
        # STOMP 1.2, "Graceful shutdown": the receipt tells that the broker has read everything before it.
        yield Transmit(era.link, commands.disconnect(conv.next_id()), deadline)
        clean: bool = yield Wait(conv.life, lambda: conv.era is not era, deadline)
    except StompError:
        clean = False
    if not clean:
        yield HangUp(era.link)
        conv.era = None
    return clean


def drain(conv: Conversation, deadline: float) -> Program[Report]:
    """Take nothing new, have what was handed out settled, have all sends answered, then `close`."""
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
        yield Wait(conv.settles, lambda: not conv.unsettled or conv.era is None, deadline)
        yield Wait(conv.settles, lambda: not conv.waiting or conv.era is None, deadline)
        unsettled = conv.unsettled
        queued = [message for feed in conv.feeds.values() for message in feed.inbox.messages.copy()]
        released = len(queued)
    unconfirmed = len(conv.waiting)
    clean = yield from close(conv, deadline)
    clean = clean and not (unsettled or unconfirmed)
    waiting = sum(len(feed.inbox.messages) for feed in automatic)
    return Report(clean, unsettled, released, waiting, unconfirmed)
