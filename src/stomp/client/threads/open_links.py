"""The open links of the threaded client, and what happens to them when the process forks or exits.

Rule of this file: a forked child does not write to its parent's connections.
"""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol

#: Longest wait per link at exit for a broker that does not read, in seconds.
_FLUSH_TIMEOUT = 2.0


class OpenLink(Protocol):
    """See `stomp.client.threads.link.Link`."""

    def abandon_after_fork(self) -> None:
        """In a forked child: end the link without writing to the connection, which belongs to the parent."""
        ...

    def flush_within(self, seconds: float) -> None:
        """Write the queued frames, as far as the peer reads them within this many seconds."""
        ...


LINKS: weakref.WeakSet[OpenLink] = weakref.WeakSet()


def _abandon_all() -> None:
    """In a forked child: abandon the copies of the parent's links. The connections belong to the parent."""
    for link in list(LINKS):
        link.abandon_after_fork()
    LINKS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


@atexit.register
def _flush_all() -> None:
    """At exit: flush the links of a program that did not disconnect. Their last frames may still be buffered."""
    for link in list(LINKS):
        link.flush_within(_FLUSH_TIMEOUT)
