"""The arithmetic: figures over the rounds, their spread, ratios within a round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.contenders import BASE, CLIENTS, LIMIT
from bench.scenarios import Figures, Scenario

#: Scenario -> client -> one entry for each round; None for a run that failed.
Runs = dict[str, dict[str, list[Figures | None]]]


@dataclass(frozen=True)
class Figure:
    """How to show a figure."""

    unit: str
    scale: float = 1
    more_is_better: bool = False
    comparable: bool = True  #: whether a ratio means something


FIGURES = {
    "rate": Figure("per second", more_is_better=True),
    "p50": Figure("p50, µs", 1e6),
    "p99": Figure("p99, µs", 1e6),
    "growth": Figure("cost of a unit at the end to that at the beginning", comparable=False),
    "slowest": Figure("the largest, ms", 1e3),
    "peak": Figure("memory above the start, MiB", 1 / (1 << 20)),
    "accepted": Figure("taken from the program, MiB", 1 / (1 << 20), comparable=False),
    "memory": Figure("memory each, KiB", 1 / 1024),
    "threads": Figure("threads each", comparable=False),
    "share": Figure("CPU, % of a core", 100),
    "start": Figure("from start to end, ms", 1e3),
    "start_cpu": Figure("CPU, ms", 1e3),
    "over_cpu": Figure("CPU above a bare interpreter, ms", 1e3),
    "size": Figure("KiB on the disk", 1 / 1024),
    "packages": Figure("packages", comparable=False),
    "cpu": Figure("CPU of the consumer, µs a message", 1e6),
    "produced": Figure("sent per second", more_is_better=True),
    "produced_cpu": Figure("CPU of the producer, µs a message", 1e6),
}


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
    group: str
    figure: str
    client: str
    value: Spread | None
    ratio: Spread | None  #: to the base, round by round
    floor: Spread | None  #: to bare sockets, round by round
    cpu: Spread | None  #: seconds of CPU of the client's process for each operation
    cpu_ratio: Spread | None = None  #: of these to the base, round by round: hardly moved by a busy machine


def ratios(rounds: Sequence[Figures | None], others: Sequence[Figures | None], figure: str) -> Spread | None:
    """Of two clients. A ratio is taken within a round, where both runs were neighbours; what slows the machine down
    for a while then slows down both."""
    both = [(run, other) for run, other in zip(rounds, others, strict=False) if run and other]
    pairs = [(run[figure], other[figure]) for run, other in both if figure in run and figure in other]
    return Spread.of([value / other for value, other in pairs if other])


def join(runs: Runs, more: Runs) -> Runs:
    """Two measurements as one. The rounds of the second follow those of the first, so that ratios stay within a round;
    a client that took part in one only has no value in the others."""
    joined: Runs = {}
    for scenario in [*runs, *(name for name in more if name not in runs)]:
        first, second = runs.get(scenario, {}), more.get(scenario, {})
        lengths = [max(map(len, part.values()), default=0) for part in (first, second)]
        joined[scenario] = {
            client: first.get(client, [None] * lengths[0]) + second.get(client, [None] * lengths[1])
            for client in [*first, *(name for name in second if name not in first)]
        }
    return joined


def rows(runs: Runs, scenarios: Mapping[str, Scenario]) -> list[Row]:
    """Summarise the rounds of all scenarios. A ratio is the median of the ratios, not the ratio of the medians."""
    out: list[Row] = []
    for name, clients in runs.items():
        scenario = scenarios[name]
        for figure in scenario.figures:
            comparable = FIGURES[figure].comparable
            for client in sorted(clients, key=list(CLIENTS).index):
                rounds = clients[client]
                done = [run for run in rounds if run]
                out.append(
                    Row(
                        name,
                        scenario.title,
                        scenario.group,
                        figure,
                        client,
                        Spread.of([run[figure] for run in done]),
                        ratios(rounds, clients.get(BASE, []), figure)
                        if comparable and client != BASE
                        else None,
                        ratios(rounds, clients.get(LIMIT, []), figure)
                        if comparable and client != LIMIT
                        else None,
                        Spread.of([run["cpu"] for run in done if "cpu" in run]),
                        ratios(rounds, clients.get(BASE, []), "cpu") if client != BASE else None,
                    )
                )
    return out


def number(value: float) -> str:
    """A number with three digits that count: more would pretend to know.

    >>> number(1234567), number(45.678), number(0.6049)
    ('1,230,000', '45.7', '0.605')
    """
    if math.isinf(value) or math.isnan(value):
        return str(value)
    if abs(value) >= 1000:
        digits = len(str(int(abs(value)))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def find(found: Sequence[Row], client: str, scenario: str, figure: str) -> Row | None:
    """The row of that name."""
    wanted = (client, scenario, figure)
    return next((row for row in found if (row.client, row.scenario, row.figure) == wanted), None)


def as_json(about: dict[str, Any], found: Sequence[Row], runs: Runs) -> dict[str, Any]:
    """Everything, for programs."""
    return {"about": about, "rows": [asdict(row) for row in found], "runs": runs}


@dataclass(frozen=True)
class Demand:
    """A limit of the regression guard: on CPU, which a busy machine changes little, or on a time, with a margin."""

    client: str
    scenario: str
    cpu: float | None = None  #: at most this part of what the base spends on each
    p50: float | None = None  #: upper limit in seconds

    def verdict(self, found: Sequence[Row]) -> tuple[bool, str]:
        """Whether it is met, and a sentence."""
        row = next((row for row in found if (row.client, row.scenario) == (self.client, self.scenario)), None)
        known = None if row is None else row.cpu_ratio if self.cpu is not None else row.value
        if row is None or known is None:
            return False, f"{self.scenario}: not measured"
        if self.cpu is not None:
            met = known.median <= self.cpu
            sentence = f"{number(known.median)} of the CPU of {BASE}, at most {number(self.cpu)} is allowed"
        else:
            assert self.p50 is not None
            met = known.median < self.p50
            sentence = f"{number(known.median * 1e3)} ms, less than {number(self.p50 * 1e3)} ms is allowed"
        return met, f"{row.title}: {sentence}: {'met' if met else 'MISSED'}"
