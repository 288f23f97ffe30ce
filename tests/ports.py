"""Port numbers for tests: nobody else on this machine gets one while a test counts on it."""

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
    """Sockets bound to one port number on all these addresses, but those that this machine lacks.

    Each of them refuses connections until the test has it listen. Bound, they keep the kernel from giving the number to
    anybody, as a server's or as a client's. A server that asks for it by number, as the embedded broker does, gets it.
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
        # Only now: with it, bind() would take what another one holds in the same way.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        socks[host] = sock
        port = port_of(sock)
    return socks
