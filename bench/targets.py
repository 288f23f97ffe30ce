"""What we aim at (`targets.toml`), and whether it is met."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import FIGURES, Row, find, number

FILE = Path(__file__).with_name("targets.toml")


@dataclass(frozen=True)
class Target:
    """A figure of a scenario, and what it is to be."""

    title: str
    scenario: str
    figure: str
    pure: float | None = None
    native: float | None = None
    of: str = "ratio"  #: to the base, or "value": as it is, in the unit of its figure
    client: str = "stompkit"  #: the native one is called the same with -native
    less: str = ""  #: the CPU of this client is subtracted from that of `client`, in µs; `figure` is not used


@dataclass(frozen=True)
class Verdict:
    """How it stands."""

    met: bool | None  #: None: not measured, or there is no such target
    text: str
    by_cpu: bool = False  #: the machine was too busy for the rate, but not for the CPU that it takes


def read(file: Path = FILE) -> list[Target]:
    """All targets."""
    with file.open("rb") as stream:
        return [Target(**entry) for entry in tomllib.load(stream)["target"]]


def verdict(target: Target, found: Sequence[Row], codec: str) -> Verdict:
    """Whether a target is met with the pure or the native codec.

    A rate on a CPU of one's own is what the CPU for each allows. Where others take that CPU, too, the rates of a run
    say little and the CPU nearly as much as ever: a rate is met as well if it would be by that.
    """
    wanted: float | None = getattr(target, codec)
    if wanted is None:
        return Verdict(None, "")
    if target.less:
        return _difference(target, found, codec, wanted)
    figure = FIGURES[target.figure]
    unit, sign = "x" if target.of == "ratio" else "", "≥" if figure.more_is_better else "≤"
    row = find(
        found, target.client + ("-native" if codec == "native" else ""), target.scenario, target.figure
    )
    spread = None if row is None else row.ratio if target.of == "ratio" else row.value
    if row is None or spread is None:
        return Verdict(None, f"? ({sign} {number(wanted)}{unit})")
    value = spread.median * (1 if target.of == "ratio" else figure.scale)
    met = value >= wanted if figure.more_is_better else value <= wanted
    text, by_cpu = f"{number(value)}{unit} ({sign} {number(wanted)}{unit})", False
    # Through a broker the rate is the broker's affair as well.
    if target.figure == "rate" and target.of == "ratio" and row.cpu_ratio and row.group != "brokers":
        ratio = 1 / row.cpu_ratio.median
        text += f", by CPU {number(ratio)}x"
        by_cpu = not met and ratio >= wanted
    return Verdict(met or by_cpu, text + ("" if met or by_cpu else " ✗"), by_cpu)


def _difference(target: Target, found: Sequence[Row], codec: str, wanted: float) -> Verdict:
    suffix = "-native" if codec == "native" else ""
    clients = (target.client + suffix, target.less + suffix)
    spreads = [row.cpu for name in clients if (row := find(found, name, target.scenario, target.figure))]
    if len(spreads) < 2 or spreads[0] is None or spreads[1] is None:
        return Verdict(None, f"? (≤ {number(wanted)})")
    value = (spreads[0].median - spreads[1].median) * 1e6
    met = value <= wanted
    return Verdict(met, f"{number(value)} (≤ {number(wanted)})" + ("" if met else " ✗"))
