"""The tutorial about Celery: its module, its worker, its calls and their output."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.documents import ROOT, blocks
from tests.kombu.workers import PATIENCE, Project
from tests.ports import port_of

pytestmark = [
    pytest.mark.slow(reason="starts processes with Celery, which take seconds to import it"),
    pytest.mark.timeout(300),
]


def test_the_tutorial_runs(stomp_broker, tmp_path):
    module, calls, output = (text for _, text in blocks(ROOT / "docs/tutorial/celery.md", "python", "output"))
    url = f"stomp://admin:password@{stomp_broker.host}:{stomp_broker.port}"
    text = module.replace("stomp://admin:password@localhost:61613", url)
    assert text != module
    (tmp_path / "tasks.py").write_text(text)
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--loglevel", "INFO", "-c", "2"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, env=dict(os.environ)) as worker,
    ):
        try:
            ran = subprocess.run(
                [sys.executable, "-c", calls],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        finally:
            worker.terminate()
    assert ran.stdout == output, ran.stderr + (tmp_path / "log").read_text()


def test_flower_shows_the_worker(url, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = port_of(free)
    with Project(url, tmp_path) as project:
        project.start("solo", "-E")
        project.task("add").delay(1, 1).get(timeout=PATIENCE)
        flower = subprocess.Popen(
            project.celery("flower", "--address=127.0.0.1", f"--port={port}", "--unauthenticated_api"),
            cwd=ROOT,
            env={**project.environment, "FLOWER_UNAUTHENTICATED_API": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline, page = time.monotonic() + PATIENCE, ""
            while "w0@" not in page and time.monotonic() < deadline:
                try:
                    address = f"http://127.0.0.1:{port}/api/workers?refresh=1"
                    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                        page = answer.read().decode()
                except urllib.error.URLError:
                    time.sleep(0.1)  # not started yet
            assert "w0@" in page
        finally:
            flower.kill()
            assert flower.stdout is not None
            words = flower.stdout.read().decode()
            flower.stdout.close()
            flower.wait()
        assert "Traceback" not in words, words
