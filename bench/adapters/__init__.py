"""One file per client, each with a class `Client` that keeps one of these contracts, and a `VERSION`.

To measure another client, write such a file and add a line to `CLIENTS` in `bench/contenders.py`. Clients in other
languages are programs that understand the words of `bench.work` and print the same line of JSON: see `node/`, `go/` and
`bare.c`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, Self

from bench.forms import Body, Form
from bench.work import PATIENCE, Work


class Contract(Protocol):
    """A connection that is ready when it is made.

    A client must read, for each message, its ``message-id`` and the length of its body: one that is lazy shall not win
    by not being used.
    """

    #: The clocks of time and of CPU at the first of the messages that were expected with `then`.
    began: tuple[float, float]

    def __init__(self, work: Work) -> None: ...

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        """From now on `wait` is for that many messages; all but the last are acknowledged, each by itself.

        With `then` the clocks are read when they have arrived, and `wait` continues for that many more.
        """

    def wait(self) -> None:
        """Return when the messages expected have come."""

    def subscribe(self, destination: str, ack: str = "auto") -> None: ...

    def unsubscribe(self) -> None: ...

    def send(self, destination: str, body: Body) -> None: ...

    def sender(self, form: Form) -> Callable[[str, Body, int], None]:
        """A function that sends in this form. Its arguments: the destination, the body, the number of the message.

        Raises:
            Unsupported: the client cannot do this.
        """

    def confirm(self, destination: str, body: Body) -> None:
        """Send, and return when the broker has confirmed it."""

    def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        """Send all, at most `window` of them unconfirmed, and return when all are confirmed."""

    def alive(self) -> bool:
        """Whether the connection is still there."""

    def close(self) -> None:
        """Disconnect, and return when the broker knows."""


class AsyncContract(Protocol):
    """The same for asyncio; only `open` makes it ready."""

    began: tuple[float, float]

    @classmethod
    async def open(cls, work: Work) -> Self: ...

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None: ...

    async def wait(self) -> None: ...

    async def subscribe(self, destination: str, ack: str = "auto") -> None: ...

    async def unsubscribe(self) -> None: ...

    async def send(self, destination: str, body: Body) -> None: ...

    def sender(self, form: Form) -> Callable[[str, Body, int], Awaitable[None]]: ...

    async def confirm(self, destination: str, body: Body) -> None: ...

    async def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None: ...

    def alive(self) -> bool: ...

    async def close(self) -> None: ...


def stompkit_version() -> str:
    """Its version and its codec, so that no report can be about the other one by mistake."""
    # stomp.py has none of these modules, and the adapters of peers cannot import them.
    from stomp import _version
    from stomp.core.frames import native as native_codec

    return f"{_version.__version__} ({native_codec.name()})"


class Unsupported(Exception):
    """The client cannot do this. The text says what it lacks."""


class Gate:
    """One thread passes each time another one opens it: the cheapest that Python has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.open = self._lock.release

    def enter(self) -> None:
        """Wait until it is open, and shut it."""
        if not self._lock.acquire(timeout=PATIENCE):
            raise TimeoutError("the broker did not answer")


class Window:
    """Bounds what is unconfirmed. Threads meet twice in a window, not once for each message, or that is measured."""

    def __init__(self) -> None:
        self._halves = threading.Semaphore(0)

    def begin(self, count: int, window: int) -> None:
        """From now on `count` are sent, and at most `window` of them unconfirmed."""
        self._count, self._half = count, max(1, window // 2)
        self._sent = self._confirmed = 0
        self._waited = -1  # for the second half of a window, the first one must be confirmed

    def sent(self) -> None:
        """To be called after each one is sent: waits if the window is full."""
        self._sent += 1
        if not self._sent % self._half:
            self._waited += 1
            if self._waited:
                self._wait()

    def confirmed(self) -> None:
        """To be called for each confirmation."""
        self._confirmed += 1
        if not self._confirmed % self._half or self._confirmed == self._count:
            self._halves.release()

    def end(self) -> None:
        """Wait for all that is left."""
        for _ in range(-(-self._count // self._half) - max(0, self._waited)):
            self._wait()

    def _wait(self) -> None:
        if not self._halves.acquire(timeout=PATIENCE):
            raise TimeoutError("the broker did not confirm")


class Turnstile:
    """`Gate` for asyncio."""

    def __init__(self) -> None:
        self._future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def open(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def enter(self) -> None:
        """Wait until it is open, and shut it."""
        await self._future
        self._future = asyncio.get_running_loop().create_future()
