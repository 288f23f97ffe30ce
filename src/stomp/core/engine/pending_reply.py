"""`PendingReply`: a request that waits for its reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.effects import Signal

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage
    from stomp.core.errors import StompError


class PendingReply(Signal):
    """A request (`request_reply.request_gen`) that waits for its reply. Notifies when `done` becomes true."""

    __slots__ = ("error", "message")

    def __init__(self) -> None:
        super().__init__()
        self.message: BaseMessage | None = None
        self.error: StompError | None = None

    @property
    def done(self) -> bool:
        """True if the reply has arrived, or the connection was lost so that none can arrive."""
        return self.message is not None or self.error is not None
