"""The traced paths of docs/explanation/architecture.md: each function exists, and its path calls it in this order."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import path_recorder

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "stomp"
#: Heading of the page -> path of `tests.path_recorder`.
HEADINGS = {
    "Send": "send",
    "Receive": "receive",
    "Lost heart-beat": "heartbeat",
    "Confirmed send over a lost connection": "confirmed",
}
ROW = re.compile(r"^\| `([\w.]+)` \| `([\w./]+\.py)` \|", re.MULTILINE)


def traced(heading: str) -> list[tuple[str, str]]:
    """The (file, function) rows of a section of the page."""
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"\n### {heading}\n")[2]
    section = re.split(r"^##", section, maxsplit=1, flags=re.MULTILINE)[0]
    return [(file, function) for function, file in ROW.findall(section)]


def functions_of(file: Path) -> set[str]:
    """The qualified names of the functions of a file."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else []
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for each in inner or [node]:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + each.name)
    return found


@pytest.mark.parametrize("heading", HEADINGS)
def test_functions_of_a_traced_path_exist(heading: str) -> None:
    rows = traced(heading)
    assert len(rows) >= 8
    missing = [(file, name) for file, name in rows if name not in functions_of(PACKAGE / file)]
    assert missing == []


@pytest.mark.parametrize("heading", HEADINGS)
def test_functions_of_a_traced_path_are_called_in_order(heading: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.path_recorder", HEADINGS[heading]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        # The page shows the codec in Python.
        env={**os.environ, "STOMPKIT_NATIVE": "0"},
    )
    assert done.returncode == 0, done.stderr
    calls = json.loads(done.stdout.splitlines()[-1])
    threads = {(file, function): thread for file, function, thread in calls}
    rows = traced(heading)
    assert [row for row in rows if row not in threads] == []
    order = list(threads)
    for thread in set(threads.values()):
        mine = [row for row in rows if threads[row] == thread]
        assert sorted(mine, key=order.index) == mine


def test_every_recorded_path_is_on_the_page() -> None:
    assert set(HEADINGS.values()) == set(path_recorder.PATHS)
