import subprocess
import sys

import pytest

import stomp
from stomp.__main__ import main


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{stomp.__version__}\n"


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), ([], 1), (["nonsense"], 1)])
def test_usage(capsys, arguments, status):
    assert main(arguments) == status
    assert "usage: stomp broker" in "".join(capsys.readouterr())


def test_as_a_module():
    answer = subprocess.run(
        [sys.executable, "-m", "stomp", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"{stomp.__version__}\n"
