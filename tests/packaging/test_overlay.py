"""stomp.py installed over stompkit by pip, and the mend that the error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from stomp._installation import MEND
from stomp._version import __version__
from tests.packaging.conftest import Environment

pytestmark = [pytest.mark.index, pytest.mark.timeout(600)]


@pytest.mark.parametrize("version", ["8.2.0", "9.0.0"])
def test_stomp_py_over_stompkit_is_reported_and_the_remedy_works(
    environment: Environment, wheel: Path, version: str
) -> None:
    environment.pip("install", f"stomp.py=={version}")
    damage = f"stomp.py {version} is installed over stompkit {__version__}, in the same folder; run: {MEND}"
    environment.python("import stomp; assert not hasattr(stomp, 'Client')")

    done = environment.run("python", "-c", "import stomp.broker", check=False)
    assert done.stderr.splitlines()[-1] == f"ImportError: {damage}"
    done = environment.run("stompkit", "doctor", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"stomp: {damage}\n")

    uninstall, install = (command.split() for command in MEND.split("; then: "))
    assert [*uninstall, *install][::3] == ["pip", "pip", "--no-deps"]
    environment.pip(*uninstall[1:], "--yes")
    done = environment.run("stompkit", "--version", check=False)
    assert "files of stompkit" in done.stderr
    environment.pip(*(str(wheel) if word == "stompkit" else word for word in install[1:]))
    environment.python("import stomp, stomp.broker; assert stomp.Client")
    assert environment.run("stomp", "--version").stdout == f"{__version__}\n"


def test_doctor_warns_of_stomp_py_under_stompkit(environment: Environment, wheel: Path) -> None:
    environment.pip("install", "stomp.py==8.2.0")
    environment.pip("install", "--force-reinstall", "--no-index", wheel)
    # Nothing answers on port 9; what is examined before does not depend on it.
    done = environment.run("stomp", "doctor", "stomp://127.0.0.1:9", check=False)
    assert f"stompkit {__version__} and stomp.py 8.2.0 are both installed" in done.stdout
    assert MEND in done.stdout
