"""The links of the threaded driver that are open: what becomes of them when the process forks or ends."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol

#: How long the end of the program may wait for a broker that does not read, in seconds.
_LAST_WORDS = 2.0


class OpenLink(Protocol):
    """See `stomp.client.threads.link.Link`."""

    def abandon_after_fork(self) -> None:
        """In a forked child: the connection is its parent's."""
        ...

    def flush_within(self, seconds: float) -> None:
        """Write what is queued, as far as the peer takes it within so many seconds."""
        ...


LINKS: weakref.WeakSet[OpenLink] = weakref.WeakSet()


def _disown_all() -> None:
    """A forked child has copies of its parent's links, but the connections are not its own."""
    for link in list(LINKS):
        link.abandon_after_fork()
    LINKS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)


@atexit.register
def _write_all() -> None:
    """A program that ends without disconnecting still gets its last frames out: they may wait for company."""
    for link in list(LINKS):
        link.flush_within(_LAST_WORDS)
