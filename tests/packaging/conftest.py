"""Environments made by pip for tests of what is installed: `make test-packaging`.

They need a package index. Without one they are skipped, or fail if STOMP_REQUIRE_INDEX=1 is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.documents import ROOT


class Environment:
    """A virtual environment without stompkit.

    Args:
        folder: where it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scripts = folder / "bin"
        venv.create(folder, symlinks=True)  # without pip, which takes seconds: ours installs into it

    def run(
        self, *command: str | Path, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, in its folder."""
        return self._run(self.scripts / command[0], *command[1:], check=check, variables=variables)

    def _run(
        self, *command: str | Path, check: bool, variables: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STOMP_"))
        }
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=inherited | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def pip(self, *arguments: str | Path, **variables: str) -> str:
        """Run pip, which must succeed; returns its output. `variables` are added to those of the system."""
        pip = (
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--python",
            self.scripts / "python",
        )
        return self._run(*pip, *arguments, check=True, variables=variables).stdout

    def python(self, code: str, *arguments: str) -> str:
        """Run a program, which must succeed; returns its output."""
        return self.run("python", "-c", code, *arguments).stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of stompkit, built as for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = f"cannot build with pip, is there a package index? {done.stderr}"
        if os.environ.get("STOMP_REQUIRE_INDEX") == "1":
            pytest.fail(words)
        pytest.skip(words)
    [built] = folder.glob("stompkit-*.whl")
    return built


@pytest.fixture
def environment(tmp_path: Path, wheel: Path) -> Environment:
    """An environment with nothing but stompkit."""
    made = Environment(tmp_path / "environment")
    made.pip("install", "--no-index", wheel)
    return made
