"""`DuplicateIds`: finds messages that were sent before, by the header ``_AMQ_DUPL_ID`` of Artemis.

Rule of this file: an id is remembered when its message is stored. Until then, the client may have to send it again: a
SEND may be refused, and a transaction aborted.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.observer import Observer

#: Ids that are remembered. (Artemis: 20,000 for each address.)
MAX_IDS = 20_000


class DuplicateIds:
    """The ids of the last messages that had one.

    Attributes:
        observer: see `stomp.broker.state.BrokerState`.

    >>> ids = DuplicateIds()
    >>> id = ids.id_of("/queue/a", {"_AMQ_DUPL_ID": "1"})
    >>> ids.remember(id, {})
    >>> id in ids, ids.id_of("/queue/b", {"_AMQ_DUPL_ID": "1"}) in ids
    (True, False)
    """

    def __init__(self) -> None:
        self.observer: Observer | None = None
        self._ids: dict[bytes, None] = {}

    def __contains__(self, id: bytes | None) -> bool:
        return id in self._ids

    def id_of(self, destination: str, headers: Mapping[str, str]) -> bytes | None:
        """What identifies a message to this destination; None if it has no ``_AMQ_DUPL_ID``."""
        given = headers.get("_AMQ_DUPL_ID")
        if given is None:
            return None
        # An id may be long, so that 20,000 of them must not be kept.
        return hashlib.blake2b(f"{destination}\0{given}".encode(), digest_size=16).digest()

    def remember(self, id: bytes, headers: Mapping[str, str]) -> None:
        """Remember the id of a message with these headers, which was stored."""
        self.restore(id)
        if self.observer is not None:
            self.observer.id_remembered(id, headers)

    def restore(self, id: bytes) -> None:
        """As `remember`, for an id of an earlier broker."""
        self._ids[id] = None
        if len(self._ids) > MAX_IDS:
            del self._ids[next(iter(self._ids))]
