"""The fixtures for pytest, in a pytest of their own. What docs/howto/testing.md says is run here."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.documents import ROOT, blocks

#: Without the entry point, which is there where the package is installed anew.
PLUGIN = ["-p", "no:stompkit", "-p", "stomp.testing.pytest_plugin"]


def run(folder: Path, test: str, *options: str) -> str:
    """Run pytest on the text of a test module; returns what it said."""
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr


def test_examples_of_the_testing_page_pass(tmp_path: Path) -> None:
    text = "\n".join(code for _, code in blocks(ROOT / "docs/howto/testing.md", "python"))
    output = run(tmp_path, text, *PLUGIN)
    assert "4 passed" in output, output


def test_each_test_gets_a_new_broker(tmp_path: Path) -> None:
    text = """
import pytest

ports = []

@pytest.mark.parametrize("number", [1, 2])
def test_it(stomp_broker, stomp_relay, stomp_server, number):
    assert stomp_relay.target_port == stomp_broker.port
    assert stomp_broker.destinations() == {}
    ports.append(stomp_broker)
    if number == 2:
        assert ports[0] is not ports[1]
        with pytest.raises(Exception, match="stopped"):
            ports[0].depth("/queue/a")
"""
    output = run(tmp_path, text, *PLUGIN)
    assert "2 passed" in output, output


def test_fixtures_are_listed_with_descriptions(tmp_path: Path) -> None:
    output = run(tmp_path, "", *PLUGIN, "--fixtures")
    for name in ("stomp_broker", "stomp_relay", "stomp_server"):
        assert f"\n{name} -- " in output, output
    assert "no docstring" not in output
    assert "@pytest.mark.stomp_broker(**settings)" in run(tmp_path, "", *PLUGIN, "--markers")


def test_unused_plugin_imports_little(tmp_path: Path) -> None:
    text = """
import sys

def test_it():
    names = {name.removeprefix("stomp.") for name in sys.modules if name.partition(".")[0] == "stomp"}
    ours = {"stomp", "_installation", "_version", "classic", "classic.module_aliases"}
    assert names <= {*ours, "testing", "testing.pytest_plugin"}
    assert "asyncio" not in sys.modules
    assert "ssl" not in sys.modules
"""
    output = run(tmp_path, text, *PLUGIN)
    assert "1 passed" in output, output


def test_installed_plugin_is_found_by_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"stompkit": "stomp.testing.pytest_plugin"}


@pytest.mark.parametrize("name", ["Relay", "SessionPair", "FakeClock", "frame_cuts"])
def test_testing_package_exports_its_names(name: str) -> None:
    import stomp.testing

    assert getattr(stomp.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = stomp.testing.nothing  # type: ignore[attr-defined]
