"""The three ways to start the command."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import stomp
from stomp.__main__ import main

PACKAGE = Path(stomp.__file__).parent
WAYS = [
    [sys.executable, "-m", "stomp"],
    [sys.executable, str(PACKAGE)],
    [str(Path(sysconfig.get_path("scripts")) / "stomp")],
]


def test_version_option_prints_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{stomp.__version__}\n"


@pytest.mark.parametrize("way", WAYS, ids=["module", "folder", "script"])
def test_each_entry_point_runs_the_command(way):
    answer = subprocess.run([*way, "--version"], capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == (f"{stomp.__version__}\n", "")


@pytest.mark.parametrize("way", WAYS, ids=["module", "folder", "script"])
def test_each_entry_point_returns_the_exit_status(way):
    answer = subprocess.run([*way, "--nope"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "stomp: unknown option '--nope' (see stomp --help)\n"
