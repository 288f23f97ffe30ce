"""The arithmetic: figures of one run, their spread over the rounds, ratios within a round, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

#: What one run measured: figures by name. None for a run that failed.
Figures = dict[str, Any]
#: Scenario -> client -> one entry for each round.
Runs = dict[str, dict[str, list["Figures | None"]]]


@dataclass(frozen=True)
class Figure:
    """How to show a figure."""

    unit: str
    scale: float
    more_is_better: bool


FIGURES = {
    "rate": Figure("per second", 1, True),
    "p50": Figure("p50, µs", 1e6, False),
    "p99": Figure("p99, µs", 1e6, False),
}


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest of the values that at least `part` of them do not exceed ("nearest rank")."""
    ordered = sorted(values)
    rank = -int(-part * len(ordered) // 1)  # rounded up
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def figures(names: Sequence[str], count: int, durations: Sequence[float]) -> Figures:
    """The figures of one run."""
    known = {
        "rate": lambda: count / sum(durations),
        "p50": lambda: quantile(durations, 0.5),
        "p99": lambda: quantile(durations, 0.99),
    }
    return {name: known[name]() for name in names}


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None if there are no values."""
        return cls(median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class Row:
    """One client in one scenario."""

    scenario: str
    title: str
    figure: str
    client: str
    value: Spread | None
    ratio: Spread | None  #: to the base, round by round
    cpu: Spread | None  #: seconds of CPU of the client's process for each operation


def rows(runs: Runs, titles: dict[str, str], names: dict[str, tuple[str, ...]], base: str) -> list[Row]:
    """Sum up the rounds of all scenarios.

    A ratio is taken within a round, where both runs were neighbours; the median of these ratios is told, not the
    ratio of the medians: what slows the machine down for a while then slows down both.
    """
    out: list[Row] = []
    for scenario, clients in runs.items():
        for name in names[scenario]:
            for client, rounds in clients.items():
                bases = clients.get(base, [None] * len(rounds))
                ratios = [
                    run[name] / other[name] for run, other in zip(rounds, bases, strict=True) if run and other
                ]
                done = [run for run in rounds if run]
                out.append(
                    Row(
                        scenario,
                        titles[scenario],
                        name,
                        client,
                        Spread.of([run[name] for run in done]),
                        Spread.of(ratios) if client != base else None,
                        Spread.of([run["cpu"] for run in done]),
                    )
                )
    return out


def table(rows: Sequence[Row], base: str) -> str:
    """The rows as a Markdown table, which is readable as it stands."""
    lines = [
        ("work", "client", "median (min-max)", f"ratio to {base}", "CPU µs each"),
        ("---", "---", "---:", "---:", "---:"),
    ]
    before = ""
    for row in rows:
        figure = FIGURES[row.figure]
        title = f"{row.title}, {figure.unit}"
        arrow = "" if figure.more_is_better else " (less is better)"
        lines.append(
            (
                "" if title == before else title + arrow,
                row.client,
                _told(row.value, figure.scale, "") if row.value else "failed",
                _told(row.ratio, 1, "x") if row.ratio else "",
                number(row.cpu.median * 1e6) if row.cpu else "",
            )
        )
        before = title
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _told(spread: Spread, scale: float, suffix: str) -> str:
    low, high = number(spread.low * scale), number(spread.high * scale)
    return f"{number(spread.median * scale)}{suffix} ({low}-{high})"


def number(value: float) -> str:
    """A number with three digits that count: more would pretend to know.

    >>> number(1234567), number(45.678), number(0.6049)
    ('1,230,000', '45.7', '0.605')
    """
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def as_json(about: dict[str, Any], rows: Sequence[Row], runs: Runs) -> dict[str, Any]:
    """Everything, for programs."""
    return {"about": about, "rows": [asdict(row) for row in rows], "runs": runs}


@dataclass(frozen=True)
class Demand:
    """What must not get lost, for the client `client`."""

    client: str
    scenario: str
    figure: str
    ratio: float | None = None  #: at least so many times the base
    below: float | None = None  #: less than so many seconds

    def verdict(self, rows: Sequence[Row]) -> tuple[bool, str]:
        """Whether it is met, and a sentence."""
        wanted = (self.client, self.scenario, self.figure)
        row = next((r for r in rows if (r.client, r.scenario, r.figure) == wanted), None)
        if row is None or row.value is None or (self.ratio is not None and row.ratio is None):
            return False, f"{self.scenario}: not measured"
        if self.ratio is not None:
            assert row.ratio is not None
            met = row.ratio.median >= self.ratio
            told = f"{number(row.ratio.median)}x, at least {number(self.ratio)}x is demanded"
        else:
            assert self.below is not None
            met = row.value.median < self.below
            told = f"{number(row.value.median * 1e3)} ms, less than {number(self.below * 1e3)} ms is demanded"
        return met, f"{row.title}: {told}: {'met' if met else 'MISSED'}"
