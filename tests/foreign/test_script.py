"""`scripts/foreign-clients` and the documentation know the same clients as the tests."""

from __future__ import annotations

import os
import subprocess

from tests.documents import ROOT
from tests.foreign.clients import CLIENTS
from tests.foreign.test_clients import SCRIPT

PAGE = ROOT / "docs/howto/embedded-broker.md"


def script(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *words], env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


def test_script_lists_the_clients_of_the_tests() -> None:
    assert script("list").stdout.split() == [client.name for client in CLIENTS]


def test_missing_tool_is_named(tmp_path) -> None:
    environment = {"FOREIGN_WORK": str(tmp_path), "FOREIGN_PYTHON": "no-such-python"}
    lines = script("missing", **environment).stdout.splitlines()
    assert "stomp.py-9: stomp.py==9.0.0 is not installed; it needs: no-such-python" in lines
    done = script("install", "stomp.py-9", "stompman", **environment)
    assert done.returncode == 1
    assert "stomp.py-9 needs what this machine does not have: no-such-python" in done.stderr
    assert "not installed: stomp.py-9 stompman" in done.stderr
    assert script("command", "stomp.py-9", **environment).returncode == 1


def test_unknown_client_is_an_error() -> None:
    done = script("install", "stomp.rs")
    assert done.returncode == 1
    assert "unknown client: stomp.rs" in done.stderr


def test_page_has_every_client_and_what_it_does_differently() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    for client in CLIENTS:
        (row,) = [row for row in rows if row[0] == client.title]
        assert client.library in row[1].split(", ")
        differs = (
            client.lacks or client.differs or client.got or not client.heartbeats or not client.names_host
        )
        assert (row[2] != "") == bool(differs)
