"""The other end of every benchmark: a server that fires, counts, echoes and confirms, and parses next to nothing.

    python -m bench.server [--cpu N]      prints its port, ends when its standard input does

What it does is chosen by the destination that a client subscribes to; `count`, `size` ... are its query:

    /bench/fire?count=N&size=B            sends N messages with bodies of B bytes; `&escaped=1` for headers with escapes
    /bench/fire?count=N&size=B&acks=1     the same, and one more message when N frames have come back
    /bench/sink?count=N                   one message when N frames have come
    /bench/echo                           every SEND comes back as a message

Why Python is fast enough: what is sent is rendered once, in blocks of some MiB, and written by the kernel at several
GB/s; what comes is counted by its NULs, at C speed. Only single frames (confirmed ones, echoed ones) are looked at,
and of those the one header that matters: a server in C took 5 to 10 µs less of a round trip of 55 µs, which is not
worth a compiler. Bodies of the kit hold no NUL, or counting would lie. The adapter `bare`, which does as little at the
client's end, shows in every report how far the server is from being the limit.

Message ids are different within a block of thousands, and come again with the next block: rendering them anew would
cost more than all the rest, and no client remembers ids for that long.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

READ = 256 * 1024
BLOCK = 4 * 1024 * 1024
#: How many connections there may be at a time; their threads run from the beginning, so that connecting is cheap.
CONNECTIONS = 16

CONNECTED = b"CONNECTED\nversion:1.2\nserver:bench/1\nsession:session-Vn2kTz8wQ\nheart-beat:0,0\n\n\0\n"

#: Eight headers, as RabbitMQ sends them; the two zeros are the id and the length.
PLAIN = """\
MESSAGE
subscription:{subscription}
destination:/queue/orders
message-id:T_{subscription}@@session-Vn2kTz8wQ@@{id:010d}
redelivered:false
ack:T_{subscription}@@session-Vn2kTz8wQ@@{id:010d}
persistent:1
content-type:application/json
content-length:{length}

"""
#: Eight headers, as ActiveMQ sends them: the colons of its ids are escaped.
ESCAPED = r"""MESSAGE
ack:ID\cbroker.example.org-40001-1760000000000-3\c{id:010d}
destination:/queue/orders
expires:0
message-id:ID\cbroker.example.org-40001-1760000000000-2\c1\c-1\c1\c{id:010d}
priority:4
subscription:{subscription}
timestamp:1760000000000
content-length:{length}

"""

_TEXT = '{"order": 4711, "name": "Café au lait", "pieces": 12, "sum": 99.50, "paid": true}, '.encode()


def body_of(size: int) -> bytes:
    """Text of that many bytes, UTF-8, without a NUL."""
    cut = (_TEXT * (size // len(_TEXT) + 1))[:size].decode(errors="ignore").encode()
    return cut.ljust(size, b".")


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
def render(subscription: str, size: int, escaped: bool) -> Block:
    """Render a block. It is kept: the clients warm up before they measure."""
    template = ESCAPED if escaped else PLAIN
    body = body_of(size) + b"\0\n"
    heads = (template.format(subscription=subscription, id=id, length=size).encode() for id in range(1 << 30))
    first = next(heads) + body
    frames = max(1, BLOCK // len(first))
    rest = [next(heads) + body for _ in range(frames - 1)]
    return Block(first + b"".join(rest), len(first), frames)


def header(frame: bytes, name: bytes) -> bytes:
    """The value of a header, or nothing. Whole frames are searched: no body of the kit has such a line."""
    _, found, rest = frame.partition(b"\n" + name + b":")
    return rest.partition(b"\n")[0] if found else b""


class Conversation:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending = b""  # a frame that has begun
        self._awaited = 0  # frames that are only counted
        self._subscription = ""
        self._open = True

    def run(self) -> None:
        """Talk until the client goes."""
        while self._open and (data := self._sock.recv(READ)):
            if self._awaited:
                self._count(data.count(0))
            else:
                self._take(data)

    def _count(self, frames: int) -> None:
        self._awaited -= frames
        if self._awaited < 0:
            raise ValueError(f"{-self._awaited} frames more than the client promised")
        if not self._awaited:
            self._sock.sendall(render(self._subscription, 0, False).part(1))

    def _take(self, data: bytes) -> None:
        *frames, self._pending = (self._pending + data).split(b"\0")
        for index, frame in enumerate(frames):
            self._handle(frame.lstrip(b"\n"))
            if self._awaited:
                # The rest came behind the SUBSCRIBE that asked to count.
                self._pending = b""
                self._count(len(frames) - index - 1)
                return

    def _handle(self, frame: bytes) -> None:
        command = frame.partition(b"\n")[0]
        if command == b"SEND":
            if b"\ndestination:/bench/echo\n" in frame:
                self._echo(frame.partition(b"\n\n")[2])
        elif command in (b"CONNECT", b"STOMP"):
            self._sock.sendall(CONNECTED)
        elif command == b"SUBSCRIBE":
            self._subscribe(header(frame, b"id").decode(), header(frame, b"destination").decode())
        elif command == b"DISCONNECT":
            self._open = False
        receipt = header(frame, b"receipt")
        if receipt:
            self._sock.sendall(b"RECEIPT\nreceipt-id:%b\n\n\0\n" % receipt)

    def _echo(self, body: bytes) -> None:
        head = PLAIN.format(subscription=self._subscription, id=1, length=len(body))
        self._sock.sendall(head.encode() + body + b"\0\n")

    def _subscribe(self, subscription: str, destination: str) -> None:
        self._subscription = subscription
        url = urlsplit(destination.replace("\\c", ":"))
        query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
        count = query.get("count", 0)
        if url.path == "/bench/sink":
            self._awaited = count
        elif url.path == "/bench/fire":
            block = render(subscription, query["size"], bool(query.get("escaped")))
            if query.get("acks"):
                self._awaited = count
                # What comes back must be read meanwhile, or both ends would wait for each other.
                threading.Thread(target=self._fire, args=(block, count), daemon=True).start()
            else:
                self._fire(block, count)

    def _fire(self, block: Block, count: int) -> None:
        with contextlib.suppress(ConnectionError):
            while count > 0:
                frames = min(count, block.frames)
                self._sock.sendall(block.part(frames))
                count -= frames


def serve(listener: socket.socket) -> None:
    """Take one connection after the other."""
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock, contextlib.suppress(ConnectionError):
            Conversation(sock).run()


def pin(cpu: int | None) -> None:
    """Stay on one CPU, where the system can do that."""
    if cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


def main() -> None:
    parser = argparse.ArgumentParser(description="the server of the benchmarks")
    parser.add_argument("--cpu", type=int, help="stay on this CPU")
    pin(parser.parse_args().cpu)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    for _ in range(CONNECTIONS):
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
