"""The hook for PyInstaller names all modules for an application, including those imported by a name from a table.

`tests/packaging/test_pyinstaller.py` builds an application.
"""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

import stomp
from stomp.__pyinstaller import get_hook_dirs, hidden_imports
from stomp.cli.framework import registry
from tests.documents import ROOT


def test_pyinstaller_is_given_the_modules_of_all_commands() -> None:
    assert {command.module for command in (registry.CLIENT, *registry.COMMANDS)} <= set(hidden_imports())


def test_pyinstaller_is_given_the_modules_of_all_lazy_names() -> None:
    assert {*stomp._HOMES.values(), "stomp.broker.broker", "stomp.testing.relay"} <= set(hidden_imports())


def test_pyinstaller_is_not_given_what_needs_pytest() -> None:
    assert "stomp.testing.pytest_plugin" not in hidden_imports()


def test_pyinstaller_finds_the_hook_by_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pyinstaller40"] == {"hook-dirs": "stomp.__pyinstaller:get_hook_dirs"}
    [folder] = get_hook_dirs()
    hook = runpy.run_path(str(Path(folder) / "hook-stomp.py"))
    assert hook["hiddenimports"] == hidden_imports()
