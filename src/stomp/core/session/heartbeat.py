"""Heart-beats: what was agreed, and the two moments that follow from it (STOMP 1.2, "Heart-beating").

Rules of this file: it never asks the time, every call is told it; silence counts bytes read, whatever they
were and whatever became of them; both sides start from what they are configured for at every connection.

A broker that looks once in an interval whether it has sent something (ActiveMQ does) beats up to two intervals
after a frame, and then once in an interval. So after anything but a beat one more interval of silence is borne.
"""

from __future__ import annotations

import math

from stomp.core.errors import RemoteProtocolError

#: Send when this part of the agreed interval has passed: a beat that is exactly on time arrives late.
SEND_FRACTION = 0.8
#: Beats may be early by up to this part of the interval, so that those of many connections go out at the same
#: moments: waking up for each of them would cost more than sending them.
ALIGNMENT = 0.1
#: Silence is tolerated for this many agreed intervals ("an error margin is acceptable").
TOLERANCE = 2.0
#: What a beat looks like; anything else that is read is, or may be, of a frame.
_BEATS = (b"\n", b"\r\n")
#: Longest interval that is believed, in ms: one day.
_LONGEST = 24 * 60 * 60 * 1000


def parse(text: str) -> tuple[int, int]:
    """Read the value of a ``heart-beat`` header: (what its sender can do, what it wants), in milliseconds.

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
    """What two sides agree on: (milliseconds between my beats, between theirs); 0 is none.

    >>> negotiate((1000, 2000), (500, 4000))
    (4000, 2000)
    """
    send = max(mine[0], theirs[1]) if mine[0] and theirs[1] else 0
    expect = max(mine[1], theirs[0]) if mine[1] and theirs[0] else 0
    return send, expect


class Heartbeat:
    """The two deadlines of one connection. All times are seconds on the driver's clock.

    Args:
        send: seconds between the beats that we promised, 0 for none.
        expect: seconds between the beats that the peer promised, 0 for none.
        now: the moment of agreement.
        tolerance: how many intervals of silence are borne after a beat, and one more after anything else.
    """

    def __init__(self, send: float, expect: float, now: float, *, tolerance: float = TOLERANCE) -> None:
        self.send = send
        self.expect = expect
        self.tolerance = tolerance
        self.last_sent = now
        self.last_read: float = now
        self._after_beat = False
        self._lead = send * SEND_FRACTION
        self._step = send * ALIGNMENT
        self._allowed_silence = expect * (tolerance + 1)
        self._borne_after_beat = expect * tolerance

    def read(self, now: float, data: bytes = b"") -> bool:
        """Bytes of the peer were read, or wait to be read. True if less silence is borne now than before."""
        self.last_read = now
        before, self._after_beat = self._after_beat, data in _BEATS
        return self._after_beat and not before

    @property
    def next_send_at(self) -> float | None:
        """When the next beat must go out, or None. A multiple of a tenth of the interval, on the driver's clock."""
        if not self.send:
            return None
        # A moment that is a multiple already must not become the one before it by rounding.
        return math.floor((self.last_sent + self._lead) / self._step + 1e-6) * self._step

    @property
    def timeout_at(self) -> float | None:
        """When the peer will have been silent for too long, or None."""
        if not self.expect:
            return None
        return self.last_read + (self._borne_after_beat if self._after_beat else self._allowed_silence)
