"""Registry of the addresses that event loops of this process serve.

A blocking call on the thread of such a loop must not wait for an answer from them: it would wait forever.

Rule of this file: it never imports asyncio. If asyncio has not been imported, no loop is running.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stomp.net.address import Address

#: Event loop -> the ports of its servers and the paths of its Unix sockets.
_SERVED: WeakKeyDictionary[object, list[int | str]] = WeakKeyDictionary()


def running_loop() -> object | None:
    """Return the event loop that is running on this thread, which the caller blocks; None if there is none."""
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        # Not `get_running_loop`, which raises if there is none: each wait of a `Client` asks.
        loop: object = asyncio._get_running_loop()
    except AttributeError:  # another thread is importing it
        return None
    return loop


def add_served(loop: object, addresses: Iterable[Address]) -> None:
    """Register addresses that an event loop serves."""
    _SERVED.setdefault(loop, []).extend(map(_key, addresses))


def remove_served(loop: object, addresses: Iterable[Address]) -> None:
    """Remove addresses that an event loop has served."""
    for address in addresses:
        _SERVED[loop].remove(_key(address))


def _key(address: Address) -> int | str:
    return address.path if address.transport == "unix" else address.port


def check_not_served_here(sock: socket.socket) -> None:
    """Check a connected socket before the caller blocks until its peer answers.

    Raises:
        UsageError: the peer is served by the event loop of this thread, so it could never answer.
    """
    loop = running_loop()
    if loop is None or not (served := _SERVED.get(loop)):
        return
    try:
        here, peer = sock.getsockname(), sock.getpeername()
    except OSError:
        return  # it is no longer connected
    # A TCP connection within this machine has the same IP address at both ends.
    if (peer[1] in served and here[0] == peer[0]) if isinstance(peer, tuple) else peer in served:
        raise UsageError(
            "the broker runs on the event loop of this thread, and cannot answer while this call waits for it",
            hint="use stomp.AsyncClient, call it by asyncio.to_thread, or start the broker in a thread (with Broker())",
        )
