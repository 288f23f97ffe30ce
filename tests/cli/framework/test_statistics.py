"""Percentiles and histograms."""

from __future__ import annotations

import doctest

from stomp.cli.framework import statistics


def test_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(1, 1001)]
    assert [statistics.percentile(values, p) for p in (50, 90, 99, 99.9, 100)] == [500, 900, 990, 999, 1000]
    assert statistics.percentile([7.0], 50) == 7.0


def test_a_histogram_counts_every_value() -> None:
    values = [1e-9, 0.0005, 0.001, 0.0011, 0.5, 0.5, 60.0]
    lines = statistics.histogram(values)
    assert sum(int(line.rpartition("| ")[2]) for line in lines) == len(values)
    assert all(line.isascii() for line in lines)
    # Whatever there is can be seen.
    assert all(("#" in line) == (not line.endswith("| 0")) for line in lines)


def test_histogram_of_nothing_is_empty() -> None:
    assert statistics.histogram([]) == []


def test_docstring_examples_are_correct() -> None:
    assert doctest.testmod(statistics).failed == 0
