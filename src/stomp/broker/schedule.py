"""Delivery at a later time: the headers AMQ_SCHEDULED_DELAY, _PERIOD, _REPEAT and _CRON of ActiveMQ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from stomp.broker.request_headers import number_of
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The headers of a schedule; they are not copied to the MESSAGE.
HEADERS = ("AMQ_SCHEDULED_DELAY", "AMQ_SCHEDULED_PERIOD", "AMQ_SCHEDULED_REPEAT", "AMQ_SCHEDULED_CRON")
#: Seconds between two deliveries of a message, at least.
_LEAST_PERIOD = 0.1
#: Days within which a cron entry must be due.
_DAYS = 366 * 4 + 1
#: The fields of a cron entry: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday).
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a message is delivered.

    Attributes:
        delay: seconds until its first delivery.
        period: seconds between deliveries.
        repeat: number of deliveries after the first.
        cron: the cron entry that is repeated for ever; None without.
    """

    delay: float
    period: float
    repeat: int
    cron: Cron | None

    def first(self, now: float) -> float:
        """The time of the first delivery."""
        return now + self.delay if self.cron is None else self.cron.next(now) + self.delay

    def next(self, now: float, done: int) -> float | None:
        """The time of the next delivery after `done` deliveries; None if there is none."""
        if self.cron is not None:
            return self.cron.next(now) + self.delay
        return now + self.period if done <= self.repeat else None

    def to_json(self) -> str:
        """The schedule as text, for a file."""
        return json.dumps(
            [self.delay, self.period, self.repeat, None if self.cron is None else self.cron.text]
        )

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """The schedule that `to_json` has written."""
        delay, period, repeat, cron = json.loads(text)
        return cls(delay, period, repeat, None if cron is None else Cron(cron))


def schedule_of(headers: Mapping[str, str]) -> Schedule | None:
    """The schedule in the headers of a SEND, or None.

    Raises:
        RequestRefused: a value is invalid.
    """
    if all(name not in headers for name in HEADERS):
        return None
    delay, period, repeat = (number_of(name, headers.get(name, "0")) for name in HEADERS[:3])
    text = headers.get(HEADERS[3], "").strip()
    cron = Cron(text) if text else None
    if cron is None and not delay and not period and not repeat:
        return None
    first = delay / 1000 if delay or cron is not None else period / 1000
    return Schedule(first, max(period / 1000, _LEAST_PERIOD), repeat, cron)


class Cron:
    """A cron entry with five fields: numbers, ``*``, ranges ``1-5``, lists ``1,3`` and steps ``*/15``.

    Args:
        text: the entry.

    Raises:
        RequestRefused: it is invalid, or is never due.

    Attributes:
        text: the argument.
    """

    def __init__(self, text: str) -> None:
        self.text: str = text
        fields = text.split()
        if len(fields) != len(_FIELDS) or len(text) > 200:
            raise RequestRefused("AMQ_SCHEDULED_CRON needs five fields", "as in: */5 8-18 * * 1-5")
        sets = [_numbers(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)]
        self._minutes, self._hours, self._days, self._months, weekdays = sets
        self._weekdays = {day % 7 for day in weekdays}
        # As in cron: if both days are given, one of them is enough.
        self._either = fields[2] != "*" and fields[4] != "*"
        self.next(0.0)

    def next(self, now: float) -> float:
        """The next time after this one, in local time."""
        start = datetime.fromtimestamp(now).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for number in range(_DAYS):
            day = start + timedelta(days=number)
            if day.month not in self._months or not self._is_day(day):
                continue
            for hour in sorted(self._hours):
                for minute in sorted(self._minutes):
                    if number or (hour, minute) >= (start.hour, start.minute):
                        return day.replace(hour=hour, minute=minute).timestamp()
        raise RequestRefused("AMQ_SCHEDULED_CRON is never due")

    def _is_day(self, day: datetime) -> bool:
        found = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return any(found) if self._either else all(found)


def _numbers(field: str, least: int, most: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, hyphen, last = span.partition("-")
        if span == "*":
            first, last = str(least), str(most)
        elif not hyphen:
            last = str(most) if step else first
        numbers = [
            int(text) if text.isascii() and text.isdigit() else -1 for text in (first, last, step or "1")
        ]
        if not least <= numbers[0] <= numbers[1] <= most or numbers[2] < 1:
            raise RequestRefused(f"AMQ_SCHEDULED_CRON: {field!r:.40} is no field of a cron entry")
        found.update(range(numbers[0], numbers[1] + 1, numbers[2]))
    return found
