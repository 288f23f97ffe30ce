"""One scenario with one client, in a process of its own; prints what it measured as one line of JSON.

python -m bench.client ADAPTER SCENARIO --port N [--cpu N] [--seconds S | --count N]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time

from bench.report import figures
from bench.scenarios import SCENARIOS, Run
from bench.server import pin

#: Between two runs on one connection: long enough for a frame that Nagle's algorithm holds back to get out.
SETTLE = 0.06
#: How much of the time asked for is enough.
ENOUGH = 0.6
#: A run that was too short says little about how many it would take; never go further than this at a time.
STEP = 20


def measure(run: Run, client: object, seconds: float, count: int = 0) -> tuple[int, list[float], float]:
    """Run until one run was long enough, and return that one. The shorter ones before it are the warm-up.

    Args:
        run: the scenario.
        client: the connection.
        seconds: how long the run is to be.
        count: do it just so many times, once, instead.

    Returns:
        How many times it was done, the durations, and the CPU time of this process in seconds.
    """
    times = count or 10
    while True:
        cpu = time.process_time()
        durations = run(client, times)
        cpu = time.process_time() - cpu
        total = sum(durations)
        if count or total >= ENOUGH * seconds:
            return times, durations, cpu
        times = max(times + 1, int(times * min(STEP, seconds / total)))
        time.sleep(SETTLE)


def main() -> None:
    parser = argparse.ArgumentParser(description="measure one scenario with one client")
    parser.add_argument("adapter")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cpu", type=int, help="stay on this CPU")
    parser.add_argument("--seconds", type=float, default=0.6)
    parser.add_argument("--count", type=int, default=0)
    args = parser.parse_args()
    pin(args.cpu)
    adapter = importlib.import_module(f"bench.adapters.{args.adapter}")
    client = adapter.Client(args.port)
    scenario = SCENARIOS[args.scenario]
    count, durations, cpu = measure(scenario.run, client, args.seconds, args.count)
    client.close()
    measured = {"version": adapter.VERSION, "count": count, "cpu": cpu / count}
    print(json.dumps(measured | figures(scenario.figures, count, durations)), flush=True)
    # A client may have left threads behind; they are not what is measured.
    os._exit(0)


if __name__ == "__main__":
    main()
