"""Listening addresses: parsing their URLs, and binding the sockets.

A listening address is an `Address`. Its port may be 0, which selects a free port; its host may be "", which means all
addresses of this machine. A host name gets one socket for each address that it resolves to.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from stomp.core.errors import AddressError
from stomp.core.frames.frame import text_of
from stomp.net.address import Address, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

#: An entry of getaddrinfo: family, kind, protocol, canonical name, address.
_Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, _Address]

#: A host may have addresses of a family that this machine does not support. The other addresses are enough.
_UNSUPPORTED = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
#: Attempts to find a port that is free on all addresses of a host.
_TRIES = 10


_ANY = re.compile(r"(?P<before>[a-z+]+://)(?P<host>\[[^]]*\]|[^/?:]*):0(?P<after>/.*)?", re.IGNORECASE)


def parse_endpoint(url: str) -> Address:
    """Parse the URL of a listening address. Unlike the URL of a client, it may have port 0, for a free port.

    >>> parse_endpoint("ws://127.0.0.1:0/ws"), parse_endpoint("unix:///tmp/broker.sock").path
    (Address(host='127.0.0.1', port=0, transport='ws', path='/ws'), '/tmp/broker.sock')

    Raises:
        AddressError: the URL is invalid, or has parts that are for clients only (login, virtual host, options, more
            than one address).
    """
    url = text_of(url)
    free = _ANY.fullmatch(url.strip())
    target = parse(f"{free['before']}{free['host']}:1{free['after'] or ''}" if free else url)
    if len(target.addresses) != 1 or target.login or target.vhost or target.options:
        raise AddressError(
            "each entry of listen= is one address, without login, virtual host and options",
            hint="write stomp://127.0.0.1:61613, ws://127.0.0.1:15674/ws or unix:///run/broker.sock",
        )
    where = target.addresses[0]
    return Address(where.host, 0, where.transport, where.path) if free else where


def listen_unix(path: str) -> socket.socket:
    """Return a socket bound to a path. A stale socket file, on which no process listens, is replaced.

    Raises:
        OSError: a process listens on this path, the path is not a socket, or this system has no Unix sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this system has no Unix sockets")
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        try:
            sock.bind(path)
        except OSError as err:
            if err.errno != errno.EADDRINUSE or not _is_stale(path):
                raise
            Path(path).unlink(missing_ok=True)
            sock.bind(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_stale(path: str) -> bool:
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.setblocking(False)
                # A full backlog (EAGAIN) means that a process listens.
                return probe.connect_ex(path) == errno.ECONNREFUSED
    return False


def remove_unix(path: str, identity: tuple[int, int]) -> None:
    """Remove the file of a Unix socket, unless another process has replaced it meanwhile."""
    with contextlib.suppress(OSError):
        if file_identity(path) == identity:
            Path(path).unlink()


def file_identity(path: str) -> tuple[int, int]:
    """Device and inode of a file: they identify it even if another file has got the same name."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


async def listen(host: str, port: int) -> list[socket.socket]:
    """Bind sockets to all addresses of a host; all have the same port, also if `port` is 0.

    Args:
        host: a name or address; "" for all addresses of this machine.
        port: the port, or 0 for a free port.

    Raises:
        OSError: an address is in use or not permitted, or the host has no address on this machine.
    """
    infos = list(dict.fromkeys(await _resolve(host or None, port)))
    for _ in range(_TRIES):
        try:
            return _bind(infos)
        except OSError as err:
            # The port that was free on the first address may be in use on the next one.
            if port or err.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no port is free on all addresses of {host!r}")


async def _resolve(host: str | None, port: int) -> Sequence[_Info]:
    flags = socket.AI_PASSIVE
    try:
        # A numeric address needs no name resolution, so no thread of the loop's executor.
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
            if err.errno not in _UNSUPPORTED:
                for bound in sockets:
                    bound.close()
                raise
            failure = err
        else:
            sockets.append(sock)
    if not sockets:
        raise failure or OSError(errno.EADDRNOTAVAIL, "the host has no address")
    return sockets
