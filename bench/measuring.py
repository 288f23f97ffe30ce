"""What a process measures of itself while it works."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

if sys.platform != "win32":
    import resource

#: Between two runs on one connection: long enough for a frame that Nagle's algorithm holds back to get out.
SETTLE = 0.06
#: How much of the time asked for is enough.
ENOUGH = 0.6
#: A run that was too short says little about how many it would take; never go further than this at a time.
STEP = 20


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest of the values that at least `part` of them do not exceed ("nearest rank")."""
    ordered = sorted(values)
    rank = -int(-part * len(ordered) // 1)  # rounded up
    return ordered[min(max(rank, 1), len(ordered)) - 1]


@dataclass
class Taken:
    """What one run took.

    One duration stands for all `count` (the work is a stream, and its rate is what matters), or there is one for each.
    """

    count: int
    durations: list[float]
    cpu: float = 0.0  #: seconds of CPU of this process, for all
    peak: int = 0  #: bytes of memory at the most, above what was there before
    more: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """By name, see `bench.report.FIGURES`."""
        found: dict[str, Any] = {"count": self.count, **self.more}
        if self.durations:
            found |= {
                "rate": self.count / sum(self.durations),
                "cpu": self.cpu / self.count,
                "peak": self.peak,
            }
        if len(self.durations) > 1 or self.count == 1:
            found |= {part: quantile(self.durations, int(part[1:]) / 100) for part in ("p50", "p99")}
        return found


def next_count(taken: Taken, seconds: float) -> int | None:
    """How many to do next, so that a run takes about that long. None: the run was long enough."""
    total = sum(taken.durations)
    if total >= ENOUGH * seconds:
        return None
    return max(taken.count + 1, int(taken.count * min(STEP, seconds / total)))


def memory(peak: bool = False) -> int:
    """The bytes of memory that this process has, or had at the most."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        if sys.platform == "win32":
            return 0
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    name = "VmHWM:" if peak else "VmRSS:"
    return int(status.partition(name)[2].split()[0]) * 1024


def thread_count() -> int:
    """The threads of this process, those that Python does not know of too."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


class Meter:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._memory = memory()
        self._cpu = process_time()
        self._begin = perf_counter()

    def taken(self, count: int, durations: list[float] | None = None) -> Taken:
        """Everything since then. Without durations the whole time is one."""
        total = perf_counter() - self._begin
        cpu = process_time() - self._cpu
        return Taken(count, durations or [total], cpu, max(0, memory(peak=True) - self._memory))
