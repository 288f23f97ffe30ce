"""The recipes of the guide run, in their order, and print what the guide says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stomp.broker import Broker
from tests.cli.oneshot import SRC
from tests.documents import ROOT, blocks


@pytest.mark.slow(reason="starts the command many times")
def test_recipes_of_the_guide_work(broker: Broker, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "stomp"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stomp "$@"\n')
    command.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(SRC),
        "STOMP_URL": f"stomp://admin:password@{broker.host}:{broker.port}",
    }
    printed = ""
    for kind, text in blocks(ROOT / "docs/howto/command-line-scripts.md", "sh", "output"):
        if kind == "output":
            # What a program prints need not end with a newline.
            assert printed.rstrip("\n") == text.rstrip("\n")
            printed = ""
            continue
        assert printed == ""
        done = subprocess.run(
            ["sh", "-e"],
            input=text,
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), text
        printed = done.stdout
    assert printed == ""
    assert (tmp_path / "report.txt").read_text().count(" ok ") == 5
