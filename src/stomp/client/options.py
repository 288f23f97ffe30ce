"""The settings of a connection, in one frozen object. Clock, dice and threads are settings, too."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable

from stomp.client.thread_cache import lend_daemon
from stomp.core import arguments
from stomp.core.engine.failover import Backoff, Dice
from stomp.core.frames.limits import LENIENT, Leniency, Lenient, Limits
from stomp.core.session.heartbeat import TOLERANCE
from stomp.core.structs import dataclass, field, replace
from stomp.net.dial import Keepalive
from stomp.net.websocket import WebSocketSettings

#: Starts a callable in a thread of its own. What it returns is kept, and never looked into.
ThreadFactory = Callable[[Callable[[], None]], object]


def default_random() -> float:
    """The default dice."""
    # Imported here, like all that a program which only connects and sends can do without.
    import random

    return random.random()


def start_daemon(run: Callable[[], None]) -> threading.Thread:
    """Start a daemon, so that a program can end without having disconnected."""
    thread = threading.Thread(target=run, name="stomp-receiver", daemon=True)
    thread.start()
    return thread


#: Nobody can change these, so one of each will do.
_BACKOFF, _LIMITS, _WEBSOCKET = Backoff(), Limits(), WebSocketSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to connect and how to behave. Times are seconds.

    Attributes:
        connect_timeout: for each step of connecting: TCP with the proxy, TLS, and the broker's CONNECTED.
        send_timeout: how long a full connection may block a sender before `SendStalled`.
        disconnect_timeout: how long to wait for the RECEIPT of a DISCONNECT.
        backoff: the waits between rounds of attempts.
        attempts: how many rounds over all addresses; -1 for no limit.
        shuffle: try the addresses in random order.
        keepalive: TCP keep-alive, see `stomp.net.dial.Keepalive`.
        bind: the (host, port) to connect from, or None.
        proxy: connect through this, as in "http://login:passcode@host:3128" or "socks5://host:1080", see
            `stomp.net.proxy.parse_proxy`; None for not. Unix sockets need none.
        websocket: headers and the like, for addresses that are WebSockets.
        tolerance: how many heart-beat intervals of silence are borne.
        limits: limits on what the broker can make us store.
        lenient: how frames are read that break a rule of STOMP: True, False or "trim", see
            `stomp.core.frames.limits.Leniency`.
        clock: a monotonic clock.
        dice: randomness for jitter and shuffle.
        start_thread: how the receiving thread is started.
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
    dice: Dice = default_random
    start_thread: ThreadFactory = lend_daemon

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
    """The options with these limits and this leniency; None keeps what the options have.

    Raises:
        UsageError: one of them is of another type.
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
    """The options of a transport of the listener API: those of several are mostly the same."""
    limit = 30.0 if timeout is None else float(timeout)
    # The tolerance is that of connections: another one is an object more.
    options = Options(
        connect_timeout=limit,
        backoff=Backoff(*backoff),
        attempts=attempts,
        keepalive=keepalive,
        bind=bind,
        tolerance=1.5,
    )
    return read_by(options, limits, lenient)
