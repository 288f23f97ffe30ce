"""`Extensions`: reports what a client asks for and a dialect does not do.

Rule of this file: nothing has no effect in silence. The dialect "strict" answers by ERROR, the others log a warning,
once for each header or destination.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stomp.broker.dialects.headers import ALL_SEND, ALL_SUBSCRIBE
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from stomp.broker.dialects.dialect import Dialect
    from stomp.core.frames.frame import Frame

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Number of unsupported headers that are reported.
_MOST_REPORTS = 1000


class Extensions:
    """Reports headers that a dialect does not support.

    Args:
        dialect: the dialect.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._reported: set[tuple[str, str]] = set()
        self._unsupported = {
            "SUBSCRIBE": ALL_SUBSCRIBE - dialect.subscribe_headers,
            "SEND": ALL_SEND - dialect.send_headers,
        }

    def check(self, frame: Frame) -> None:
        """Report the headers of a SUBSCRIBE or SEND that the dialect does not support.

        Raises:
            RequestRefused: there are some, and the dialect refuses them.
        """
        unsupported = self._unsupported[frame.command]
        supported = self._dialect.subscribe_headers
        others = ("x-", "activemq.") if frame.command == "SUBSCRIBE" else ()
        for name in frame.headers:
            if name in unsupported or (name.startswith(others) and name not in supported):
                self._report(frame.command, name)

    def check_destination(self, destination: str) -> None:
        """Report a destination of SUBSCRIBE for which the dialect does not do what its broker does."""
        if (unsupported := self._dialect.unsupported_in(destination)) is not None:
            self._warn(
                ("destination", destination),
                f"the destination {destination!r:.200}: the dialect {self._dialect.name} has no {unsupported}",
            )

    def _report(self, command: str, name: str) -> None:
        dialect = self._dialect
        if dialect.refuses_unsupported:
            raise RequestRefused(
                f"the header {name!r:.80} of {command} is an extension of STOMP",
                f"the broker's dialect {dialect.name} has none; use the dialect of your broker",
            )
        self._warn(
            (command, name),
            f"the header {name!r:.80} of {command} has no effect in the dialect {dialect.name}",
        )

    def _warn(self, key: tuple[str, str], text: str) -> None:
        """Log a warning, once for each key."""
        if key not in self._reported and len(self._reported) < _MOST_REPORTS:
            self._reported.add(key)
            logger.warning("%s", text)

    def warn_not_retroactive(self) -> None:
        """Report a retroactive subscription if the broker keeps no messages of topics."""
        self._warn(
            ("SUBSCRIBE", "activemq.retroactive"),
            "the header 'activemq.retroactive' of SUBSCRIBE has no effect: topics keep no messages (max_retroactive)",
        )
