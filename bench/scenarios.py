"""What is measured: every scenario has a name, a title, and figures (see `bench.report.FIGURES`)."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.contenders import Contender
from bench.forms import FORMS
from bench.places import ROOT, on_cpu
from bench.servers import Server
from bench.work import Work

KIB, MIB = 1024, 1024 * 1024

#: What one run measured, by name.
Figures = dict[str, Any]

#: Bounds one process of one client, in seconds; one that takes longer hangs.
TIMEOUT = 90.0


class Failed(Exception):
    """A run that came to nothing: why."""


class Lacking(Failed):
    """The client cannot do this."""


@dataclass(frozen=True)
class Setting:
    """Where a run takes place."""

    server: Server
    cpu: int | None = None
    seconds: float = 0.6
    count: int = 0


class Scenario(Protocol):
    """What `bench.run` needs to know."""

    @property
    def title(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def figures(self) -> tuple[str, ...]: ...

    @property
    def clients(self) -> tuple[str, ...]:
        """Only these clients; empty for all."""

    def measure(self, contender: Contender, setting: Setting) -> Figures:
        """One run of one client.

        Raises:
            Failed: it came to nothing.
            bench.contenders.Missing: the client is not to be had on this machine.
        """


def read_figures(output: str, errors: str) -> Figures:
    """What a client's process printed.

    Raises:
        Failed: nothing, or that it cannot do this.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed((errors.strip().splitlines() or ["it said nothing"])[-1][:300])
    figures: Figures = json.loads(lines[-1])
    if "unsupported" in figures:
        raise Lacking(figures["unsupported"])
    return figures


