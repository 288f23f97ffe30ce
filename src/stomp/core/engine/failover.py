"""Where to connect next, and when: a pure decision. The driver sleeps, asks the DNS (again for each try) and dials.

Rules of this file: a round tries every address once; between rounds the wait grows exponentially up to a
ceiling, with jitter, so that a thousand clients of a restarted broker do not come back in step; attempts are
rounds, so that a longer list is not tried less often; a refused login is never tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from stomp.core import arguments
from stomp.core.errors import AuthenticationFailed
from stomp.core.structs import dataclass, record

#: Returns a number from 0 up to, not including, 1: `random.random`, or a fixed one in tests.
Dice = Callable[[], float]


A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Attempt(Generic[A]):
    """Dial `address`, `after` so many seconds."""

    address: A
    after: float


@record
class Exhausted:
    """Stop trying; `why` tells the reason in words."""

    why: str


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a round.

    Attributes:
        initial: seconds before the second round; there is no wait before the first.
        increase: each further wait is longer by this part: 0.5 makes 0.1, 0.15, 0.225 ...
        jitter: up to this part is added by chance.
        maximum: the ceiling in seconds, before jitter.

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

    def before(self, round_: int, dice: Dice) -> float:
        """Seconds to wait before round number `round_`, the first being 0."""
        if round_ <= 0:
            return 0.0
        try:
            wait = self.initial * (1.0 + self.increase) ** (round_ - 1)
        except OverflowError:
            wait = self.maximum
        return min(self.maximum, wait) * (1.0 + dice() * self.jitter)


class Failover(Generic[A]):
    """One series of tries, from nothing to a connection or to giving up.

    Args:
        addresses: the brokers, most wanted first.
        backoff: the waits between rounds.
        attempts: how many rounds; -1 for no limit.
        shuffle: try the addresses of a round in random order.
        dice: where randomness comes from.
        earlier: how many rounds were made before this series; the first wait is that of the round after them.

    >>> policy = Failover(["a", "b"], attempts=1, dice=lambda: 0.0)
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
        dice: Dice,
        earlier: int = 0,
    ) -> None:
        self._earlier = earlier
        self._addresses = list(addresses)
        self._backoff = backoff or Backoff()
        self._attempts = attempts
        self._shuffle = shuffle
        self._dice = dice
        self._round = 0
        self._queue: list[A] = []

    def next(self, last_error: BaseException | None = None) -> Attempt[A] | Exhausted:
        """What to do now; `last_error` is why the try before failed."""
        if isinstance(last_error, AuthenticationFailed):
            return Exhausted("the broker refused the login")
        if not self._addresses:
            return Exhausted("there is no address to connect to")
        after = 0.0
        if not self._queue:
            if 0 <= self._attempts <= self._round:
                return Exhausted(self._exhausted())
            after = self._backoff.before(self.rounds, self._dice)
            self._round += 1
            self._queue = self._shuffled() if self._shuffle else list(self._addresses)
        return Attempt(self._queue.pop(0), after)

    @property
    def rounds(self) -> int:
        """How many rounds were begun, the earlier ones included."""
        return self._earlier + self._round

    def go_on(self) -> None:
        """Begin another series of attempts, with the addresses that this round has left."""
        self._earlier, self._round = self.rounds, 0

    def has_addresses(self, addresses: Sequence[A]) -> bool:
        """True if it was made for these addresses."""
        return self._addresses == list(addresses)

    def _shuffled(self) -> list[A]:
        order = list(self._addresses)
        for i in range(len(order) - 1, 0, -1):
            j = min(int(self._dice() * (i + 1)), i)
            order[i], order[j] = order[j], order[i]
        return order

    def _exhausted(self) -> str:
        tries = f"{self._round} attempt{'s' if self._round != 1 else ''}"
        count = len(self._addresses)
        return f"{tries} failed" if count == 1 else f"{tries} at each of {count} addresses failed"
