"""What a program of the core asks its driver to do, and what it can wait for.

A verb of the clients (`stomp.core.engine.verbs`) is a generator: it does what is pure by itself, and yields an effect
where somebody must wait, write or dial. `stomp.Client` carries effects out by blocking, `stomp.AsyncClient` by
awaiting; the verb is written once. A driver has one rule to keep: it runs the steps of all programs of a client one
at a time (under a lock, or on one event loop), and carries effects out without holding anything.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from stomp.core.structs import record

if TYPE_CHECKING:
    from stomp.core.errors import StompError
    from stomp.core.frames.frame import Frame
    from stomp.core.session.client import ClientSession
    from stomp.core.session.ledger import PendingReceipt

_T = TypeVar("_T")


class Link(Protocol):
    """One connection, as a driver makes it: an open stream with a session on it."""

    session: ClientSession

    def transmit(
        self, frame: Frame, *, deadline: float | None = None, patient: bool = False
    ) -> PendingReceipt | None:
        """Send a frame; see `ClientSession.transmit`."""
        ...

    def close(self, error: StompError | None = None) -> None:
        """Drop the connection."""
        ...


class Log(Protocol):
    """Where lines for the log go, each as a format and its arguments; the core cannot import `logging`.

    Attributes:
        has_info: lines at INFO are written. It may be read while a lock is held.
        has_counts: `flush` has something to write. It may be read while a lock is held.
    """

    @property
    def has_info(self) -> bool: ...  # noqa: D102

    @property
    def has_counts(self) -> bool: ...  # noqa: D102

    def info(self, text: str, *args: object) -> None:
        """Write that something went as it should."""
        ...

    def warning(self, text: str, *args: object) -> None:
        """Write that something went wrong."""
        ...

    def flush(self) -> None:
        """Write what is left over: the client is over."""
        ...


class Signal:
    """Something that changes, and that programs wait for."""

    __slots__ = ("_watchers",)

    def __init__(self) -> None:
        # Each time another tuple: next to all have none, and whoever goes through them need not copy.
        self._watchers: tuple[Callable[[], None], ...] = ()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have `watcher` called at every change. It must be quick: it is called in the midst of things."""
        self._watchers = (*self._watchers, watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Undo `watch`."""
        self._watchers = tuple([each for each in self._watchers if each != watcher])

    def fire(self) -> None:
        """There was a change."""
        for watcher in self._watchers:
            watcher()


@record
class Wait:
    """Wait until `ready()` is true, looking again whenever `signal` fires. Answer: True, or False at the deadline."""

    signal: Signal
    ready: Callable[[], bool]
    deadline: float | None


@record
class SendFrame:
    """Send a frame over this link. Raises what `Link.transmit` raises.

    A `patient` frame is one that nobody waits for now: it may leave together with others.
    """

    link: Link
    frame: Frame
    deadline: float | None = None
    patient: bool = False


@record
class OpenConnection:
    """Open a connection to this address, and begin to read. Answer: the `Link`. Raises `ConnectFailed`."""

    address: Any


@record
class CloseConnection:
    """Drop a link, because of this error."""

    link: Link
    error: StompError | None = None


@record
class Call:
    """Call a function of the user, while nothing is held. Answer: what it returns, awaited where that is possible.

    The exception of a `guarded` one is logged, and the answer is None: it is no failure of the verb.
    """

    function: Callable[[], Any]
    guarded: bool = False


@record
class Now:
    """Answer: what the clock says, in seconds."""


Effect = Wait | SendFrame | OpenConnection | CloseConnection | Call | Now
#: A verb: yields effects, is sent their answers, returns its result.
Operation = Generator[Effect, Any, _T]
