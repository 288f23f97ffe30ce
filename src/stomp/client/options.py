"""`Options`: the settings of a connection, in one frozen object, including the clock, randomness and threads."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from stomp.core import arguments
from stomp.core.engine.failover import Backoff, Random
from stomp.core.frames.limits import LENIENT, Leniency, Lenient, Limits
from stomp.core.session.heartbeat import TOLERANCE
from stomp.net.dial import Keepalive
from stomp.net.websocket import WebSocketSettings

#: Starts a callable in a new thread. The return value is kept, and is not used otherwise.
ThreadFactory = Callable[[Callable[[], None]], object]


def default_random() -> float:
    """The default source of randomness."""
    # Imported here: programs that only connect and send do not need it.
    import random

    return random.random()


def start_daemon(run: Callable[[], None], name: str = "stomp-receiver") -> threading.Thread:
    """Start a daemon thread, so that a program can exit without having disconnected."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


#: The defaults. They are frozen, so all options can share them.
_BACKOFF, _LIMITS, _WEBSOCKET = Backoff(), Limits(), WebSocketSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of a connection. Times are in seconds.

    Attributes:
        connect_timeout: timeout for each step of connecting: TCP with the proxy, TLS, and the broker's CONNECTED.
        send_timeout: how long a full connection may block a sender before it raises `SendStalled`.
        disconnect_timeout: how long to wait for the RECEIPT of a DISCONNECT.
        backoff: the delays between rounds of attempts.
        attempts: how many rounds over all addresses; -1 for no limit.
        shuffle: try the addresses in random order.
        keepalive: TCP keep-alive, see `stomp.net.dial.Keepalive`.
        bind: the local (host, port) to connect from, or None.
        proxy: connect through this proxy, as in "http://login:passcode@host:3128" or "socks5://host:1080", see
            `stomp.net.proxy.parse_proxy`; None for no proxy. Unix sockets do not use it.
        websocket: headers and other settings for WebSocket addresses.
        tolerance: how many heart-beat intervals without data are allowed.
        limits: limits on what the broker can make the client store.
        lenient: how frames are read that break a rule of STOMP: True, False or "trim", see
            `stomp.core.frames.limits.Leniency`.
        clock: a monotonic clock.
        random: the source of randomness for jitter and shuffle.
        start_thread: starts the receiving thread.
    """

    connect_timeout: float = 30.0
    send_timeout: float = 60.0
    disconnect_timeout: float = 10.0
    backoff: Backoff = _BACKOFF
    attempts: float = 3
    shuffle: bool = False
    keepalive: Keepalive = None
    bind: tuple[str, int] | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    websocket: WebSocketSettings = _WEBSOCKET
    tolerance: float = TOLERANCE
    limits: Limits = _LIMITS
    lenient: Lenient = LENIENT
    clock: Callable[[], float] = time.monotonic
    random: Random = default_random
    start_thread: ThreadFactory = start_daemon

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "send_timeout", "disconnect_timeout", "tolerance"):
            hint = "pass a number of seconds" if name != "tolerance" else "pass a number"
            arguments.number(f"Options.{name}", getattr(self, name), least=0, hint=hint)
        rounds = "pass a number of rounds; -1 is no limit"
        arguments.number("Options.attempts", self.attempts, hint=rounds)
        arguments.flag("Options.shuffle", self.shuffle)
        for name, kind in _KINDS.items():
            arguments.instance(f"Options.{name}", getattr(self, name), kind, f"pass a stomp.{kind.__name__}")
        if self.proxy is not None:
            arguments.instance("Options.proxy", self.proxy, str, "pass a URL, as in http://proxy:3128")
        Leniency.of(self.lenient)


_KINDS: dict[str, type] = {
    "backoff": Backoff,
    "websocket": WebSocketSettings,
    "limits": Limits,
}


def read_by(options: Options, limits: Limits | None, lenient: Lenient | None) -> Options:
    """The options with these limits and this leniency; None keeps those of the options.

    Raises:
        UsageError: an argument has the wrong type.
    """
    if limits is not None:
        arguments.instance("limits", limits, Limits, "pass a stomp.Limits")
        options = replace(options, limits=limits)
    if lenient is not None:
        options = replace(options, lenient=Leniency.of(lenient))
    return options


@functools.lru_cache(maxsize=16, typed=True)
def options_of(
    timeout: float | None,
    backoff: tuple[float, float, float, float],
    attempts: float,
    keepalive: Keepalive,
    bind: tuple[str, int] | None,
    limits: Limits | None,
    lenient: Lenient | None,
) -> Options:
    """The options of a transport of the listener API. Cached, as most transports of a program have the same."""
    limit = 30.0 if timeout is None else float(timeout)
    # The default tolerance of the listener API; a transport with another tolerance makes a copy.
    options = Options(
        connect_timeout=limit,
        backoff=Backoff(*backoff),
        attempts=attempts,
        keepalive=keepalive,
        bind=bind,
        tolerance=1.5,
    )
    return read_by(options, limits, lenient)
