"""Named listeners, and how to call each of their methods.

stomp.py changed the shape of its callbacks once: up to 6.0 they took `(headers, body)`, since 6.1 they take
one `frame`. Both kinds work, side by side: the shape is read from the signature.

Rules of this file: listeners are called in the order of their names; one that lacks a method is passed over;
an exception in a listener is logged with the listener's name and hurts nobody else.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from stomp.client.logging import RepeatLog
from stomp.client.logging import connections as log
from stomp.core.callables import check_methods, check_result
from stomp.core.diagnostics import one_line
from stomp.core.frames.frame import text_of

if TYPE_CHECKING:
    from stomp.utils import Frame

#: The callbacks that are given a frame: one argument, or in the old shape two.
FRAME_METHODS = frozenset(
    [
        "on_connected",
        "on_before_message",
        "on_message",
        "on_receipt",
        "on_error",
        "on_receiver_loop_completed",
    ]
)


#: All callbacks.
METHODS = FRAME_METHODS | frozenset(
    [
        "on_connecting",
        "on_disconnecting",
        "on_disconnected",
        "on_send",
        "on_heartbeat",
        "on_heartbeat_timeout",
    ]
)


class Callback(NamedTuple):
    """One method of one listener."""

    name: str
    call: Callable[..., Any]
    pair: bool  #: it takes (headers, body)
    lines: RepeatLog  #: for what it fails for, and is no message


class _CallbackCache(NamedTuple):
    """What was made of the methods of one name that the listeners had."""

    ordered: list[tuple[str, Any]]
    calls: list[tuple[Any, Any]]  #: each listener, and its method
    targets: list[Callback]


class Registry:
    """The listeners of one connection. Reading needs no lock; writing replaces, never changes."""

    def __init__(self) -> None:
        self.listeners: dict[str, Any] = {}
        self.lines = RepeatLog(log)
        #: The listeners in the order of their names.
        self.ordered: list[tuple[str, Any]] = []
        self._shapes: dict[Any, bool] = {}
        self._known: dict[str, _CallbackCache] = {}  # by method
        #: None if a listener has an `on_send` that does something. Else each listener with its `on_send`, which does
        #: nothing: for who sends to compare, since a program may put another one there at any time.
        self.unwatching: list[tuple[Any, Any]] | None = []
        #: Goes up whenever a listener is set or removed, so that a loop notices.
        self.version: int = 0

    def set(self, name: str, listener: Any) -> None:
        """Add a listener, or replace the one of that name.

        Raises:
            UsageError: one of its callbacks is a coroutine function, or cannot be called.
        """
        check_methods(listener, METHODS, kind="listener")
        self._replace({**self.listeners, name: listener})

    def remove(self, name: str) -> None:
        """Remove a listener.

        Raises:
            KeyError: there is none of that name.
        """
        rest = dict(self.listeners)
        del rest[name]
        self._replace(rest)

    def _replace(self, listeners: dict[str, Any]) -> None:
        self.listeners = listeners
        self.ordered = sorted(listeners.items(), key=lambda item: text_of(item[0]))
        self._shapes = {}
        self._known = {}
        if self.targets("on_send"):
            self.unwatching = None
        else:
            self.unwatching = [(each, getattr(each, "on_send", None)) for each in listeners.values()]
        self.version += 1

    def targets(self, method: str) -> list[Callback]:
        """The methods to call, in order. Those that a listener only inherits to do nothing are left out."""
        ordered = self.ordered
        known = self._known.get(method)
        if known is not None and known.ordered is ordered:
            for listener, call in known.calls:
                if getattr(listener, method, None) != call:
                    break  # a program has given it another one since
            else:
                return known.targets
        calls: list[tuple[Any, Any]] = []
        targets: list[Callback] = []
        for name, listener in ordered:
            call = getattr(listener, method, None)
            calls.append((listener, call))
            if call is not None and not is_noop(call):
                pair = method in FRAME_METHODS and self._takes_pair(call)
                targets.append(Callback(name, call, pair, self.lines))
        self._known[method] = _CallbackCache(ordered, calls, targets)
        return targets

    def notify(self, method: str, *args: Any) -> None:
        """Call a method that takes no frame on every listener."""
        for target in self.targets(method):
            try:
                check_result(method, target.call(*args))
            except (Exception, SystemExit):
                report(target, method)

    def notify_frame(self, method: str, frame: Frame | None) -> None:
        """Call a method that takes a frame on every listener."""
        deliver_all(self.targets(method), method, frame)

    def _takes_pair(self, call: Callable[..., Any]) -> bool:
        key = getattr(call, "__func__", call)
        try:
            known = self._shapes.get(key)
        except TypeError:  # not hashable
            return _takes_pair(call)
        if known is None:
            known = self._shapes[key] = _takes_pair(call)
        return known


def is_noop(call: Any) -> bool:
    """True for a callback that is only inherited, and does nothing. One that a tracer has wrapped is none."""
    return type(call) is MethodType and getattr(call.__func__, "is_noop_marker", None) is call.__func__


def deliver(target: Callback, method: str, frame: Frame | None) -> None:
    """Give a frame to one listener, in the shape it wants; an exception is logged.

    What a `(headers, body)` listener returns, if it is such a pair, is what the next listeners get to see.
    """
    try:
        if not target.pair:
            check_result(method, target.call(frame))
        elif frame is None:
            check_result(method, target.call(None, None))
        else:
            answer = check_result(method, target.call(frame.headers, frame.body))
            if isinstance(answer, tuple) and len(answer) == 2:
                frame.headers, frame.body = answer
    except (Exception, SystemExit):
        report(target, method, frame)


def deliver_all(targets: list[Callback], method: str, frame: Frame | None) -> None:
    """Give a frame to several listeners, in order."""
    for target in targets:
        if target.pair or frame is None:
            deliver(target, method, frame)
            continue
        # What `deliver` would do, without the call.
        try:
            if (result := target.call(frame)) is not None:
                check_result(method, result)
        except (Exception, SystemExit):
            report(target, method, frame)


def report(target: Callback, method: str, frame: Any = None) -> None:
    """Log the exception at hand. The frame is not shown, but for its message-id: it may hold secrets.

    Raises:
        SystemExit: it is the exception at hand.
    """
    error = sys.exception()
    owner = type(getattr(target.call, "__self__", target.call)).__name__
    subject = _message_of(frame)
    if not isinstance(error, SystemExit):
        # Each message has its line. Of what else fails, a broker can send any number: ERROR frames, heart-beats ...
        (log if subject else target.lines).exception(
            "listener %r (%s): %s failed%s; the connection goes on", target.name, owner, method, subject
        )
        return
    # On the main thread it ends the program, which is what was asked for. All other threads end without a word.
    if threading.current_thread() is not threading.main_thread():
        log.error(
            "listener %r (%s): %s called sys.exit()%s; this ends the connection and not the program",
            target.name,
            owner,
            method,
            subject,
        )
    raise error


def _message_of(frame: Any) -> str:
    """The message that a callback has failed for, and what happens to it; an empty string if it was none."""
    if getattr(frame, "cmd", None) != "MESSAGE":
        return ""
    headers = getattr(frame, "original_headers", None) or frame.headers
    name = headers.get("message-id", "")
    shown = f"{one_line(name, 100)!r}"
    subscription = getattr(frame, "subscription", None)
    if subscription is None:
        return f" for message {shown}"
    if subscription.ack == "auto":
        return f" for message {shown}, which the broker does not deliver again (ack=auto)"
    if (headers.get("ack") or name) in subscription.unacked or name in subscription.unacked:
        return f" for message {shown}, which is not acknowledged"
    return f" for message {shown}, which was acknowledged or refused"


def _takes_pair(call: Callable[..., Any]) -> bool:
    """True for a callback of the old shape: two positional arguments that it cannot do without."""
    function = getattr(call, "__func__", None)
    if type(call) is MethodType and type(function) is FunctionType and not vars(function):
        # What the signature would say, which takes 50 us, at each connection.
        return function.__code__.co_argcount - len(function.__defaults__ or ()) - 1 >= 2
    import inspect

    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    return len(required) >= 2
