"""The rows as Markdown, which is readable as it stands, and as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.contenders import BASE, CLIENTS
from bench.report import FIGURES, Row, Spread, number
from bench.scenarios import FORM_SCENARIOS
from bench.targets import Target, verdict


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells as a Markdown table; the first line is its head, the first column is text."""
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in [lines[0], rule, *lines[1:]]
    )


def spread_text(spread: Spread, scale: float, suffix: str = "") -> str:
    """The median, and in brackets the least and the greatest."""
    low, high = number(spread.low * scale), number(spread.high * scale)
    return f"{number(spread.median * scale)}{suffix} ({low}-{high})"


def details(found: Sequence[Row]) -> str:
    """Every figure of every client."""
    lines = [
        [
            "work",
            "client",
            "median (min-max)",
            f"ratio to {BASE}",
            "ratio to bare sockets",
            "CPU µs each (ratio)",
        ]
    ]
    before = ""
    for row in found:
        figure = FIGURES[row.figure]
        title = f"{row.title}, {figure.unit}{'' if figure.more_is_better else ' (less is better)'}"
        lines.append(
            [
                "" if title == before else title,
                row.client,
                spread_text(row.value, figure.scale) if row.value else "failed",
                spread_text(row.ratio, 1, "x") if row.ratio else "",
                f"{number(row.floor.median)}x" if row.floor else "",
                _cpu(row) if row.figure in ("rate", "p50") else "",
            ]
        )
        before = title
    return aligned(lines)


def _cpu(row: Row) -> str:
    if not row.cpu:
        return ""
    ratio = f" ({number(row.cpu_ratio.median)}x)" if row.cpu_ratio else ""
    return number(row.cpu.median * 1e6) + ratio


def matrix(found: Sequence[Row]) -> str:
    """One line for each figure, one column for each client: ratios to the base, and the base as it is."""
    clients = sorted({row.client for row in found}, key=list(CLIENTS).index)
    lines = [["work", *clients]]
    for key in dict.fromkeys((row.scenario, row.figure) for row in found):
        cells = {row.client: row for row in found if (row.scenario, row.figure) == key}
        figure, title = FIGURES[key[1]], next(iter(cells.values())).title
        arrow = "" if figure.more_is_better else " ↓"
        lines.append([f"{title}, {figure.unit}{arrow}", *(_cell(cells.get(client)) for client in clients)])
        separately = any((row.scenario, row.figure) == (key[0], "cpu") for row in found)
        if key[1] in ("rate", "p50") and not separately and any(row.cpu for row in cells.values()):
            lines.append(
                [
                    f"{title}, CPU of the client, µs each ↓",
                    *(_cpu_cell(cells.get(client)) for client in clients),
                ]
            )
    return aligned(lines)


def _cpu_cell(row: Row | None) -> str:
    if row is None or row.cpu is None:
        return ""
    return f"{number(row.cpu_ratio.median)}x" if row.cpu_ratio else number(row.cpu.median * 1e6)


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    if row.ratio:
        return f"{number(row.ratio.median)}x"
    return number(row.value.median * FIGURES[row.figure].scale) if row.value else "-"


def target_table(targets: Sequence[Target], found: Sequence[Row]) -> str:
    """The targets that were measured, and whether they are met."""
    lines = [["target", "pure", "native", "met?"]]
    for target in targets:
        pure, native = verdict(target, found, "pure"), verdict(target, found, "native")
        known = [each.met for each in (pure, native) if each.met is not None]
        if not known:
            continue
        by_cpu = pure.by_cpu or native.by_cpu
        met = "**no**" if not all(known) else "by CPU" if by_cpu else "yes"
        lines.append([target.title, pure.text, native.text, met])
    return aligned(lines)


