"""Heart-beats: negotiation, and the two deadlines that follow from it (STOMP 1.2, "Heart-beating").

Rules of this file:

- It reads no clock: the caller passes the time.
- Any bytes that are read count as activity of the peer, also those of frames that are then rejected.
- Each connection negotiates again from the configured values.

A broker that checks once per interval whether it has sent something (as ActiveMQ does) sends a heart-beat up to two
intervals after a frame, and then one per interval. So one more interval of silence is allowed unless the last bytes
read were a heart-beat.
"""

from __future__ import annotations

import math

from stomp.core.errors import RemoteProtocolError

#: A heart-beat is sent after this fraction of the agreed interval: one that is sent exactly on time arrives late.
SEND_FRACTION = 0.8
#: A heart-beat is sent up to this fraction of the interval earlier, so that many connections send at the same times: a
#: wake-up for each of them would cost more than the sending.
ALIGNMENT = 0.1
#: The default number of agreed intervals without a byte that are allowed ("an error margin is acceptable").
TOLERANCE = 2.0
#: The bytes of a heart-beat. Any other bytes read are, or may be, part of a frame.
_BEATS = (b"\n", b"\r\n")
#: The maximum interval in milliseconds: one day. Larger values are reduced to it.
_LONGEST = 24 * 60 * 60 * 1000


def parse(text: str) -> tuple[int, int]:
    """Parse a ``heart-beat`` header: (what its sender can send, what it wants to receive), in milliseconds.

    Raises:
        RemoteProtocolError: it is not two non-negative numbers.
    """
    can, comma, want = text.partition(",")
    can, want = can.strip(), want.strip()
    if not (comma and _is_interval(can) and _is_interval(want)):
        raise RemoteProtocolError(f"heart-beat {text[:40]!r} is not two numbers of milliseconds")
    return min(int(can), _LONGEST), min(int(want), _LONGEST)


def _is_interval(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def negotiate(mine: tuple[int, int], theirs: tuple[int, int]) -> tuple[int, int]:
    """Return the agreed intervals: (milliseconds between our heart-beats, between the peer's); 0 for none.

    >>> negotiate((1000, 2000), (500, 4000))
    (4000, 2000)
    """
    send = max(mine[0], theirs[1]) if mine[0] and theirs[1] else 0
    expect = max(mine[1], theirs[0]) if mine[1] and theirs[0] else 0
    return send, expect


class Heartbeat:
    """The two heart-beat deadlines of one connection. All times are in seconds on the driver's clock.

    Args:
        send: seconds between the heart-beats that we promised; 0 for none.
        expect: seconds between the heart-beats that the peer promised; 0 for none.
        now: the time of the agreement.
        tolerance: the number of intervals of silence that are allowed after a heart-beat, plus one after other bytes.
    """

    def __init__(self, send: float, expect: float, now: float, *, tolerance: float = TOLERANCE) -> None:
        self.send = send
        self.expect = expect
        self.last_sent = now
        self.last_read: float = now
        self._after_beat = False
        self._lead = send * SEND_FRACTION
        self._step = send * ALIGNMENT
        self._allowed_silence = expect * (tolerance + 1)
        self._allowed_silence_after_beat = expect * tolerance

    def read(self, now: float, data: bytes = b"") -> bool:
        """Record that bytes of the peer were read, or are ready to be read.

        Returns:
            True if less silence is allowed now than before, so that `timeout_at` may be earlier.
        """
        self.last_read = now
        before, self._after_beat = self._after_beat, data in _BEATS
        return self._after_beat and not before

    @property
    def next_send_at(self) -> float | None:
        """When the next heart-beat is due: a multiple of `ALIGNMENT` times the interval. None if none are sent."""
        if not self.send:
            return None
        # The 1e-6 keeps a rounding error from turning an exact multiple into the one before it.
        return math.floor((self.last_sent + self._lead) / self._step + 1e-6) * self._step

    @property
    def timeout_at(self) -> float | None:
        """When the peer will have timed out; None if it sends no heart-beats."""
        if not self.expect:
            return None
        return self.last_read + (
            self._allowed_silence_after_beat if self._after_beat else self._allowed_silence
        )
