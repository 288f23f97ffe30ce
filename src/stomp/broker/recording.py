"""Records frames of the connections of the broker, for `Broker.frames` and for the broker's page.

Rules of this file:

- A recorder has a limited number of frames and bytes. The oldest frames are dropped first.
- Credentials in headers are masked, and of a body only the beginning is kept.
- Frames are recorded on the event loop of the broker. Any thread may read them.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stomp.core.diagnostics import redacted
from stomp.core.frames.frame import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stomp.core.frames.frame import Frame

#: Bytes that a recorded frame counts for in addition to its headers and its body: an estimate of its Python objects.
_OVERHEAD = 500
_HEADER_OVERHEAD = 100


class FrameObserver(Protocol):
    """Gets every frame of every connection. Heart-beats are no frames."""

    def on_frame(self, connection: int, frame: Frame, *, sent: bool) -> None:
        """Called on the event loop of the broker.

        Args:
            connection: the number of the connection.
            frame: the frame; it must not be changed.
            sent: True if the broker sends it, False if it has received it.
        """


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A frame that the broker has received or sent.

    Attributes:
        number: counts all recorded frames from 1.
        time: seconds since 1970.
        connection: the number of the connection, see `ConnectionInfo.number`.
        sent: True if the broker sent it, False if it received it.
        command: the command.
        headers: the headers; those that hold credentials are masked.
        body: the beginning of the body.
        size: the number of bytes of the whole body.
    """

    number: int
    time: float
    connection: int
    sent: bool
    command: str
    headers: dict[str, str]
    body: bytes
    size: int


class FrameRecorder:
    """The last frames of a broker. An iteration returns those that it has, oldest first.

    Args:
        max_frames: maximum number of frames.
        max_bytes: maximum number of bytes of their headers and bodies, with an estimate for the Python objects.
        body_bytes: number of bytes of each body that are kept.
        close: called by `close`; ends the recording.

    Attributes:
        total: number of all frames that were recorded, those that were dropped included.
    """

    def __init__(
        self,
        *,
        max_frames: int = 1000,
        max_bytes: int = 4 * 1024 * 1024,
        body_bytes: int = 4096,
        close: Callable[[FrameRecorder], object] | None = None,
    ) -> None:
        self.total: int = 0
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._body_bytes = body_bytes
        self._close = close
        self._frames: deque[tuple[int, RecordedFrame]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def __enter__(self) -> FrameRecorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[RecordedFrame]:
        return iter(self.since(0))

    def close(self) -> None:
        """End the recording. The recorded frames are kept."""
        close, self._close = self._close, None
        if close is not None:
            close(self)

    def on_frame(self, connection: int, frame: Frame, *, sent: bool) -> None:
        """Record a frame, see `FrameObserver`."""
        body = bytes(frame.body[: self._body_bytes])
        headers = {name: text_of(value) for name, value in redacted(frame.headers).items()}
        size = _OVERHEAD + len(body) + sum(len(name) + len(headers[name]) for name in headers)
        size += _HEADER_OVERHEAD * len(headers)
        with self._lock:
            self.total += 1
            recorded = RecordedFrame(
                self.total, time.time(), connection, sent, frame.command, headers, body, len(frame.body)
            )
            self._frames.append((size, recorded))
            self._bytes += size
            while len(self._frames) > self._max_frames or self._bytes > self._max_bytes:
                self._bytes -= self._frames.popleft()[0]

    def since(self, number: int) -> list[RecordedFrame]:
        """The frames with a higher number than this one, oldest first; those that were dropped are missing."""
        with self._lock:
            if not self._frames or self._frames[-1][1].number <= number:
                return []
            missing = max(0, number + 1 - self._frames[0][1].number)
            return [frame for _, frame in itertools.islice(self._frames, missing, None)]
