"""Compare clients side by side: A B A B, so that whatever the machine does meets them all.

python -m bench.run                       everything, about three minutes
python -m bench.run --quick               what must not get lost; exits with 1 if it is
python -m bench.run --scenarios send,pair --clients stompkit,bare --rounds 9
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import Demand, Figures, Row, Runs, as_json, rows, table
from bench.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent
#: What the kit installs for itself. Not under version control.
HOME = ROOT / ".bench"

BASE = "stomp.py"
#: Bounds one run of one client; one that takes longer hangs.
TIMEOUT = 120.0

DEMANDS = [
    Demand("stompkit", "receive-100", "rate", ratio=5.0),
    Demand("stompkit", "pair", "p50", below=1e-3),
]


@dataclass(frozen=True)
class Contender:
    """A client to measure."""

    adapter: str  #: a module of `bench.adapters`
    package: str = ""  #: what to install in an environment of its own; nothing for this Python
    path: str = ""  #: where to import it from


CLIENTS = {
    "stompkit": Contender("stompkit_listener", path=str(ROOT / "src")),
    "stomp.py": Contender("stomp_py", package="stomp-py==9.0.0"),
    "bare": Contender("bare"),
}


def python_of(contender: Contender) -> str:
    """The Python to run a client with; its environment is made if need be."""
    if not contender.package:
        return sys.executable
    name = f"{contender.package.replace('==', '-')}-python{sys.version_info[0]}.{sys.version_info[1]}"
    home = HOME / name
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = home / "ready"
    if not ready.exists():
        print(f"installing {contender.package} into {home.relative_to(ROOT)}", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, contender.package], check=True)
        ready.touch()
    return str(python)


def two_cpus() -> tuple[int, int] | None:
    """A CPU for the client and one for the server, if there are two and the system can pin."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[0], cpus[-1]) if len(cpus) > 1 else None


class Server:
    """`bench.server` in a process of its own; it ends with the block, and with this process."""

    def __init__(self, cpu: int | None = None) -> None:
        command = [sys.executable, "-m", "bench.server"] + (["--cpu", str(cpu)] if cpu is not None else [])
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()  # closes its standard input, which ends it


@dataclass(frozen=True)
class Plan:
    """What to run, and how."""

    clients: list[str]
    scenarios: list[str]
    rounds: int
    seconds: float
    count: int
    cpus: tuple[int, int] | None

    def run_one(self, client: str, scenario: str, port: int) -> Figures | None:
        """One run; None if it failed, and why on the standard error."""
        contender = CLIENTS[client]
        command = [python_of(contender), "-m", "bench.client", contender.adapter, scenario]
        command += ["--port", str(port), "--seconds", str(self.seconds), "--count", str(self.count)]
        if self.cpus:
            command += ["--cpu", str(self.cpus[0])]
        environment = {**os.environ, "PYTHONPATH": contender.path}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            print(f"{scenario} with {client}: no end after {TIMEOUT:g} s", file=sys.stderr)
            return None
        if done.returncode:
            print(f"{scenario} with {client} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
            return None
        measured: Figures = json.loads(done.stdout.splitlines()[-1])
        return measured

    def run(self, scenario: str) -> dict[str, list[Figures | None]]:
        """All rounds of one scenario."""
        runs: dict[str, list[Figures | None]] = {client: [] for client in self.clients}
        with Server(self.cpus[1] if self.cpus else None) as server:
            for _ in range(self.rounds):
                for client in self.clients:
                    # One that failed would most likely fail again, and take its time.
                    failed = None in runs[client]
                    runs[client].append(None if failed else self.run_one(client, scenario, server.port))
        return runs


def sum_up(runs: Runs) -> list[Row]:
    """The rows of some scenarios."""
    titles = {name: SCENARIOS[name].title for name in runs}
    return rows(runs, titles, {name: SCENARIOS[name].figures for name in runs}, BASE)


def about(plan: Plan, runs: Runs) -> dict[str, Any]:
    """Where and how it was measured."""
    versions = {
        client: next((run["version"] for run in rounds if run), "failed")
        for clients in runs.values()
        for client, rounds in clients.items()
    }
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "pinned": plan.cpus is not None,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
    }


def markdown(facts: dict[str, Any], found: list[Row]) -> str:
    """The report."""
    versions = ", ".join(f"{client} {version}" for client, version in facts["versions"].items())
    pinned = "client and server on a CPU each" if facts["pinned"] else "not pinned"
    return (
        f"# Benchmarks, {facts['date']}\n\n"
        f"{facts['python']}; {facts['machine']}, {pinned}; {versions}; {facts['rounds']} rounds, interleaved.\n"
        "Only the ratios count; see bench/README.md.\n\n"
        f"{table(found, BASE)}\n"
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.run", description="compare STOMP clients side by side")
    parser.add_argument("--quick", action="store_true", help="only what must not get lost; exit 1 if it is")
    parser.add_argument("--scenarios", type=names, help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--clients", type=names, help=f"of {', '.join(CLIENTS)}")
    parser.add_argument("--rounds", type=int, help="5, and 3 with --quick")
    parser.add_argument("--seconds", type=float, help="how long one run is to be: 0.6, and 0.4 with --quick")
    parser.add_argument("--count", type=int, default=0, help="do it so many times in each run instead")
    parser.add_argument("--no-pin", action="store_true", help="let the system choose the CPUs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    args = parser.parse_args(argv)
    for chosen, known in ((args.scenarios or [], SCENARIOS), (args.clients or [], CLIENTS)):
        for name in chosen:
            if name not in known:
                parser.error(f"there is no {name}: choose of {', '.join(known)}")
    return args


def names(text: str) -> list[str]:
    return text.split(",")


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    demanded = [demand.scenario for demand in DEMANDS]
    plan = Plan(
        clients=args.clients or (["stompkit", BASE] if args.quick else list(CLIENTS)),
        scenarios=args.scenarios or (demanded if args.quick else list(SCENARIOS)),
        rounds=args.rounds or (3 if args.quick else 5),
        seconds=args.seconds or (0.4 if args.quick else 0.6),
        count=args.count,
        cpus=None if args.no_pin else two_cpus(),
    )
    for client in plan.clients:
        try:
            python_of(CLIENTS[client])
        except (OSError, subprocess.CalledProcessError) as err:
            print(f"{client} cannot be installed: {err}", file=sys.stderr)
            return 2
    runs: Runs = {}
    for scenario in plan.scenarios:
        runs[scenario] = plan.run(scenario)
        if not args.quick:
            print(f"{table(sum_up({scenario: runs[scenario]}), BASE)}\n", flush=True)
    found = sum_up(runs)
    facts = about(plan, runs)
    if args.json:
        args.json.write_text(json.dumps(as_json(facts, found, runs), indent=1) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(markdown(facts, found), encoding="utf-8")
    ok = all(row.value for row in found)
    if args.quick:
        verdicts = [demand.verdict(found) for demand in DEMANDS]
        print("\n".join(told for _, told in verdicts))
        ok = ok and all(met for met, _ in verdicts)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
