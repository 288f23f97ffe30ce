"""Celery's workers on the embedded broker."""

from __future__ import annotations

import signal
import socket
import subprocess
import time

import pytest

from tests.kombu import kill_workers
from tests.kombu.workers import PATIENCE, Project

pytestmark = [
    pytest.mark.slow(reason="starts processes with Celery, which take seconds to import it"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def project(url, tmp_path):
    with Project(url, tmp_path) as project:
        yield project


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads", "gevent"])
def test_each_pool_runs_tasks_and_returns_results(project, pool):
    worker = project.start(pool)
    results = [project.task("add").delay(number, 1) for number in range(50)]
    assert [each.get(timeout=PATIENCE) for each in results] == list(range(1, 51)), project.logs()
    assert project.task("flaky").delay().get(timeout=PATIENCE) == 1
    with pytest.raises(ValueError, match="no"):
        project.task("fail").delay().get(timeout=PATIENCE)
    project.until_idle()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0, project.logs()


def test_a_countdown_is_obeyed_by_more_tasks_than_the_prefetch(project):
    project.start("threads")
    project.task("add").delay(1, 1).get(timeout=PATIENCE)
    begin = time.monotonic()
    later = [project.task("add").apply_async((number, 0), countdown=3) for number in range(30)]
    # The tasks that wait do not keep the worker from others.
    assert project.task("add").delay(1, 1).get(timeout=PATIENCE) == 2
    assert [each.get(timeout=PATIENCE) for each in later] == list(range(30))
    assert time.monotonic() - begin >= 2.9


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_the_task_of_a_killed_worker_is_run_by_another(project, pool):
    killed = project.start(pool)
    marker = project.folder / "go"
    result = project.task("hold").delay(7, str(marker))
    project.until_recorded(1)
    project.kill(killed)
    project.start(pool)
    project.until_recorded(2)
    marker.touch()
    assert result.get(timeout=PATIENCE) == 7, project.logs()
    assert project.recorded() == ["7", "7"]


def test_a_warm_shutdown_ends_its_tasks_and_gives_back_the_others(project):
    worker = project.start("solo")
    marker = project.folder / "go"
    results = [project.task("hold").delay(number, str(marker)) for number in range(6)]
    project.until_recorded(1)
    worker.send_signal(signal.SIGTERM)
    marker.touch()
    assert worker.wait(PATIENCE) == 0, project.logs()
    project.start("solo")
    assert [each.get(timeout=PATIENCE) for each in results] == list(range(6))
    assert sorted(project.recorded()) == [str(number) for number in range(6)]  # each once


def test_a_worker_connects_again(project, stomp_broker):
    project.start("prefork")
    assert project.task("add").delay(1, 1).get(timeout=PATIENCE) == 2
    consumer = project.app.backend.result_consumer
    stomp_broker.disconnect_all()
    consumer.stop()  # Celery does not replace the connection of this side by itself
    consumer._consumer = None
    for number in range(5):
        assert project.task("add").delay(number, 1).get(timeout=PATIENCE) == number + 1, project.logs()


def test_remote_control_answers(project):
    project.start("solo")
    project.task("add").delay(1, 1).get(timeout=PATIENCE)
    ping = project.run("inspect", "ping", "--timeout", "20", "-d", f"w0@{socket.gethostname()}")
    assert "pong" in ping.stdout, ping.stdout + ping.stderr
    (stats,) = project.app.control.inspect(timeout=20, limit=1).stats().values()
    assert "password" not in stats["broker"]
    assert project.app.control.broadcast("add_consumer", {"queue": "more"}, reply=True, limit=1, timeout=20)
    more = project.task("add").apply_async((2, 2), queue="more")
    assert more.get(timeout=PATIENCE) == 4
    assert project.app.control.broadcast(
        "cancel_consumer", {"queue": "more"}, reply=True, limit=1, timeout=20
    )


def test_events_are_dumped(project):
    project.start("solo", "-E")
    project.task("add").delay(1, 1).get(timeout=PATIENCE)
    with subprocess.Popen(
        project.celery("events", "--dump"),
        cwd=".",
        env=project.environment,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as events:
        try:
            assert events.stdout is not None
            for line in events.stdout:
                project.task("add").delay(1, 1)
                if "task succeeded" in line:
                    break
            else:
                pytest.fail(project.logs())
        finally:
            events.kill()


@pytest.mark.timeout(600)
def test_no_task_is_lost_when_workers_are_killed(project):
    """The short form of ``python -m tests.kombu.kill_workers``."""
    figures = kill_workers.run(project, 600, pool="solo", between=(60, 200))
    assert figures.killed >= 2
    assert (figures.run, figures.results) == (600, 600), f"{figures}\n{project.logs()}"
