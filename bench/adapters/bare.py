"""Bare sockets: what is left when a client does nothing. It counts NULs, and sends what was rendered before.

No client can be faster, so this is the floor, of the server as well as of the machine.
"""

from __future__ import annotations

import platform
import socket

from bench.adapters import PATIENCE

VERSION = f"Python {platform.python_version()}"

_READ = 256 * 1024
#: Frames are sent together, as a client does that is under load.
_WRITE = 64 * 1024

_ACK = b"ACK\nid:T_1@@session-Vn2kTz8wQ@@0000000001\n\n\0"


class Client:
    """See `bench.adapters.Contract`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._left = 0
        self._acknowledge = False
        self._buffer = bytearray(_READ)
        self._waiting: list[bytes] = []
        self._most = 0  # how many of the last frame make a full write
        self._last: tuple[str, bytes] | None = None
        self._frame = b""
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(None)
        self._socket.sendall(
            b"CONNECT\naccept-version:1.2\nhost:localhost\nlogin:guest\npasscode:guest\n\n\0"
        )
        self._read(1)

    def _read(self, frames: int) -> None:
        buffer = self._buffer
        while frames > 0:
            length = self._socket.recv_into(buffer)
            if not length:
                raise ConnectionResetError("the server has gone")
            found = buffer.count(0, 0, length)
            frames -= found
            if self._acknowledge:
                self._socket.sendall(_ACK * (found if frames else found - 1))

    def _flush(self) -> None:
        if self._waiting:
            self._socket.sendall(b"".join(self._waiting))
            self._waiting.clear()

    def expect(self, messages: int, *, acknowledge: bool = False) -> None:
        self._left = messages
        self._acknowledge = acknowledge

    def wait(self) -> None:
        self._flush()
        self._read(self._left)

    def subscribe(self, destination: str, ack: str = "auto") -> None:
        head = f"SUBSCRIBE\nid:1\ndestination:{destination}\nack:{ack}\n\n\0"
        self._socket.sendall(head.encode())

    def unsubscribe(self) -> None:
        self._socket.sendall(b"UNSUBSCRIBE\nid:1\n\n\0")

    def send(self, destination: str, body: bytes) -> None:
        if self._last != (destination, body):
            self._flush()
            self._last = destination, body
            head = f"SEND\ndestination:{destination}\ncontent-length:{len(body)}\n\n"
            self._frame = head.encode() + body + b"\0"
            self._most = _WRITE // len(self._frame)
        self._waiting.append(self._frame)
        if len(self._waiting) >= self._most:
            self._flush()

    def confirm(self, destination: str, body: bytes) -> None:
        head = f"SEND\ndestination:{destination}\ncontent-length:{len(body)}\nreceipt:bench\n\n"
        self._waiting.append(head.encode() + body + b"\0")
        self._flush()
        self._acknowledge = False
        self._read(1)

    def close(self) -> None:
        self._acknowledge = False
        self._flush()
        self._socket.sendall(b"DISCONNECT\nreceipt:bye\n\n\0")
        self._read(1)
        self._socket.close()
