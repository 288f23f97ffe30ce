"""stomp.py installed over stompkit: pip writes both into the folder `stomp`, and `pip check` reports no problem.

The tests here build the result of such an installation by hand; `tests/shim` uses pip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from stomp._installation import damage
from stomp._version import __version__
from tests.documents import ROOT

MEND = "pip uninstall stomp.py; then: pip install --force-reinstall --no-deps stompkit"
#: The files that both stomp.py 8.2.0 and 9.0.0 have in the folder.
OVERWRITTEN = [
    "__init__.py",
    "__main__.py",
    "adapter/__init__.py",
    "adapter/multicast.py",
    "adapter/ws.py",
    "backward.py",
    "colours.py",
    "connect.py",
    "constants.py",
    "exception.py",
    "listener.py",
    "log.py",
    "protocol.py",
    "transport.py",
    "utils.py",
]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages folder with a copy of stompkit."""
    shutil.copytree(ROOT / "src/stomp", tmp_path / "stomp", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture(params=["overwritten", "removed"])
def damaged(request: pytest.FixtureRequest, site: Path) -> Path:
    """The folder after `pip install stomp.py`, or also after `pip uninstall stomp.py`."""
    for name in OVERWRITTEN:
        if request.param == "removed":
            (site / "stomp" / name).unlink()
        else:
            (site / "stomp" / name).write_text("")
    if request.param == "overwritten":
        (site / "stomp/__init__.py").write_text('__version__ = "8.2.0"\n')
    return site


def distribution(site: Path, name: str, version: str, *files: str) -> None:
    """Write the metadata of a distribution, as pip does."""
    info = site / f"{name.replace('.', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in [*files, f"{info.name}/METADATA"]))


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this folder before all others on sys.path, and without the stompkit under test."""
    others = sysconfig.get_path("purelib")
    return subprocess.run(
        # -S: Python does not read the *.pth file of an editable installation.
        [sys.executable, "-S", *arguments],
        env={
            "PYTHONPATH": os.pathsep.join([str(site), others]),
            "PATH": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # other plugins take time to import
        },
        cwd=site,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import stomp.broker",
        "from stomp.testing import Relay",
        "from stomp.testing import FakeClock",
        "import stomp.client.sync.client",
        "import stomp.core.frames.frame",
    ],
)
def test_remaining_files_report_the_damage_and_the_remedy(damaged: Path, statement: str) -> None:
    done = python(damaged, "-c", statement)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError: ")
    assert f"stompkit {__version__}" in last
    assert last.endswith(MEND)


def test_the_error_names_the_stomp_py_that_overwrote_stompkit(site: Path) -> None:
    (site / "stomp/__init__.py").write_text('__version__ = "8.2.0"\n')
    done = python(site, "-c", "import stomp.broker")
    assert f"stomp.py 8.2.0 is installed over stompkit {__version__}" in done.stderr


def test_the_error_names_a_stomp_py_with_a_tuple_as_version(site: Path) -> None:
    (site / "stomp/__init__.py").write_text("__version__ = (4, 1, 22)\n")
    done = python(site, "-c", "import stomp.broker")
    assert f"stomp.py 4.1.22 is installed over stompkit {__version__}" in done.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["doctor"], ["send", "/queue/a", "hello"], []])
def test_command_reports_the_damage_and_the_remedy(damaged: Path, arguments: list[str]) -> None:
    program = "import sys; from stomp.cli.app import main; sys.exit(main())"
    done = python(damaged, "-c", program, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("stomp: ")
    assert line.endswith(MEND)


def test_the_command_has_a_second_name_that_stomp_py_does_not_overwrite() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["stompkit"] == "stomp.cli.app:main"


@pytest.mark.slow(reason="starts pytest")
def test_pytest_fixtures_fail_with_the_remedy(damaged: Path) -> None:
    (damaged / "test_it.py").write_text(
        "def test_it(stomp_broker): pass\n\ndef test_that(stomp_server): pass\n\ndef test_without(): pass\n"
    )
    done = python(damaged, "-m", "pytest", "-p", "stomp.testing.pytest_plugin", "test_it.py")
    # A test suite that does not use the fixtures still runs: it may belong to a program that needs stomp.py.
    assert "1 passed, 2 errors" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count(f"ImportError: {damage_of(damaged)}") == 2


def test_the_header_of_pytest_names_the_damage(damaged: Path) -> None:
    (damaged / "test_it.py").write_text("def test_it(): pass\n")
    done = python(damaged, "-m", "pytest", "-p", "stomp.testing.pytest_plugin", "test_it.py")
    assert f"\nstompkit: {damage_of(damaged)}\n" in done.stdout
    assert done.returncode == 0


def damage_of(site: Path) -> str:
    done = python(site, "-c", "from stomp._installation import damage; print(damage())")
    assert MEND in done.stdout
    return done.stdout.strip()


def test_complete_installation_has_no_damage(site: Path) -> None:
    assert damage() == ""
    done = python(
        site,
        "-c",
        "import stomp.broker, stomp.testing; from stomp._installation import damage; print([damage()])",
    )
    assert done.stdout == "['']\n"


class TestDoctor:
    """`stomp doctor` names the distributions that own the folder."""

    def examine(self, site: Path) -> str:
        distribution(site, "stompkit", "9.1.0")
        # Port 9 refuses connections: this check needs no broker.
        return python(site, "-m", "stomp", "doctor", "stomp://127.0.0.1:9").stdout

    def test_a_stomp_py_below_stompkit_is_a_warning(self, site: Path) -> None:
        distribution(site, "stomp.py", "8.2.0", "stomp/__init__.py")
        report = self.examine(site)
        assert "warn  packages    stompkit 9.1.0 and stomp.py 8.2.0 are both installed in" in report
        assert f"remedy: {MEND}" in report

    def test_the_shim_is_in_order(self, site: Path) -> None:
        distribution(site, "stomp.py", "9.1.0")
        report = self.examine(site)
        assert "ok    packages    stompkit 9.1.0, and stomp.py 9.1.0 as a shim without files" in report

    def test_stompkit_alone_reports_nothing(self, site: Path) -> None:
        report = self.examine(site)
        assert "packages" not in report
