"""Failover: which address to connect to next, and after how long.

This file only decides. The driver waits, resolves the host name (again for each attempt) and connects.

Rules of this file: a round tries every address once. Between rounds the wait grows exponentially up to a
maximum, with jitter, so that the clients of a restarted broker do not all reconnect at the same moment. The
limit counts rounds, so that each address of a longer list is tried as often. A refused login is never
repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stomp.core import arguments
from stomp.core.errors import AuthenticationFailed

#: Returns a random number in [0, 1): `random.random`, or a fixed function in tests.
Random = Callable[[], float]


A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Attempt(Generic[A]):
    """Connect to `address`, `after` this many seconds."""

    address: A
    after: float


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Stop connecting; `why` is the reason as text, empty if the error of the only attempt says all."""

    why: str

    def text_after(self, message: str) -> str:
        """The message of the last error, followed by the reason."""
        return f"{message}; {self.why}" if self.why else message


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off: how long to wait before a round.

    Attributes:
        initial: seconds before the second round; there is no wait before the first.
        increase: each further wait is longer by this fraction: 0.5 makes 0.1, 0.15, 0.225 ...
        jitter: a random part of each wait, up to this fraction of it, is added.
        maximum: the longest wait in seconds, before jitter.

    >>> [round(Backoff(initial=1, increase=1, jitter=0).before(n, lambda: 0.0), 1) for n in (0, 1, 2, 3)]
    [0.0, 1.0, 2.0, 4.0]
    """

    initial: float = 0.1
    increase: float = 0.5
    jitter: float = 0.1
    maximum: float = 60.0

    def __post_init__(self) -> None:
        for name in ("initial", "increase", "jitter", "maximum"):
            hint = "pass a number, 0 or more"
            arguments.number(f"Backoff.{name}", getattr(self, name), least=0, hint=hint)

    def before(self, round_: int, random: Random) -> float:
        """Return the seconds to wait before round number `round_`, counted from 0."""
        if round_ <= 0:
            return 0.0
        try:
            wait = self.initial * (1.0 + self.increase) ** (round_ - 1)
        except OverflowError:
            wait = self.maximum
        return min(self.maximum, wait) * (1.0 + random() * self.jitter)


class Failover(Generic[A]):
    """One series of attempts to connect, until one succeeds or the limit is reached.

    Args:
        addresses: the addresses of the brokers, preferred first.
        backoff: the waits between rounds.
        attempts: maximum number of rounds; -1 for no limit.
        shuffle: try the addresses of a round in random order.
        random: the source of random numbers.
        earlier: the number of rounds made before this series; the first wait is that of the round after them.

    >>> policy = Failover(["a", "b"], attempts=1, random=lambda: 0.0)
    >>> policy.next(), policy.next()
    (Attempt(address='a', after=0.0), Attempt(address='b', after=0.0))
    >>> policy.next()
    Exhausted(why='1 attempt at each of 2 addresses failed')
    """

    def __init__(
        self,
        addresses: Sequence[A],
        *,
        backoff: Backoff | None = None,
        attempts: float = 3,
        shuffle: bool = False,
        random: Random,
        earlier: int = 0,
    ) -> None:
        self._earlier = earlier
        self._addresses = list(addresses)
        self._backoff = backoff or Backoff()
        self._attempts = attempts
        self._shuffle = shuffle
        self._random = random
        self._round = 0
        self._queue: list[A] = []

    def next(self, last_error: BaseException | None = None) -> Attempt[A] | Exhausted:
        """Return the next attempt, or why there is none; `last_error` is why the attempt before failed."""
        if isinstance(last_error, AuthenticationFailed):
            return Exhausted("the broker refused the login")
        if not self._addresses:
            return Exhausted("there is no address to connect to")
        after = 0.0
        if not self._queue:
            if 0 <= self._attempts <= self._round:
                return Exhausted(self._exhausted())
            after = self._backoff.before(self.rounds, self._random)
            self._round += 1
            self._queue = self._shuffled() if self._shuffle else list(self._addresses)
        return Attempt(self._queue.pop(0), after)

    @property
    def rounds(self) -> int:
        """The number of rounds begun, earlier series included."""
        return self._earlier + self._round

    def go_on(self) -> None:
        """Begin another series, with the addresses of the current round that were not tried yet."""
        self._earlier, self._round = self.rounds, 0

    def has_addresses(self, addresses: Sequence[A]) -> bool:
        """Return True if this series is for these addresses."""
        return self._addresses == list(addresses)

    def _shuffled(self) -> list[A]:
        order = list(self._addresses)
        for i in range(len(order) - 1, 0, -1):
            j = min(int(self._random() * (i + 1)), i)
            order[i], order[j] = order[j], order[i]
        return order

    def _exhausted(self) -> str:
        if self._round == len(self._addresses) == 1:
            return ""
        tries = f"{self._round} attempt{'s' if self._round != 1 else ''}"
        count = len(self._addresses)
        return f"{tries} failed" if count == 1 else f"{tries} at each of {count} addresses failed"
