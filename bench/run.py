"""Compare clients side by side, in the order A B, B A, A B: a busy machine affects all of them.

python -m bench.run                       stompkit, stomp.py and bare sockets; a quarter of an hour
python -m bench.run --all                 with every peer
python -m bench.run --quick               the regression guard; exits with 1 if a limit is exceeded
python -m bench.run --scenarios 'send*,pair' --clients stompkit,bare --rounds 9
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import instructions, targets
from bench.contenders import BASE, CLIENTS, USUAL, Missing
from bench.places import two_cpus
from bench.report import Demand, Runs, as_json, join, rows
from bench.scenarios import FORM_SCENARIOS, TALKS, Failed, Figures, Lacking, Scenario, Setting
from bench.servers import Server, command
from bench.starting import STARTS
from bench.tables import bars, details, form_table, markdown, pictures, summary, target_table
from bench.through import THROUGHS

SCENARIOS: dict[str, Scenario] = {**TALKS, **STARTS, **THROUGHS}

#: About 1.5 times the values measured on an idle machine. Processors differ, too: where a send takes 0.41 of the CPU of
#: stomp.py on one, it takes 0.50 on another.
DEMANDS = [
    Demand("stompkit", "receive-100", cpu=0.25),
    Demand("stompkit", "send-text", cpu=0.6),
    Demand("stompkit", "send-headers", cpu=0.7),
    Demand("stompkit", "send-on-send", cpu=0.7),
    Demand("stompkit", "send-100", cpu=0.6),
    Demand("stompkit", "acknowledge", cpu=0.4),
    Demand("stompkit", "pair", p50=10e-3),
]


@dataclass
class Plan:
    """What to run, and how."""

    clients: list[str]
    scenarios: list[str]
    rounds: int
    seconds: float
    count: int
    cpus: tuple[int, int] | None
    skipped: dict[str, str] = field(default_factory=dict)  #: clients that this machine cannot run, and why
    measured: dict[str, Any] | None = None  #: how the last of the earlier runs was measured

    def prepare(self) -> None:
        """Install the clients. Those that this machine cannot run are reported and left out."""
        for client in list(self.clients):
            try:
                CLIENTS[client].prepare()
            except Missing as why:
                self.clients.remove(client)
                self.skipped[client] = str(why)
                print(f"{client} is skipped: {why}", file=sys.stderr, flush=True)

    def run(self, names: Sequence[str]) -> Runs:
        """All rounds of some scenarios. Within a round, scenarios and clients follow each other at once."""
        runs: Runs = {name: {client: [] for client in self._clients_of(name)} for name in names}
        with Server(self.cpus[1] if self.cpus else None) as server:
            setting = Setting(server, self.cpus[0] if self.cpus else None, self.seconds, self.count)
            for number in range(self.rounds):
                for name in names:
                    clients = list(runs[name])
                    for client in clients if number % 2 == 0 else reversed(clients):
                        self._run_once(name, client, runs[name], setting)
        return runs

    def _clients_of(self, name: str) -> list[str]:
        only = SCENARIOS[name].clients
        return [client for client in self.clients if not only or client in only]

    def _run_once(
        self, name: str, client: str, runs: dict[str, list[Figures | None]], setting: Setting
    ) -> None:
        if None in runs[client]:  # a client that failed would most likely fail again, after a timeout
            runs[client].append(None)
            return
        try:
            runs[client].append(SCENARIOS[name].measure(CLIENTS[client], setting))
        except Lacking:
            del runs[client]
        except (Failed, OSError) as why:
            print(f"{name} with {client} failed: {why}", file=sys.stderr, flush=True)
            runs[client].append(None)


def about(plan: Plan, runs: Runs) -> dict[str, Any]:
    """Where and how it was measured."""
    versions: dict[str, str] = {}
    for clients in runs.values():
        for client, rounds in clients.items():
            version = next((run["version"] for run in rounds if run and run.get("version")), "")
            versions[client] = versions.get(client) or version
    if plan.measured and not plan.rounds:
        return plan.measured | {"versions": versions}
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "server": command()[0],
        "pinned": plan.cpus is not None,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "versions": versions,
        "skipped": [f"{client}: {why}" for client, why in plan.skipped.items()],
        "date": time.strftime("%Y-%m-%d"),
    }


def chosen(text: str, known: Mapping[str, object]) -> list[str]:
    """Names, or patterns of them.

    Raises:
        argparse.ArgumentTypeError: nothing has such a name.
    """
    found: list[str] = []
    for pattern in text.split(","):
        names = fnmatch.filter(known, pattern)
        if not names:
            raise argparse.ArgumentTypeError(f"there is no {pattern}: choose of {', '.join(known)}")
        found += [name for name in names if name not in found]
    return found


def batches(scenarios: Sequence[str]) -> list[list[str]]:
    """The scenarios that are measured together: the forms of a send in one batch, all others alone."""
    forms = [name for name in scenarios if name in FORM_SCENARIOS]
    batches: list[list[str]] = []
    for name in scenarios:
        if name not in forms:
            batches.append([name])
        elif name == forms[0]:
            batches.append(forms)
    return batches


def by_group(text: str) -> list[str]:
    """The scenarios of some groups."""
    groups = {scenario.group: scenario for scenario in SCENARIOS.values()}
    wanted = chosen(text, groups)
    return [name for name, scenario in SCENARIOS.items() if scenario.group in wanted]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.run", description="compare STOMP clients side by side")
    parser.add_argument(
        "--quick", action="store_true", help="the regression guard; exit 1 if a limit is exceeded"
    )
    parser.add_argument("--all", action="store_true", help="every client that this machine can run")
    parser.add_argument("--forms", action="store_true", help="only the forms of a send, side by side")
    parser.add_argument("--scenarios", type=lambda text: chosen(text, SCENARIOS), help=", ".join(SCENARIOS))
    parser.add_argument(
        "--groups", type=by_group, help="receive, send, latency, growth, memory, idle, start, brokers"
    )
    parser.add_argument("--clients", type=lambda text: chosen(text, CLIENTS), help=", ".join(CLIENTS))
    parser.add_argument("--rounds", type=int, help="5, and 3 with --quick; 0 only to report on --with")
    parser.add_argument("--seconds", type=float, help="how long one run is to be: 0.6, and 0.4 with --quick")
    parser.add_argument(
        "--count", type=int, default=0, help="do it this many times in each run, instead of --seconds"
    )
    parser.add_argument("--no-pin", action="store_true", help="let the system choose the CPUs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    parser.add_argument(
        "--with",
        dest="earlier",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="add what these --json files hold",
    )
    parser.add_argument("--summary", action="store_true", help="print the table of the documentation, too")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write a picture for each group")
    return parser.parse_args(argv)


def write(args: argparse.Namespace, plan: Plan, runs: Runs) -> None:
    """The files that were asked for. They are written after each scenario: a long run that ends early is not lost."""
    found = rows(runs, SCENARIOS)
    facts = about(plan, runs)
    if args.json:
        args.json.write_text(json.dumps(as_json(facts, found, runs), indent=1) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(markdown(facts, found, targets.read()), encoding="utf-8")
    if args.plots:
        args.plots.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures(found).items():
            (args.plots / f"{name}.svg").write_text(picture, encoding="utf-8")


def within_limits(plan: Plan, runs: Runs) -> bool:
    """Print what the regression guard finds. What exceeds its limit is measured again; the median of all counts."""
    found = rows(runs, SCENARIOS)
    missed = [demand.scenario for demand in DEMANDS if not demand.verdict(found)[0]]
    if missed:
        print(f"measured again: {', '.join(missed)}", file=sys.stderr, flush=True)
        found = rows(join(runs, plan.run(missed)), SCENARIOS)
    verdicts = [demand.verdict(found) for demand in DEMANDS] + instructions.check()
    print("\n".join(sentence for _, sentence in verdicts))
    return all(met for met, _ in verdicts)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    demanded = [demand.scenario for demand in DEMANDS]
    plan = Plan(
        clients=args.clients or (["stompkit", BASE] if args.quick else list(CLIENTS if args.all else USUAL)),
        scenarios=args.scenarios
        or args.groups
        or (list(FORM_SCENARIOS) if args.forms else demanded if args.quick else list(SCENARIOS)),
        rounds=args.rounds if args.rounds is not None else 3 if args.quick else 5,
        seconds=args.seconds or (0.4 if args.quick else 0.6),
        count=args.count,
        cpus=None if args.no_pin else two_cpus(),
    )
    plan.prepare()
    earlier: Runs = {}
    for file in args.earlier:
        report = json.loads(file.read_text(encoding="utf-8"))
        earlier = join(earlier, report["runs"])
        plan.measured = report["about"]
    runs: Runs = {}
    for names in batches(plan.scenarios) if plan.rounds else []:
        measured = plan.run(names)
        runs |= measured
        if not args.quick and (found := rows(measured, SCENARIOS)):
            print(f"{details(found)}\n", flush=True)
        write(args, plan, join(earlier, runs))
    runs = join(earlier, runs)
    write(args, plan, runs)
    found = rows(runs, SCENARIOS)
    ok = all(row.value for row in found if not row.client.startswith("stomp.py"))
    if args.quick:
        return 0 if within_limits(plan, runs) and ok else 1
    print(bars(found))
    print(f"\n{target_table(targets.read(), found)}")
    if table := form_table(found):
        print(f"\n{table}")
    if args.summary:
        print(f"\n{summary(found)}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
