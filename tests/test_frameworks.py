"""The pages about Django, FastAPI, Flask, cron scripts and daemons: their files, run as they are on the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import stomp
from stomp.broker import Broker
from tests.documents import ROOT, blocks
from tests.processes import catches

HOWTO = ROOT / "docs/howto"


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def write_files(page: str, folder: Path) -> None:
    """Write each block of a page that begins with the name of a file."""
    for _, text in blocks(HOWTO / page, "python"):
        named = re.match(r"# (\S+\.py)\n", text)
        assert named is not None, text
        path = folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def extend_files(page: str, folder: Path) -> None:
    """Append each block of a page that is to be added at the end of a file."""
    for _, text in blocks(HOWTO / page, "text"):
        named = re.match(r"# (\S+\.py)\n", text)
        assert named is not None, text
        with (folder / named[1]).open("a") as file:
            file.write(text)


def start(folder: Path, broker: Broker, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "STOMP_URL": f"stomp://{broker.host}:{broker.port}"}
    environment["PYTHONPATH"] = f"{folder}:{ROOT / 'src'}"
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(folder: Path, broker: Broker, *arguments: str) -> str:
    process = start(folder, broker, *arguments)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    return output


def wait_until_caught(pid: int, number: int) -> None:
    """Wait until a process has a handler for a signal."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if catches(pid, number):
            return
        time.sleep(0.01)
    raise AssertionError("the process has no handler for the signal")


@pytest.mark.slow(reason="starts pytest, which imports a web framework")
@pytest.mark.parametrize("page", ["fastapi.md", "flask.md"])
def test_application_of_a_page_passes_the_test_of_the_page(page: str, tmp_path: Path, broker: Broker) -> None:
    pytest.importorskip(page.removesuffix(".md"))
    write_files(page, tmp_path)
    # Without pytest-asyncio, which the pages do not install: it warns without a configuration.
    options = ("-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio")
    run(tmp_path, broker, "-m", "pytest", *options, "test_app.py")


@pytest.mark.slow(reason="starts Django's own test runner")
def test_django_project_of_the_page_passes_the_test_of_the_page(tmp_path: Path, broker: Broker) -> None:
    pytest.importorskip("django")
    run(tmp_path, broker, "-m", "django", "startproject", "shop", ".")
    run(tmp_path, broker, "manage.py", "startapp", "orders")
    extend_files("django.md", tmp_path)
    write_files("django.md", tmp_path)
    run(tmp_path, broker, "manage.py", "test")


def test_cron_script_sends_its_report_or_says_why_not(tmp_path: Path, broker: Broker) -> None:
    write_files("daemons.md", tmp_path)
    run(tmp_path, broker, "report.py")
    assert broker.depth("/queue/reports") == 1
    broker.stop()
    process = start(tmp_path, broker, "report.py")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("report: cannot connect to ")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_daemon_ends_on_sigterm_when_its_handlers_have_ended(tmp_path: Path, broker: Broker) -> None:
    write_files("daemons.md", tmp_path)
    worker = start(tmp_path, broker, "worker.py")
    assert worker.stdout is not None
    with stomp.Client(f"stomp://{broker.host}:{broker.port}") as client:
        client.send("/queue/daemon-orders", "shoes", confirm=True)
        assert worker.stdout.readline() == "processed shoes\n"
        wait_until_caught(worker.pid, signal.SIGTERM)
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, output) == (0, "done\n")
    assert broker.depth("/queue/daemon-orders") == 0
