"""The live stream of a broker: its state once a second, and frames as they are recorded (server-sent events).

Rules of this file: a stream takes the frames that are new since its last turn from the recorder, at most `MAX_FRAMES`.
So a page that is slow, or hidden, misses frames, and costs no memory; the number of those it has missed is sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.broker.http import views

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

    from stomp.broker.http.access import Access
    from stomp.broker.http.monitor import Monitor
    from stomp.broker.recording import RecordedFrame
    from stomp.broker.server import Server

    Ask = Callable[[Callable[[Server, Monitor], Any]], Awaitable[Any]]

#: Seconds between two turns of a stream, and between two states.
TURN = 0.2
STATE_EVERY = 1.0
#: After a state was made, none is made for this multiple of the time that it took.
_REST = 4
#: Seconds after which a stream without events sends a comment, so that dead connections are noticed.
KEEP_ALIVE = 15.0
#: Frames that are sent in one turn.
MAX_FRAMES = 100
#: Streams at the same time.
MAX_STREAMS = 32


@dataclass(frozen=True)
class FrameFilter:
    """Which frames a stream has. An empty value accepts all.

    Attributes:
        commands: the commands.
        connection: the number of a connection, or None.
        destination: a part of the header ``destination``.
        text: a part of a header or of the recorded part of the body.
    """

    commands: frozenset[str] = frozenset()
    connection: int | None = None
    destination: str = ""
    text: str = ""

    def accepts(self, frame: RecordedFrame) -> bool:
        """True if the stream has this frame."""
        if self.commands and frame.command not in self.commands:
            return False
        if self.connection is not None and frame.connection != self.connection:
            return False
        if self.destination and self.destination not in frame.headers.get("destination", ""):
            return False
        if not self.text:
            return True
        headers = any(self.text in f"{name}:{value}" for name, value in frame.headers.items())
        return headers or self.text.encode("utf-8", "replace") in frame.body


def frames_since(
    monitor: Monitor, access: Access, number: int, wanted: FrameFilter, limit: int
) -> tuple[list[RecordedFrame], int, int]:
    """The frames after this number that the user may see, the newest ones if there are many.

    Returns:
        The frames, how many others were missed, and the number to continue with.
    """
    recorder = monitor.recorder
    new = recorder.since(number)
    missed = recorder.total - number - len(new)
    found = [frame for frame in new if access.sees_frame(monitor, frame) and wanted.accepts(frame)]
    missed += max(0, len(found) - limit)
    return found[-limit:], missed, recorder.total


def _new_frames(
    number: int, access: Access, wanted: FrameFilter, server: Server, monitor: Monitor
) -> tuple[list[RecordedFrame], int, int]:
    return frames_since(monitor, access, number, wanted, MAX_FRAMES)


def event(name: str, data: object) -> bytes:
    """One server-sent event. JSON has no line break, so the data is one line."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class States:
    """The states that streams send. Streams with the same key share one, and all of them take a part of the time only.

    Args:
        ask: calls a function on the event loop of the broker.
        clock: a clock in seconds; for tests.
    """

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, bytes]] = {}
        self._rest_until = 0.0

    async def get(self, key: Hashable, make: Callable[[Server, Monitor], views.Json]) -> bytes | None:
        """The event with the state of this key, at most `STATE_EVERY` seconds old if there is time for it.

        None if there is none yet, and no time for it.
        """
        started, kept = self._clock(), self._kept.get(key)
        is_due = kept is None or started - kept[0] >= STATE_EVERY
        if not is_due or started < self._rest_until:
            return None if kept is None else kept[1]
        data = event("state", await self._ask(make))
        now = self._clock()
        self._rest_until = now + _REST * (now - started)
        if key not in self._kept and len(self._kept) >= MAX_STREAMS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = started, data
        return data


async def stream(
    ask: Ask,
    access: Access,
    wanted: FrameFilter,
    state: Callable[[], Awaitable[bytes | None]],
    is_stopping: Callable[[], bool],
) -> AsyncIterator[bytes]:
    """The events of one stream, until the broker stops."""
    number, begun = 0, False  # it begins with the last frames that the filter accepts
    last_state, last_sent = b"", 0.0
    state_due = 0.0
    while not is_stopping():
        now = time.monotonic()
        frames, missed, number = await ask(partial(_new_frames, number, access, wanted))
        missed, begun = missed if begun else 0, True
        if frames or missed:
            yield event("frames", {"missed": missed, "items": [views.frame(each) for each in frames]})
            last_sent = now
        if now >= state_due:
            current = await state()
            if current is not None:
                state_due = now + STATE_EVERY
            if current is not None and current != last_state:
                last_state = current
                yield current
                last_sent = now
        if now - last_sent > KEEP_ALIVE:
            last_sent = now
            yield b": \n\n"
        await asyncio.sleep(TURN)
