"""The registry of listeners, and the dispatch of callbacks.

stomp.py changed the signature of its callbacks: up to 6.0 they took `(headers, body)`, since 6.1 they take one
`frame`. Both styles work, also together: the style is detected from the signature.

Rules of this file:

- Listeners are called in the order of their names.
- A listener without a method is skipped for it.
- An exception in a listener is logged with the listener's name, and does not affect the other listeners.
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
    from stomp.classic.frames import BytesMessageFrame
    from stomp.core.session.events import Event
    from stomp.utils import Frame

#: The callbacks that take a frame: one argument, or two in the old style.
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
    lines: RepeatLog  #: the rate-limited log for its exceptions, except those for messages


class _CallbackCache(NamedTuple):
    """The result of `Registry.targets` for one method, and the values that it depends on."""

    ordered: list[tuple[str, Any]]
    calls: list[tuple[Any, Any]]  #: each listener, and its method
    targets: list[Callback]


class Registry:
    """The listeners of one connection. Dictionaries and lists are replaced, not modified, so reading needs no lock.

    Args:
        message_class: the class of the messages.
        handle_event: called with each event that is not a message.

    Attributes:
        listeners: the listeners by name.
        has_dispatched: a message was passed to the listeners. The transport resets it.
    """

    def __init__(
        self, message_class: type[BytesMessageFrame], handle_event: Callable[[Event], object]
    ) -> None:
        self._message_class = message_class
        self._handle_event = handle_event
        self.has_dispatched: bool = False
        self.listeners: dict[str, Any] = {}
        self.lines = RepeatLog(log)
        #: The listeners in the order of their names.
        self.ordered: list[tuple[str, Any]] = []
        self._pair_styles: dict[Any, bool] = {}
        self._cache: dict[str, _CallbackCache] = {}  # by method
        #: Incremented when a listener is set or removed, so that a running loop can notice it.
        self.version: int = 0

    def set(self, name: str, listener: Any) -> None:
        """Add a listener, or replace the one with that name.

        Raises:
            UsageError: one of its callbacks is a coroutine function, or is not callable.
        """
        check_methods(listener, METHODS, kind="listener")
        self._replace({**self.listeners, name: listener})

    def remove(self, name: str) -> None:
        """Remove a listener.

        Raises:
            KeyError: there is no listener with that name.
        """
        remaining = dict(self.listeners)
        del remaining[name]
        self._replace(remaining)

    def _replace(self, listeners: dict[str, Any]) -> None:
        self.listeners = listeners
        self.ordered = sorted(listeners.items(), key=lambda item: text_of(item[0]))
        self._pair_styles = {}
        self._cache = {}
        self.version += 1

    def targets(self, method: str) -> list[Callback]:
        """The callbacks to call for a method, in order. Inherited defaults that do nothing are left out."""
        ordered = self.ordered
        cached = self._cache.get(method)
        if cached is not None and cached.ordered is ordered:
            for listener, call in cached.calls:
                if getattr(listener, method, None) != call:
                    break  # a program has replaced the method since
            else:
                return cached.targets
        calls: list[tuple[Any, Any]] = []
        targets: list[Callback] = []
        for name, listener in ordered:
            call = getattr(listener, method, None)
            calls.append((listener, call))
            if call is not None and not is_noop(call):
                pair = method in FRAME_METHODS and self._has_pair_style(call)
                targets.append(Callback(name, call, pair, self.lines))
        self._cache[method] = _CallbackCache(ordered, calls, targets)
        return targets

    def dispatch(self, batch: list[Event]) -> None:
        """Call the listeners for these events, in order. The link calls this without a lock."""
        message_class = self._message_class
        text = message_class.body_as_text
        version = -1
        before_targets: list[Callback] = []
        targets: list[Callback] = []
        single_callback: Callable[..., Any] | None = None
        for event in batch:
            if type(event) is not message_class:
                self._handle_event(event)
                continue
            frame: Any = event
            if text and type(frame.body) is bytes:
                frame.body = frame.body.decode("utf-8", "replace")
            if version != self.version:
                version = self.version
                before_targets = self.targets("on_before_message")
                targets = self.targets("on_message")
                single_callback = (
                    targets[0].call
                    if len(targets) == 1 and not before_targets and not targets[0].pair
                    else None
                )
                self.has_dispatched = True
            if single_callback is None:
                for target in before_targets:
                    deliver(target, "on_before_message", frame)
                for target in targets:
                    deliver(target, "on_message", frame)
                continue
            # The same as `deliver`, inlined, for the usual case of one listener: the call takes 0.1 of 3 us.
            try:
                if (result := single_callback(frame)) is not None:
                    check_result("on_message", result)
            except (Exception, SystemExit):
                report(targets[0], "on_message", frame)

    def notify(self, method: str, *args: Any) -> None:
        """Call a method without a frame on every listener."""
        for target in self.targets(method):
            try:
                check_result(method, target.call(*args))
            except (Exception, SystemExit):
                report(target, method)

    def notify_frame(self, method: str, frame: Frame | None) -> None:
        """Call a method with a frame on every listener."""
        for target in self.targets(method):
            deliver(target, method, frame)

    def _has_pair_style(self, call: Callable[..., Any]) -> bool:
        key = getattr(call, "__func__", call)
        try:
            cached = self._pair_styles.get(key)
        except TypeError:  # not hashable
            return _has_pair_style(call)
        if cached is None:
            cached = self._pair_styles[key] = _has_pair_style(call)
        return cached


def is_noop(call: Any) -> bool:
    """True for an inherited default that does nothing. False for one that was wrapped, for example by a tracer."""
    return type(call) is MethodType and getattr(call.__func__, "is_noop_marker", None) is call.__func__


def deliver(target: Callback, method: str, frame: Frame | None) -> None:
    """Call one listener with a frame, in its style. An exception is logged.

    If a `(headers, body)` listener returns such a pair, the next listeners get these values.
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


