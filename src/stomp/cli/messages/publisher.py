"""Confirmed sends, many at once and in order: what `send`, `replay` and `move` have in common."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class MessagePublisher:
    """Sends that wait for their confirmation, oldest first.

    Args:
        client: a connected `stomp.Client`; its window says how many may wait.
        confirm: False sends without asking the broker for an answer.
        done: called with the note of each send that is confirmed, in order.

    Attributes:
        sent: how many were sent.
        confirmed: how many of them, from the first on, the broker has.
    """

    def __init__(
        self, client: Any, *, confirm: bool = True, done: Callable[[Any], object] | None = None
    ) -> None:
        self._client = client
        self._confirm = confirm
        self._done = done
        self._waiting: deque[tuple[Any, Any]] = deque()
        self.sent: int = 0
        self.confirmed: int = 0

    def send(self, destination: str, body: bytes, note: Any = None, **options: Any) -> None:
        """Send one; look what has become of those before.

        Raises:
            StompError: it could not be sent, or one before it was not confirmed.
        """
        if self._confirm:
            self._waiting.append((self._client.send_async(destination, body, **options), note))
            self.sent += 1
        else:
            self._client.send(destination, body, **options)
            self.sent += 1
            self._count(note)
        self.settle()

    def settle(self, *, wait: bool = False) -> None:
        """Take note of what is confirmed; with `wait`, of all. It may be called again after an error.

        Raises:
            StompError: one was refused, or nobody knows.
        """
        while self._waiting and (wait or self._waiting[0][0].done()):
            confirmation, note = self._waiting[0]
            try:
                confirmation.result()
            finally:
                # Whatever it was, it is told once.
                self._waiting.popleft()
            self._count(note)

    def _count(self, note: Any) -> None:
        self.confirmed += 1
        if self._done is not None:
            self._done(note)
