"""Proxies as scripts for a `ScriptedServer`: an HTTP proxy (CONNECT) and a SOCKS5 proxy.

>>> from stomp.testing.servers import ScriptedServer, greet
>>> proxy = HttpProxy(login=("me", "secret"))
>>> with ScriptedServer(greet) as broker, ScriptedServer(proxy) as server:
...     proxy.hosts["broker.example.com"] = "127.0.0.1"
...     url = f"http://me:secret@127.0.0.1:{server.port}"
"""

from __future__ import annotations

import base64
import re
import select
import socket
from abc import ABC, abstractmethod

_READ = 64 * 1024


class _Proxy(ABC):
    """Base class of the proxies.

    Args:
        login: the (user, password) that clients must send; None accepts all clients.

    Attributes:
        hosts: host name -> address, for names that this proxy resolves itself; the system resolves all others.
        requested: the (host, port) pairs that clients requested, as they wrote them.
    """

    def __init__(self, *, login: tuple[str, str] | None = None) -> None:
        self.login = login
        self.hosts: dict[str, str] = {}
        self.requested: list[tuple[str, int]] = []

    def __call__(self, sock: socket.socket) -> None:
        """Serve one client."""
        target = self._handshake(sock)
        if target is not None:
            with target:
                _relay(sock, target)

    @abstractmethod
    def _handshake(self, sock: socket.socket) -> socket.socket | None:
        """Do the handshake; return the socket to the target, or None if the client was refused."""

    def _open(self, host: str, port: int) -> socket.socket:
        self.requested.append((host, port))
        return socket.create_connection((self.hosts.get(host, host), port), timeout=10.0)


class HttpProxy(_Proxy):
    """Script: an HTTP proxy that supports only CONNECT (RFC 9110, section 9.3.6).

    Args:
        login: the (user, password) that clients must send; None accepts all clients.
    """

    def _handshake(self, sock: socket.socket) -> socket.socket | None:
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            head += _read_exactly(sock, 1)
        request = re.match(rb"CONNECT \[?([^ \]]+?)\]?:(\d+) HTTP/1\.1\r\n", head)
        if request is None:
            _respond(sock, "405 Method Not Allowed")
            return None
        if self.login is not None:
            secret = base64.b64encode(":".join(self.login).encode())
            if b"\r\nProxy-Authorization: Basic " + secret + b"\r\n" not in head:
                _respond(sock, '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"')
                return None
        try:
            target = self._open(request[1].decode(), int(request[2]))
        except OSError:
            _respond(sock, "502 Bad Gateway")
            return None
        _respond(sock, "200 Connection established")
        return target


def _respond(sock: socket.socket, status: str) -> None:
    sock.sendall(f"HTTP/1.1 {status}\r\nVia: 1.1 test\r\n\r\n".encode())


class Socks5Proxy(_Proxy):
    """Script: a SOCKS5 proxy (RFC 1928), with user and password authentication (RFC 1929) if `login` is given.

    Args:
        login: the (user, password) that clients must send; None accepts all clients without authentication.
    """

    def _handshake(self, sock: socket.socket) -> socket.socket | None:
        _, count = _read_exactly(sock, 2)
        methods = _read_exactly(sock, count)
        wanted = 0 if self.login is None else 2
        if wanted not in methods:
            sock.sendall(b"\5\xff")
            return None
        sock.sendall(bytes([5, wanted]))
        if self.login is not None:
            _, size = _read_exactly(sock, 2)
            user = _read_exactly(sock, size).decode()
            password = _read_exactly(sock, _read_exactly(sock, 1)[0]).decode()
            accepted = (user, password) == self.login
            sock.sendall(b"\1\0" if accepted else b"\1\1")
            if not accepted:
                return None
        _, _, _, kind = _read_exactly(sock, 4)
        if kind == 3:
            host = _read_exactly(sock, _read_exactly(sock, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _read_exactly(sock, size))
        port = int.from_bytes(_read_exactly(sock, 2), "big")
        try:
            target = self._open(host, port)
        except ConnectionRefusedError:
            sock.sendall(b"\5\5\0\1" + bytes(6))
            return None
        except OSError:
            sock.sendall(b"\5\4\0\1" + bytes(6))
            return None
        sock.sendall(b"\5\0\0\1" + bytes(6))
        return target


def _read_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionResetError("the client has disconnected")
        data += more
    return data


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Relay bytes in both directions until one side closes."""
    other.settimeout(None)
    while True:
        for source in select.select([one, other], [], [])[0]:
            data = source.recv(_READ)
            if not data:
                return
            (other if source is one else one).sendall(data)