def report(target: Callback, method: str, frame: Any = None) -> None:
    """Log the current exception. Of the frame only the message-id is logged, as it may contain secrets.

    Raises:
        SystemExit: this is the current exception; it is raised again.
    """
    error = sys.exception()
    owner = type(getattr(target.call, "__self__", target.call)).__name__
    subject = _describe_message(frame)
    if not isinstance(error, SystemExit):
        # Each failed message is logged. Other failures are rate-limited, as a broker can send any number of ERROR
        # frames, heart-beats and so on.
        (log if subject else target.lines).exception(
            "listener %r (%s): %s failed%s; the connection stays open", target.name, owner, method, subject
        )
        return
    # On the main thread SystemExit ends the program, as intended. Other threads would end without a message.
    if threading.current_thread() is not threading.main_thread():
        log.error(
            "listener %r (%s): %s called sys.exit()%s; this closes the connection, but does not end the program",
            target.name,
            owner,
            method,
            subject,
        )
    raise error


def _describe_message(frame: Any) -> str:
    """Describe the message for which a callback has failed, and its state; an empty string for other frames."""
    if getattr(frame, "cmd", None) != "MESSAGE":
        return ""
    headers = getattr(frame, "original_headers", None) or frame.headers
    name = headers.get("message-id", "")
    quoted_id = f"{one_line(name, 100)!r}"
    subscription = getattr(frame, "subscription", None)
    if subscription is None:
        return f" for message {quoted_id}"
    if subscription.ack == "auto":
        return f" for message {quoted_id}, which the broker does not deliver again (ack=auto)"
    if (headers.get("ack") or name) in subscription.unacked or name in subscription.unacked:
        return f" for message {quoted_id}, which is not acknowledged"
    return f" for message {quoted_id}, which was acknowledged or rejected"


def _has_pair_style(call: Callable[..., Any]) -> bool:
    """True for a callback of the old style: it has two required positional arguments."""
    function = getattr(call, "__func__", None)
    if type(call) is MethodType and type(function) is FunctionType and not vars(function):
        # The same result as with `inspect.signature`, which takes 50 us for each connection.
        return function.__code__.co_argcount - len(function.__defaults__ or ()) - 1 >= 2
    import inspect

    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    return len(required) >= 2
