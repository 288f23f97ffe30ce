"""Where the broker listens: sockets for every address that a host name stands for."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What getaddrinfo tells: family, kind, protocol, canonical name, address.
_Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, _Address]

#: A host may have an address in a family that this machine does not speak. The others will do.
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
#: How often a free port is tried to be had on all addresses of a host.
_TRIES = 10


async def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to all addresses of a host, to one and the same port where `port` is 0.

    Args:
        host: a name or address; "" for every address of this machine.
        port: the port, or 0 for one that is free.

    Raises:
        OSError: an address is in use or forbidden, or the host has none on this machine.
    """
    infos = list(dict.fromkeys(await _resolve(host or None, port)))
    for _ in range(_TRIES):
        try:
            return _bind(infos)
        except OSError as err:
            # The port that was free on one address may be taken on the next one.
            if port or err.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no port is free on all addresses of {host!r}")


async def _resolve(host: str | None, port: int) -> Sequence[_Info]:
    flags = socket.AI_PASSIVE
    try:
        # A number needs no resolver, and so no thread that waits for one.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags | socket.AI_NUMERICHOST)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


def _bind(infos: Sequence[_Info]) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, address in infos:
        if sockets:
            address = (address[0], sockets[0].getsockname()[1], *address[2:])
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
        except OSError as err:
            if sock is not None:
                sock.close()
            if err.errno not in _NOT_HERE:
                for bound in sockets:
                    bound.close()
                raise
            failure = err
        else:
            sockets.append(sock)
    if not sockets:
        raise failure or OSError(errno.EADDRNOTAVAIL, "the host has no address")
    return sockets
