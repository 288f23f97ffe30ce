"""`BrokerLog`: what the broker does, one line for each frame, for ``stomp broker -v``.

Rule of this file: a line has no body and no credentials, and text from the network is escaped.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stomp.broker.observer import Observer
from stomp.core.diagnostics import describe, one_line

if TYPE_CHECKING:
    from stomp.broker.broker import Broker
    from stomp.broker.server import Server
    from stomp.broker.settings import ConnectionInfo
    from stomp.core.frames.frame import Frame

logger: logging.Logger = logging.getLogger("stomp.broker.frames")


class BrokerLog(Observer):
    """Logs connections and frames at the level INFO; `FrameObserver` and `Observer` in one object.

    Args:
        sent: also log the frames that the broker sends. Without it only ERROR is.
    """

    def __init__(self, *, sent: bool = False) -> None:
        self._sent = sent

    def connection_opened(self, connection: ConnectionInfo) -> None:
        logger.info("connection %d: opened from %s", connection.number, one_line(connection.peer))

    def connection_closed(self, connection: ConnectionInfo) -> None:
        logger.info("connection %d: closed", connection.number)

    def on_frame(self, connection: int, frame: Frame, *, sent: bool) -> None:
        """Log a frame, see `stomp.broker.recording.FrameObserver`."""
        if not sent or self._sent or frame.command == "ERROR":
            logger.info("connection %d: %s %s", connection, ">" if sent else "<", describe(frame))


def log_activity(broker: Broker, *, sent: bool = False) -> None:
    """Log the connections and frames of a running broker, see `BrokerLog`."""
    log = BrokerLog(sent=sent)

    def add(server: Server) -> None:
        server.engine.add_observer(log)
        server.observe_frames(log)

    broker._ask(add)  # pyright: ignore[reportPrivateUsage]
