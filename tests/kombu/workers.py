"""Real Celery workers in processes of their own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Self

import kombu.pools

from tests.documents import ROOT
from tests.kombu import project

#: Seconds for a worker to start, or for a result, on a busy machine.
PATIENCE = 60.0


class Project:
    """The application, its workers, and what they have recorded.

    Args:
        broker: the URL of the broker.
        folder: a folder for the logs and records.
        queue_type: see `project.make_app`.
    """

    def __init__(self, broker: str, folder: Path, queue_type: str = "") -> None:
        self.folder = folder
        self.record = folder / "record"
        self.queue = f"celery-{uuid.uuid4().hex[:8]}"
        self.app = project.make_app(broker, self.queue, queue_type)
        self.environment = {
            **os.environ,
            project.BROKER: broker,
            project.QUEUE: self.queue,
            project.QUEUE_TYPE: queue_type,
            project.RECORD: str(self.record),
        }
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self.kill(worker)
        if self.app.backend.result_consumer._consumer is not None:
            self.app.backend.result_consumer.stop()
        self.app.close()
        # Kombu finds the pool of a broker by its first URL: the next test would get connections without its other URLs.
        kombu.pools.reset()

    def task(self, name: str) -> Any:
        """A task by its name."""
        return self.app.tasks[name]

    def celery(self, *arguments: str) -> list[str]:
        """A command line of Celery for this project."""
        return [sys.executable, "-m", "celery", "-A", "tests.kombu.project", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Celery to its end."""
        return subprocess.run(
            self.celery(*arguments),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, pool: str = "solo", *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker. `PATIENCE` is for its first result."""
        number = len(self.workers)
        command = self.celery(
            "worker", "-P", pool, "-c", "2", "-l", "INFO", "-n", f"w{number}@%h", *arguments
        )
        with (self.folder / f"worker{number}.log").open("wb") as log:
            # A group of processes, so that `kill` ends the children of a prefork worker as well.
            worker = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.workers.append(worker)
        return worker

    def until_idle(self) -> None:
        """Wait until a worker has noted the end of all tasks.

        Before Celery 5.7 the processes of a pool may take 30 s or more to end if a result is on its way to the worker.
        """
        deadline = time.monotonic() + PATIENCE
        inspect = self.app.control.inspect(timeout=PATIENCE, limit=1)
        while any((inspect.active() or {"": True}).values()):
            assert time.monotonic() < deadline, self.logs()

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker and its children by SIGKILL."""
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(PATIENCE)

    def logs(self) -> str:
        """The logs of all workers, for the text of a failed assertion."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("worker*.log")))

    def recorded(self) -> list[str]:
        """The lines that tasks have recorded."""
        return self.record.read_text().split() if self.record.exists() else []

    def until_recorded(self, count: int, *, different: bool = False) -> list[str]:
        """Wait until tasks have recorded this many lines, or this many different ones."""
        deadline = time.monotonic() + PATIENCE
        found = self.recorded()
        while len(set(found) if different else found) < count:
            assert time.monotonic() < deadline, f"{sorted(found)}\n{self.logs()}"
            time.sleep(0.02)
            found = self.recorded()
        return found
