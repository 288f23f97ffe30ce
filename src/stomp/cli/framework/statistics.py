"""Statistics for the output of commands: percentiles, and a histogram in plain text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 50
#: Bins for each doubling of the value.
_BINS_PER_DOUBLING = 2


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value such that at least `percent` percent of the values do not exceed it (nearest rank).

    Args:
        ordered: the values, smallest first; at least one.
        percent: the percentage, above 0 and up to 100.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 99), percentile([1, 2, 3, 4], 100)
    (2, 4, 4)
    """
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def histogram(values: Sequence[float]) -> list[str]:
    """A histogram of seconds on a logarithmic scale: a line with a bar and a count for each range.

    >>> print("\\n".join(histogram([0.001, 0.001, 0.0021])))
       1.00 ms |##################################################| 2
       1.41 ms |                                                  | 0
       2.00 ms |#########################                         | 1
    """
    bins: dict[int, int] = {}
    for value in values:
        index = math.floor(math.log2(max(value, 1e-6) / 1e-3) * _BINS_PER_DOUBLING + 1e-9)
        bins[index] = bins.get(index, 0) + 1
    if not bins:
        return []
    largest = max(bins.values())
    lines: list[str] = []
    for index in range(min(bins), max(bins) + 1):
        count = bins.get(index, 0)
        # A range with a value has at least one character, so that it is visible.
        length = max(1, round(count / largest * _WIDTH)) if count else 0
        lines.append(
            f"{milliseconds(1e-3 * 2 ** (index / _BINS_PER_DOUBLING)):>10} |{'#' * length:{_WIDTH}}| {count}"
        )
    return lines


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, formatted for people."""
    return f"{seconds * 1000:.2f} ms"
