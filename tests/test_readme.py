"""The examples of the README run."""

from __future__ import annotations

import re

import pytest

from stomp.broker import Broker
from tests.documents import ROOT, run_page

README = ROOT / "README.md"


def test_quick_start_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with Broker() as broker:
        here = {
            '"localhost", 61613': f'"{broker.host}", {broker.port}',
            "localhost:61613": f"{broker.host}:{broker.port}",
        }
        printed = run_page(README, here, monkeypatch)
    assert printed == 'received a message "hello world"\ntwo pairs of shoes\n'


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    verbs = re.findall(r"\bmake (\w+)", README.read_text())
    assert verbs
    for verb in verbs:
        assert f"\n{verb}:" in makefile


def test_links_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
