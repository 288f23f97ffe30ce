"""Confirmed sends, several in flight and in order, for the commands `send`, `replay`, `move` and `bench`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class MessagePublisher:
    """Sends messages and collects their confirmations, oldest first. Call `collect` with ``wait=True`` at the end.

    Args:
        client: a connected `stomp.Client`. Its window limits the number of pending confirmations.
        confirm: False sends without asking the broker for a confirmation.
        done: called with the note of each confirmed send, in order.

    Attributes:
        sent: the number of messages sent.
        confirmed: the number of messages confirmed, counted from the first one.
    """

    def __init__(
        self, client: Any, *, confirm: bool = True, on_confirmed: Callable[[Any], object] | None = None
    ) -> None:
        self._client = client
        self._confirm = confirm
        self._on_confirmed = on_confirmed
        self._pending: deque[tuple[Any, Any]] = deque()
        self.sent: int = 0
        self.confirmed: int = 0

    def send(self, destination: str, body: bytes, note: Any = None, **options: Any) -> None:
        """Send a message, and collect the confirmations that have arrived.

        Args:
            destination: the destination.
            body: the body.
            note: passed to `done` when the message is confirmed.
            **options: further arguments of ``stomp.Client.send``.

        Raises:
            StompError: the message could not be sent, or an earlier one was not confirmed.
        """
        if self._confirm:
            self._pending.append((self._client.send_async(destination, body, **options), note))
            self.sent += 1
        else:
            self._client.send(destination, body, **options)
            self.sent += 1
            self._count(note)
        self.collect()

    def collect(self, *, wait: bool = False) -> None:
        """Collect the confirmations that have arrived. It may be called again after an error, for the rest.

        Args:
            wait: wait for all pending confirmations.

        Raises:
            StompError: the broker refused a message, or its outcome is unknown.
        """
        while self._pending and (wait or self._pending[0][0].done()):
            confirmation, note = self._pending[0]
            try:
                confirmation.result()
            finally:
                # Remove it also after an error, so that each error is raised once.
                self._pending.popleft()
            self._count(note)

    def _count(self, note: Any) -> None:
        self.confirmed += 1
        if self._on_confirmed is not None:
            self._on_confirmed(note)