def bars(found: Sequence[Row], width: int = 50) -> str:
    """Ratios to the base as bars of text, on a logarithmic scale."""
    lines: list[str] = []
    for key in dict.fromkeys((row.scenario, row.figure) for row in found):
        chosen = [
            row for row in found if (row.scenario, row.figure) == key and (row.ratio or row.client == BASE)
        ]
        ratios = {row.client: row.ratio.median if row.ratio else 1.0 for row in chosen}
        if len(ratios) < 2 or min(ratios.values()) <= 0:
            continue
        low, high = min(ratios.values()), max(ratios.values())
        lines.append(f"{chosen[0].title}, {FIGURES[key[1]].unit}")
        for client, ratio in ratios.items():
            part = math.log(ratio / low) / math.log(high / low) if high > low else 1
            lines.append(f"  {client:16} {'#' * (1 + round(part * (width - 1))):{width}} {number(ratio)}x")
    return "\n".join(lines)


def form_table(found: Sequence[Row]) -> str:
    """The forms of a send: CPU of each client for one message, and the ratio of these. Empty if none was measured."""
    forms = [row for row in found if row.scenario in FORM_SCENARIOS and row.figure == "rate" and row.cpu]
    clients = sorted({row.client for row in forms}, key=list(CLIENTS).index)
    lines = [[f"CPU of one send, µs ({BASE} / client)", *clients]]
    for name in FORM_SCENARIOS:
        cells = {row.client: row for row in forms if row.scenario == name}
        if cells:
            title = FORM_SCENARIOS[name].title.removeprefix("send ")
            lines.append([title, *(_form_cell(cells.get(client)) for client in clients)])
    return aligned(lines) if forms else ""


def _form_cell(row: Row | None) -> str:
    if row is None or row.cpu is None:
        return ""
    ratio = f" ({number(1 / row.cpu_ratio.median)}x)" if row.cpu_ratio else ""
    return number(row.cpu.median * 1e6) + ratio


#: The rows of the table in the documentation: title, scenario, figure.
SUMMARY = (
    ("send a `str` of 100 B", "send-text", "rate"),
    ("send it with three headers and a content type", "send-headers", "rate"),
    ("send it with a receipt, 1,000 in flight", "send-receipt", "rate"),
    ("send 100 B of bytes", "send-100", "rate"),
    ("receive 100 B", "receive-100", "rate"),
    ("receive 100 B and acknowledge each", "acknowledge", "rate"),
    ("receive 1 MiB", "receive-1048576", "rate"),
    ("send and wait for the RECEIPT", "confirm", "p50"),
    ("send and receive the message", "round-trip", "p50"),
    ("connect and disconnect", "connect", "p50"),
    ("CPU of 100 idle connections", "idle", "share"),
    ("memory of 100 idle connections", "idle", "memory"),
    ("`import stomp`", "start-import", "over_cpu"),
)
_SUMMARY_CLIENTS = {
    "listener API": "stompkit",
    "with the native codec": "stompkit-native",
    "`Client`": "stompkit-client",
    "`AsyncClient`": "stompkit-aio",
}


def summary(found: Sequence[Row]) -> str:
    """The table of the documentation: rates and times as multiples of those of the base."""
    lines = [["", *_SUMMARY_CLIENTS, f"{BASE} 9.0.0"]]
    for title, scenario, figure in SUMMARY:
        cells = {row.client: row for row in found if (row.scenario, row.figure) == (scenario, figure)}
        base = cells.get(BASE)
        if base is None or base.value is None:
            continue
        shown = FIGURES[figure]
        word = "times as many" if shown.more_is_better else "of the time" if figure[0] == "p" else "of it"
        ratios = [_ratio_cell(cells.get(client), word) for client in _SUMMARY_CLIENTS.values()]
        lines.append([title, *ratios, f"{number(base.value.median * shown.scale)} {_UNITS[figure]}"])
    return aligned(lines)


_UNITS = {"rate": "a second", "p50": "µs", "share": "% of a core", "memory": "KiB each", "over_cpu": "ms CPU"}


def _ratio_cell(row: Row | None, word: str) -> str:
    return f"{number(row.ratio.median)} {word}" if row and row.ratio else ""


