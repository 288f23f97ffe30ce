"""The effects that an operation yields to its driver, and the signals that it can wait for.

An operation of a client (for example in `stomp.core.engine.send`) is a generator. It changes the engine by
itself, and yields an effect where the driver has to wait, write, connect or call user code. `stomp.Client`
performs effects by blocking, `stomp.AsyncClient` by awaiting, so each operation is written once.

Rules of this file: a driver runs the steps of all operations of a client one at a time (under a lock, or on
one event loop). It performs effects without holding a lock, and sends the result into the generator, or
throws the exception.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from stomp.core.errors import StompError
    from stomp.core.frames.frame import Frame
    from stomp.core.session.client import ClientSession
    from stomp.core.session.ledger import PendingReceipt

_T = TypeVar("_T")


class ClientLink(Protocol):
    """One connection, as a driver makes it: an open stream and the session on it."""

    session: ClientSession

    def transmit(
        self, frame: Frame, *, deadline: float | None = ..., may_delay: bool = ...
    ) -> PendingReceipt | None:
        """Send a frame; see `ClientSession.transmit`, and `SendFrame` for `may_delay`."""
        ...

    def close(self, error: StompError | None = None) -> None:
        """Close the connection without DISCONNECT; `error` is the reason."""
        ...


class Log(Protocol):
    """Receives log lines, each as a format and its arguments. The core does not import `logging`.

    Attributes:
        has_info: True if lines at INFO are written. It may be read while a lock is held.
        has_counts: True if `flush` has something to write. It may be read while a lock is held.
    """

    @property
    def has_info(self) -> bool: ...  # noqa: D102

    @property
    def has_counts(self) -> bool: ...  # noqa: D102

    def info(self, text: str, *args: object) -> None:
        """Write a line at INFO."""
        ...

    def warning(self, text: str, *args: object) -> None:
        """Write a line at WARNING."""
        ...

    def flush(self) -> None:
        """Write what is still to be written, when the client has ended."""
        ...


class Signal:
    """A change that operations can wait for, and that calls callbacks."""

    __slots__ = ("_callbacks",)

    def __init__(self) -> None:
        # A tuple, replaced on each change: nearly all signals have no callback, and `notify` needs no copy.
        self._callbacks: tuple[Callable[[], None], ...] = ()

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Call `callback` at every change. It must not block: a lock may be held when it runs."""
        self._callbacks = (*self._callbacks, callback)

    def remove_callback(self, callback: Callable[[], None]) -> None:
        """Remove a callback that was added by `add_callback`."""
        self._callbacks = tuple([each for each in self._callbacks if each != callback])

    def notify(self) -> None:
        """Call all callbacks: there was a change."""
        for callback in self._callbacks:
            callback()


@dataclass(slots=True)
class Wait:
    """Wait until `predicate()` is true; it is evaluated again at each `Signal.notify`.

    Result: True, or False if the deadline has passed (seconds on the driver's clock; None for no limit).
    """

    signal: Signal
    predicate: Callable[[], bool]
    deadline: float | None


@dataclass(slots=True)
class SendFrame:
    """Send a frame over this link. Raises what `ClientLink.transmit` raises.

    With `may_delay` the writer may delay the frame for a moment, to write it together with later ones.
    """

    link: ClientLink
    frame: Frame
    deadline: float | None = None
    may_delay: bool = False


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """Open a connection to this address, and begin to read. Result: the `ClientLink`. Raises `ConnectFailed`."""

    address: Any


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close a link without DISCONNECT; `error` is the reason."""

    link: ClientLink
    error: StompError | None = None


@dataclass(slots=True)
class Call:
    """Call user code without a lock. Result: what it returns; `AsyncClient` awaits an awaitable.

    If `guarded`, an exception is logged and the result is None: the operation does not fail.
    """

    function: Callable[[], Any]
    guarded: bool = False


@dataclass(slots=True)
class Now:
    """Read the clock. Result: the time in seconds, on the driver's monotonic clock."""


Effect = Wait | SendFrame | OpenConnection | CloseConnection | Call | Now
#: An operation: a generator that yields effects, receives their results, and returns its own result.
Operation = Generator[Effect, Any, _T]
