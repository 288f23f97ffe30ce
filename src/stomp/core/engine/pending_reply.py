"""`PendingReply`: a request that waits for its replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.effects import Signal

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage
    from stomp.core.errors import StompError


class PendingReply(Signal):
    """A request (`request_reply.request_many_gen`) that waits for its replies. Notifies when `done` becomes true.

    Attributes:
        count: how many replies it waits for.
        messages: the replies, in the order in which they arrived.
        error: why no more replies can arrive; None otherwise.
    """

    __slots__ = ("count", "error", "messages")

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.messages: list[BaseMessage] = []
        self.error: StompError | None = None

    @property
    def done(self) -> bool:
        """True if all replies have arrived, or the connection was lost so that none can arrive."""
        return len(self.messages) >= self.count or self.error is not None