OVERVIEW = (
    "send-text",
    "send-headers",
    "receive-100",
    "receive-16384",
    "acknowledge",
    "confirm-window",
    "round-trip",
)
_COLOURS = {"stompkit": "#1b6ca8", "stomp.py": "#c0504d", "bare": "#777777"}


def pictures(found: Sequence[Row]) -> dict[str, str]:
    """A picture for each group, and one of what matters most, by name."""
    groups = dict.fromkeys(row.group for row in found)
    chosen = {group: [row for row in found if row.group == group] for group in groups}
    chosen["overview"] = [row for row in found if row.scenario in OVERVIEW and row.figure != "p99"]
    return {name: picture for name, rows in chosen.items() if (picture := svg(rows))}


def svg(found: Sequence[Row]) -> str:
    """Ratios as a picture: bars on a logarithmic scale, the base is the line at 1. Nothing, if there are none."""
    chosen = [row for row in found if row.ratio and row.ratio.median > 0]
    if not chosen:
        return ""
    values = [row.ratio.median for row in chosen if row.ratio]
    low, high = math.log10(min(*values, 1) / 1.2), math.log10(max(*values, 1) * 1.2)
    left, width, step = 190, 520, 15

    def x(value: float) -> float:
        return left + width * (math.log10(value) - low) / (high - low)

    parts: list[str] = []
    y = 10
    before = ("", "")
    for row in chosen:
        assert row.ratio
        key = (row.scenario, row.figure)
        if key != before:
            y += 22
            arrow = "" if FIGURES[row.figure].more_is_better else " (less is better)"
            parts.append(
                f'<text x="8" y="{y}" class="t">{_safe(row.title)}, {FIGURES[row.figure].unit}{arrow}</text>'
            )
            y += 6
            before = key
        begin, end = sorted((x(1), x(row.ratio.median)))
        colour = next((code for name, code in _COLOURS.items() if row.client.startswith(name)), "#a9b8c4")
        parts.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{row.client}</text>')
        parts.append(
            f'<rect x="{begin:.1f}" y="{y + 2}" width="{max(end - begin, 1):.1f}" height="10" fill="{colour}"/>'
        )
        parts.append(f'<text x="{end + 5:.1f}" y="{y + 11}">{number(row.ratio.median)}x</text>')
        y += step
    line = f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="10" y2="{y}" stroke="{_COLOURS["stomp.py"]}"/>'
    style = "<style>text{font:11px sans-serif}.t{font-weight:bold}</style>"
    size = f'width="{left + width + 70}" height="{y + 12}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}<rect width="100%" height="100%" fill="white"/>'
        + ("".join(parts) + line + "</svg>\n")
    )


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def markdown(about: dict[str, Any], found: Sequence[Row], targets: Sequence[Target]) -> str:
    """The report."""
    versions = ", ".join(f"{client} {version}" for client, version in about["versions"].items())
    pinned = "client and server on a CPU each" if about["pinned"] else "not pinned"
    out = [
        f"# Benchmarks, {about['date']}",
        f"{about['python']}; {about['machine']}, {pinned}; server in {about['server']}; "
        f"{about['rounds']} rounds of {about['seconds']:g} s, interleaved; load {number(about['load'] or 0)}.",
        f"Clients: {versions}.",
        *(f"Skipped: {why}" for why in about["skipped"]),
        "Only the ratios count; see bench/README.md. ↓ marks what is better when it is less; - is what failed.",
        "## Targets",
        target_table(targets, found),
    ]
    if forms := form_table(found):
        out += ["## Forms of a send", forms]
    for group in dict.fromkeys(row.group for row in found):
        chosen = [row for row in found if row.group == group]
        out += [
            f"## {group.capitalize()}",
            f"Ratios to {BASE}; its column has absolute figures:",
            matrix(chosen),
        ]
        out += ["<details><summary>all figures</summary>", details(chosen), "</details>"]
    return "\n\n".join(out) + "\n"