def run_client(contender: Contender, work: Work, cpu: int | None, timeout: float = TIMEOUT) -> Figures:
    """One process of a client.

    Raises:
        Failed: it failed, or did not end.
    """
    command = [*contender.prepare(), *work.words()]
    try:
        with on_cpu(cpu):
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=contender.variables(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed(f"no end after {timeout:g} s") from None
    return read_figures(output, errors)


@dataclass(frozen=True)
class Talk:
    """A client and the server of the kit: one kind of `bench.work`."""

    title: str
    group: str
    kind: str
    figures: tuple[str, ...] = ("rate",)
    work: dict[str, Any] = field(default_factory=dict)
    clients: tuple[str, ...] = ()  #: only these; empty for all

    def measure(self, contender: Contender, setting: Setting) -> Figures:
        given = {"seconds": setting.seconds, "count": setting.count} | self.work
        return run_client(contender, Work(self.kind, setting.server.port, **given), setting.cpu)


@dataclass(frozen=True)
class Growth:
    """The same with more and more of something: what does one unit cost, at the end against the beginning?

    CPU, because a busy machine hardly moves it. A factor of 1 is linear, and one like that of the units is quadratic;
    large bodies cost 2 to 6 times as much a byte, for they fit no cache and each of their pages is new to the process.
    """

    title: str
    group: str
    steps: tuple[tuple[int, dict[str, Any]], ...]  #: units, and the work
    figures: tuple[str, ...] = ("growth", "slowest")
    #: A step that takes longer has answered the question, in seconds.
    patience: float = 20.0
    clients: tuple[str, ...] = ()

    def measure(self, contender: Contender, setting: Setting) -> Figures:
        costs: list[float] = []
        figures: Figures = {}
        for units, more in self.steps:
            given = {"seconds": setting.seconds / 2, "count": setting.count} | more
            work = Work("receive", setting.server.port, **given)
            try:
                figures = run_client(contender, work, setting.cpu, self.patience)
            except Lacking:
                raise
            except Failed as why:
                raise Failed(f"{why} with {units:,} units") from why
            costs.append(figures["cpu"] / units)
        growth = costs[-1] / max(costs[0], 1e-12)
        return {**figures, "growth": growth, "slowest": 1 / figures["rate"], "costs": costs}


SIZES = {"0 B": 0, "100 B": 100, "1 KiB": KIB, "16 KiB": 16 * KIB, "1 MiB": MIB}


#: Each form of a send: the same frames for every client, measured side by side.
FORM_SCENARIOS: dict[str, Scenario] = {
    **{
        "send-100" if name == "bytes" else f"send-{name}": Talk(
            f"send {form.title}", "send", "send", work={"form": name}
        )
        for name, form in sorted(FORMS.items(), key=lambda item: item[0] == "bytes")
    },
    "send-receipt": Talk(
        "send str with a receipt, window 1,000", "send", "confirm", work={"window": 1000, "form": "text"}
    ),
}


def _streams() -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for text, size in SIZES.items():
        found[f"receive-{size}"] = Talk(f"receive {text}", "receive", "receive", work={"size": size})
    for text, size in SIZES.items():
        found[f"receive-escaped-{size}"] = Talk(
            f"receive {text}, ActiveMQ's headers",
            "receive",
            "receive",
            work={"size": size, "query": "escaped=1"},
        )
    found["receive-no-length"] = Talk(
        "receive 1 KiB without content-length", "receive", "receive", work={"size": KIB, "query": "length=0"}
    )
    found["acknowledge"] = Talk("receive 100 B, acknowledge each", "receive", "acknowledge")
    found |= FORM_SCENARIOS
    found["send-text-1048576"] = Talk("send 1 MiB of str", "send", "send", work={"size": MIB, "form": "text"})
    for text, size in SIZES.items():
        if size != 100:  # a form
            found[f"send-{size}"] = Talk(f"send {text} of bytes", "send", "send", work={"size": size})
    found["confirm-window"] = Talk("confirmed sends, window 1,000", "send", "confirm", work={"window": 1000})
    return found


LATENCIES: dict[str, Scenario] = {
    "confirm": Talk("confirmed send", "latency", "confirm", ("p50", "p99")),
    "pair": Talk("send, then a confirmed send", "latency", "pair", ("p50",)),
    "round-trip": Talk("round trip, 100 B", "latency", "roundtrip", ("p50", "p99")),
    "connect": Talk("connect and disconnect", "latency", "connect", ("p50",)),
}


def _bodies(title: str, query: str) -> Growth:
    sizes = [1, 4, 16, 64]
    return Growth(
        title, "growth", tuple((size * MIB, {"size": size * MIB, "query": query}) for size in sizes)
    )


def _segments(size: int, most: int) -> Growth:
    steps = tuple(
        (total, {"size": total, "query": f"segment={size}"}) for total in (most // 16, most // 4, most)
    )
    return Growth(
        f"a body in segments of {size} B, {most // 16 // KIB} to {most // KIB} KiB", "growth", steps
    )


GROWTHS: dict[str, Scenario] = {
    "growth-body": _bodies("a body of 1 to 64 MiB", ""),
    "growth-body-no-length": _bodies("a body of 1 to 64 MiB, no content-length", "length=0"),
    "growth-body-nul": _bodies("a body of 1 to 64 MiB of NULs", "nul=1"),
    "growth-headers": Growth(
        "10 to 1,000 headers",
        "growth",
        tuple((count, {"query": f"extra={count - 8}"}) for count in (10, 100, 1000)),
    ),
    "growth-segments-1": _segments(1, 256 * KIB),
    "growth-segments-7": _segments(7, MIB),
    "headers-1000": Talk(
        "receive 100 B with 1,000 headers", "growth", "receive", work={"query": "extra=992"}
    ),
    "segments-1": Talk(
        "receive 1 KiB in segments of 1 B", "growth", "receive", work={"size": KIB, "query": "segment=1"}
    ),
    "segments-7": Talk(
        "receive 1 KiB in segments of 7 B", "growth", "receive", work={"size": KIB, "query": "segment=7"}
    ),
}

MEMORIES: dict[str, Scenario] = {
    "peak-64": Talk(
        "memory to receive a body of 64 MiB", "memory", "receive", ("peak",), {"size": 64 * MIB, "count": 1}
    ),
    "peak-64-no-length": Talk(
        "the same without content-length",
        "memory",
        "receive",
        ("peak",),
        {"size": 64 * MIB, "count": 1, "query": "length=0"},
    ),
    "stall": Talk(
        "send 64 KiB to a broker that reads nothing",
        "memory",
        "stall",
        ("peak", "accepted"),
        {"size": 64 * KIB, "seconds": 2.0},
    ),
    "stall-small": Talk(
        "send 100 B to a broker that reads nothing", "memory", "stall", ("peak", "accepted"), {"seconds": 2.0}
    ),
    "idle": Talk(
        "100 idle connections, a heart-beat each second",
        "idle",
        "idle",
        ("share", "memory", "threads"),
        {"connections": 100, "heartbeat": 1000, "seconds": 5.0},
    ),
    "idle-2000": Talk(
        "2,000 idle connections, a heart-beat each 10 seconds",
        "idle",
        "idle",
        ("share", "memory", "threads"),
        {"connections": 2000, "heartbeat": 10_000, "seconds": 20.0},
        clients=(
            "stompkit-aio",
            "stompkit-aio-native",
            "stompman",
            "aiostomp",
        ),  # a thread for each of 2,000 connections is not practical
    ),
}

TALKS: dict[str, Scenario] = {**_streams(), **LATENCIES, **GROWTHS, **MEMORIES}
