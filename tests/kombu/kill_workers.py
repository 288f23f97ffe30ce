"""Run many tasks while workers are killed at random: each task must run at least once, and each result arrive.

``python -m tests.kombu.kill_workers --tasks 10000 --pool prefork`` starts an embedded broker; with ``--broker URL``
it uses another one.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from celery.exceptions import TimeoutError as NoResult

from stomp.broker import Broker
from tests.kombu.workers import Project


@dataclass
class Figures:
    """What a run has counted."""

    tasks: int
    killed: int
    run: int
    run_again: int
    results: int
    seconds: float


def run(
    project: Project,
    tasks: int,
    *,
    pool: str,
    between: tuple[int, int],
    seed: int = 5,
    patience: float = 60.0,
) -> Figures:
    """Send the tasks, and kill one of two workers each time that so many more tasks have run.

    Args:
        project: the application and its workers.
        tasks: how many.
        pool: the pool of the workers.
        between: the least and the largest number of tasks between two kills.
        seed: for the random numbers.
        patience: seconds to wait for a missing task or result.
    """
    chance, begin, killed = random.Random(seed), time.monotonic(), 0
    results = [project.task("record").delay(number) for number in range(tasks)]
    goal, progress, last = 0, 0, time.monotonic()
    while (done := len(set(project.recorded()))) < tasks and time.monotonic() - last < patience:
        if done > progress:
            progress, last = done, time.monotonic()
        running = [worker for worker in project.workers if worker.poll() is None]
        if len(running) < 2:
            project.start(pool)
        elif done >= goal:
            if goal:
                project.kill(chance.choice(running))
                killed += 1
            goal = done + chance.randint(*between)
        time.sleep(0.02)
    arrived = 0
    for number, result in enumerate(results):
        # After the first ones all others have arrived, or are missing.
        with contextlib.suppress(NoResult):
            arrived += result.get(timeout=patience if arrived == number else 0.1) == number
    counts = Counter(project.recorded())
    again = sum(count > 1 for count in counts.values())
    return Figures(tasks, killed, len(counts), again, arrived, time.monotonic() - begin)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--broker", help="the URL of a broker; default: an embedded one")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = options.broker
        if url is None:
            broker = stack.enter_context(Broker())
            url = f"stomp://{broker.host}:{broker.port}"
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        project = stack.enter_context(Project(url, folder))
        print(run(project, options.tasks, pool=options.pool, between=(300, 1200)))


if __name__ == "__main__":
    main()
