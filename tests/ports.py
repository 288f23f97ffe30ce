"""Port numbers for tests: no other process on this machine gets one while a test uses it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

#: The addresses that tests connect to.
LOOPBACK = ("127.0.0.1", "::1", "127.0.0.2")
_TRIES = 100


@contextmanager
def one_port(*hosts: str, kind: int = socket.SOCK_STREAM) -> Iterator[dict[str, socket.socket]]:
    """Sockets bound to one port number on these addresses, except those that this machine does not have.

    Each of them refuses connections until the test calls `listen`. While they are bound, the kernel gives the number to
    no other socket, of a server or a client. A server that binds this number explicitly, such as the embedded broker,
    gets it.
    """
    for _ in range(_TRIES):
        with ExitStack() as stack:
            if socks := _bound(hosts, kind, stack):
                yield socks
                return
    raise AssertionError(f"no port is free on all of {', '.join(hosts)}")


def port_of(sock: socket.socket) -> int:
    """The port that a socket is bound to."""
    return int(sock.getsockname()[1])


def _bound(hosts: tuple[str, ...], kind: int, stack: ExitStack) -> dict[str, socket.socket]:
    socks: dict[str, socket.socket] = {}
    port = 0
    for host in hosts:
        try:
            sock = stack.enter_context(
                socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
            )
            sock.bind((host, port))
        except OSError as err:
            if err.errno == errno.EADDRINUSE:
                return {}
            if err.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue
            raise
        # Set after bind(): before it, bind() would also take a port that another socket holds in the same way.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        socks[host] = sock
        port = port_of(sock)
    return socks
