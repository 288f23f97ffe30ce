"""Bare sockets: what is left when a client does nothing. It counts NULs, and sends what was rendered before.

No client can be faster: this is the limit of the server and of the machine.
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable
from time import perf_counter, process_time

from bench.adapters import Unsupported
from bench.forms import Body, Form, encoded
from bench.work import PATIENCE, Work

VERSION = f"Python {platform.python_version()}"

_READ = 256 * 1024
#: Frames are sent together, as a client does that is under load.
_WRITE = 64 * 1024

_ACK = b"ACK\nid:T_1@@session-Vn2kTz8wQ@@0000000001\n\n\0"


class Client:
    """See `bench.adapters.Contract`."""

    def __init__(self, work: Work) -> None:
        if "nul=1" in work.query or work.heartbeat:
            raise Unsupported("bare sockets count NULs, and do not beat")
        self.began = 0.0, 0.0
        self._left = 0
        self._then = 0
        self._acknowledge = False
        self._buffer = bytearray(_READ)
        self._waiting: list[bytes] = []
        self._most = 0  # how many of the last frame make a full write
        self._last: tuple[str, bytes] | None = None
        self._frame = b""
        self._socket = socket.create_connection((work.host, work.port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(None)
        login = f"login:{work.login}\npasscode:{work.passcode}\n"
        self._socket.sendall(f"CONNECT\naccept-version:1.2\nhost:{work.vhost}\n{login}\n\0".encode())
        self._read(1)

    def _read(self, frames: int) -> int:
        """Read this many frames. Returns how many more arrived with them."""
        buffer = self._buffer
        while frames > 0:
            length = self._socket.recv_into(buffer)
            if not length:
                raise ConnectionResetError("the server has gone")
            found = buffer.count(0, 0, length)
            frames -= found
            if self._acknowledge:
                self._socket.sendall(_ACK * (found if frames else found - 1))
        return -frames

    def _flush(self) -> None:
        if self._waiting:
            self._socket.sendall(b"".join(self._waiting))
            self._waiting.clear()

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        self._left = messages
        self._then = then
        self._acknowledge = acknowledge

    def wait(self) -> None:
        self._flush()
        more = self._read(self._left)
        if self._then:
            self.began = perf_counter(), process_time()
            self._read(self._then - more)

    def subscribe(self, destination: str, ack: str = "auto") -> None:
        head = f"SUBSCRIBE\nid:1\ndestination:{destination}\nack:{ack}\n\n\0"
        self._socket.sendall(head.encode())

    def unsubscribe(self) -> None:
        self._socket.sendall(b"UNSUBSCRIBE\nid:1\n\n\0")

    def _render(self, destination: str, body: Body, more: str = "") -> None:
        body = encoded(body)
        if self._last != (destination + more, body):
            self._flush()
            self._last = destination + more, body
            head = f"SEND\ndestination:{destination}\ncontent-length:{len(body)}\n{more}\n"
            self._frame = head.encode() + body + b"\0"
            self._most = _WRITE // len(self._frame)

    def sender(self, form: Form) -> Callable[[str, Body, int], None]:
        if not form.is_plain:
            raise Unsupported("bare sockets send a frame that was made before")
        return lambda destination, body, number: self.send(destination, body)

    def send(self, destination: str, body: Body) -> None:
        self._render(destination, body)
        self._waiting.append(self._frame)
        if len(self._waiting) >= self._most:
            self._flush()

    def confirm(self, destination: str, body: Body) -> None:
        body = encoded(body)
        head = f"SEND\ndestination:{destination}\ncontent-length:{len(body)}\nreceipt:bench\n\n"
        self._waiting.append(head.encode() + body + b"\0")
        self._flush()
        self._acknowledge = False
        self._read(1)

    def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        self._render(destination, body, "receipt:bench\n")
        self._acknowledge = False
        for sent in range(0, count, window):
            batch = min(window, count - sent)
            self._socket.sendall(self._frame * batch)
            self._read(batch)

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        self._acknowledge = False
        self._flush()
        self._socket.sendall(b"DISCONNECT\nreceipt:bye\n\n\0")
        self._read(1)
        self._socket.close()
