"""A client that writes raw bytes and reads frames, so that a test can also break the protocol."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from stomp.core.frames.decoder import Decoder, HeartbeatMarker
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame, headers_of
from stomp.core.frames.versions import VERSIONS

#: Timeout in seconds of everything that a test waits for.
PATIENCE = 10.0


class HasAddress(Protocol):
    """An object with the address of a broker."""

    host: str
    port: int


class Ended(Exception):
    """The broker closed the connection."""


class RawClient:
    """One connection; nothing is sent when it is opened.

    Attributes:
        beats: number of received heart-beats.
    """

    def __init__(
        self,
        broker: HasAddress,
        *,
        version: str = "1.2",
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.version = VERSIONS[version]
        self.beats = 0
        self._decoder = Decoder()
        self._frames: deque[Frame] = deque()
        host = broker.host or "127.0.0.1"
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        try:
            self.sock.connect((host, broker.port))
            if tls is not None:
                self.sock = tls.wrap_socket(self.sock, server_hostname=host)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close without DISCONNECT."""
        self.sock.close()

    def connect(self, **headers: str) -> Frame:
        """Send CONNECT; return the CONNECTED frame."""
        self.send("CONNECT", accept_version=self.version.number, host="/", **headers)
        connected = self.expect("CONNECTED")
        self._decoder.version = self.version
        return connected

    def write(self, data: bytes) -> None:
        """Write raw bytes."""
        self.sock.sendall(data)

    def send(self, command: str, body: bytes | str = b"", **headers: object) -> None:
        """Write a frame. Underscores in header names are replaced by hyphens, but not in those of ActiveMQ."""
        body = body.encode() if isinstance(body, str) else body
        named = {
            name if name.isupper() or "AMQ" in name else name.replace("_", "-"): value
            for name, value in headers.items()
        }
        if body:
            named["content-length"] = len(body)
        self.write(encode(Frame(command, headers_of(named), body), self.version))

    def frame(self, patience: float = PATIENCE) -> Frame:
        """The next frame.

        Raises:
            Ended: the broker closed the connection.
            TimeoutError: no frame arrived in time.
        """
        deadline = time.monotonic() + patience
        while not self._frames:
            self.sock.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.sock.recv(256 * 1024)
            if not data:
                raise Ended
            self._decoder.feed(data)
            while found := self._decoder.frames():
                for frame in found:
                    if isinstance(frame, HeartbeatMarker):
                        self.beats += 1
                    else:
                        self._frames.append(frame)
                        if frame.command == "CONNECTED":
                            self._decoder.version = self.version
        return self._frames.popleft()

    def expect(self, command: str, **headers: str) -> Frame:
        """The next frame, which must have this command and these headers."""
        frame = self.frame()
        assert frame.command == command, f"{frame.command} {frame.headers} {frame.body[:200]!r}"
        for name, value in headers.items():
            assert frame.headers.get(name.replace("_", "-")) == value, frame.headers
        return frame

    def expect_end(self) -> None:
        """Check that the broker closes the connection without sending another frame."""
        try:
            frame = self.frame()
        except (Ended, ConnectionResetError):
            return
        raise AssertionError(f"another frame: {frame.command} {frame.headers}")

    def sync(self) -> list[Frame]:
        """Wait until the broker has processed everything written so far; return the frames received meanwhile."""
        # BEGIN and ABORT have no effect, and responses arrive in order.
        self.send("BEGIN", transaction="sync")
        self.send("ABORT", transaction="sync", receipt="sync")
        frames: list[Frame] = []
        while True:
            frame = self.frame()
            if frame.command == "RECEIPT" and frame.headers["receipt-id"] == "sync":
                return frames
            frames.append(frame)

    def silent_for(self, seconds: float) -> bool:
        """True if nothing arrives for this number of seconds."""
        return not self._frames and not select.select([self.sock], [], [], seconds)[0]


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.002)


def still_serves(broker: HasAddress, tls: ssl.SSLContext | None = None) -> bool:
    """True if a new client can send and receive a message."""
    with RawClient(broker, tls=tls) as fresh:
        fresh.connect()
        fresh.send("SUBSCRIBE", id="1", destination="/queue/still")
        fresh.send("SEND", "here", destination="/queue/still")
        return fresh.expect("MESSAGE").body == b"here"
