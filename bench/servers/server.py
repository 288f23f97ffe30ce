"""The same server as `server.c`, for machines without a C compiler: see `bench.servers` for what it understands.

    python -m bench.servers.server        prints its port, ends when its standard input does

Why Python is nearly fast enough: what is sent is rendered once, in blocks of some MiB, and written by the kernel at
several GB/s; what comes in a stream is counted by its NULs, at C speed. Only single frames (confirmed ones, echoed
ones) are parsed, and only for the one header that matters: in C that takes 5 to 10 µs less of a round trip of 55 µs.
Message ids are different within a block, and come again with the next one.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from bench.servers import body_of

READ = 256 * 1024
BLOCK = 4 * 1024 * 1024
#: How many connections there may be at a time; their threads run from the beginning, so that connecting is cheap.
CONNECTIONS = 128

CONNECTED = (
    "CONNECTED\nversion:{version}\nserver:bench/1\nsession:session-Vn2kTz8wQ\nheart-beat:{beat}\n\n\0\n"
)

RABBITMQ = """\
MESSAGE
subscription:{subscription}
destination:/queue/orders
message-id:T_{subscription}@@session-Vn2kTz8wQ@@{id:010d}
redelivered:false
ack:T_{subscription}@@session-Vn2kTz8wQ@@{id:010d}
persistent:1
content-type:application/json
"""
#: The colons of its ids are escaped.
ACTIVEMQ = r"""MESSAGE
ack:ID\cbroker.example.org-40001-1760000000000-3\c{id:010d}
destination:/queue/orders
expires:0
message-id:ID\cbroker.example.org-40001-1760000000000-2\c1\c-1\c1\c{id:010d}
priority:4
subscription:{subscription}
timestamp:1760000000000
"""


@dataclass(frozen=True)
class Shape:
    """What decides the bytes of the messages that are fired."""

    subscription: str
    size: int
    escaped: bool = False
    length: bool = True
    nul: bool = False
    extra: int = 0

    def head(self, id: int) -> bytes:
        """The command and the headers, with the empty line."""
        template = ACTIVEMQ if self.escaped else RABBITMQ
        known = f"content-length:{self.size}\n" if self.length else "reply-to:/queue/answers\n"
        more = "".join(f"x-header-{index:04d}:value {index:04d} of a header\n" for index in range(self.extra))
        return f"{template.format(subscription=self.subscription, id=id)}{known}{more}\n".encode()

    def frame(self, id: int) -> bytes:
        """All of a message."""
        return self.head(id) + (bytes(self.size) if self.nul else body_of(self.size)) + b"\0\n"


@dataclass(frozen=True)
class Block:
    """Messages in a row, ready to be written."""

    data: bytes
    frame: int  #: the length of one
    frames: int

    def part(self, frames: int) -> memoryview:
        """The first `frames` messages."""
        return memoryview(self.data)[: frames * self.frame]


@lru_cache(maxsize=4)
def render(shape: Shape) -> Block:
    """Render a block. It is kept: the clients warm up before they measure."""
    first = shape.frame(0)
    frames = max(1, BLOCK // len(first))
    rest = [shape.frame(id) for id in range(1, frames)]
    return Block(first + b"".join(rest), len(first), frames)


def header(frame: bytes, name: bytes) -> bytes:
    """The value of a header, or nothing. Whole frames are searched: no body of the kit has such a line."""
    _, found, rest = frame.partition(b"\n" + name + b":")
    return rest.partition(b"\n")[0].rstrip(b"\r") if found else b""


class ClientEngine:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending = b""  # a frame that has begun
        self._awaited = 0  # frames that are only counted
        self._subscription = ""
        self._open = True
        self._stalled = False

    def run(self) -> None:
        """Talk until the client goes."""
        while self._open and not self._stalled and (data := self._sock.recv(READ)):
            if self._awaited:
                self._count(data.count(0))
            else:
                self._take(data)
        while self._stalled:
            time.sleep(1)

    def _count(self, frames: int) -> None:
        self._awaited -= frames
        if self._awaited < 0:
            raise ValueError(f"{-self._awaited} frames more than the client promised")
        if not self._awaited:
            self._sock.sendall(Shape(self._subscription, 0).frame(0))

    def _take(self, data: bytes) -> None:
        *frames, self._pending = (self._pending + data).split(b"\0")
        for index, frame in enumerate(frames):
            self._handle(frame.lstrip(b"\r\n"))
            if self._awaited:
                # The rest came behind the SUBSCRIBE that asked to count.
                self._pending = b""
                self._count(len(frames) - index - 1)
                return

    def _handle(self, frame: bytes) -> None:
        command = frame.partition(b"\n")[0].rstrip(b"\r")
        if command == b"SEND":
            if b"\ndestination:/bench/echo" in frame:
                self._echo(frame.replace(b"\r\n", b"\n").partition(b"\n\n")[2])
        elif command in (b"CONNECT", b"STOMP"):
            self._connect(frame)
        elif command == b"SUBSCRIBE":
            self._subscribe(header(frame, b"id").decode(), header(frame, b"destination").decode())
        elif command == b"DISCONNECT":
            self._open = False
        receipt = header(frame, b"receipt")
        if receipt:
            self._sock.sendall(b"RECEIPT\nreceipt-id:%b\n\n\0\n" % receipt)

    def _connect(self, frame: bytes) -> None:
        sends, _, wants = header(frame, b"heart-beat").decode().partition(",")
        version = "1.2" if b"1.2" in header(frame, b"accept-version") else "1.1"
        answer = CONNECTED.format(version=version, beat=f"{wants or 0},{sends or 0}")
        self._sock.sendall(answer.encode())
        if int(wants or 0):
            threading.Thread(target=self._beat, args=(int(wants) / 1000,), daemon=True).start()

    def _beat(self, seconds: float) -> None:
        # In the idle benchmarks only, where nothing else is written at the same time.
        with contextlib.suppress(OSError):
            while self._open:
                time.sleep(seconds)
                self._sock.sendall(b"\n")

    def _echo(self, body: bytes) -> None:
        self._sock.sendall(Shape(self._subscription, len(body)).head(1) + body + b"\0\n")

    def _subscribe(self, subscription: str, destination: str) -> None:
        self._subscription = subscription or "0"
        url = urlsplit(destination.replace("\\c", ":"))
        query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
        count = query.get("count", 1)
        if url.path == "/bench/sink":
            self._awaited = count
        elif url.path == "/bench/stall":
            self._stalled = True
        elif url.path == "/bench/fire":
            block = render(
                Shape(
                    self._subscription,
                    query.get("size", 0),
                    bool(query.get("escaped")),
                    bool(query.get("length", 1)),
                    bool(query.get("nul")),
                    query.get("extra", 0),
                )
            )
            segment = query.get("segment", 0)
            if query.get("acks"):
                self._awaited = count
                # What comes back must be read meanwhile, or both ends would wait for each other.
                threading.Thread(target=self._fire, args=(block, count, segment), daemon=True).start()
            else:
                self._fire(block, count, segment)

    def _fire(self, block: Block, count: int, segment: int) -> None:
        with contextlib.suppress(ConnectionError):
            while count > 0:
                frames = min(count, block.frames)
                data = block.part(frames)
                for at in range(0, len(data), segment or len(data)):
                    self._sock.sendall(data[at : at + (segment or len(data))])
                count -= frames


def serve(listener: socket.socket) -> None:
    """Take one connection after the other."""
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock, contextlib.suppress(ConnectionError):
            ClientEngine(sock).run()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    for _ in range(CONNECTIONS):
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
