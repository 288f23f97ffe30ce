"""The API reference has every public name; `make docs` checks its inventory, too."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = DOCS / "reference/api"
_EXTENSION = runpy.run_path(str(DOCS / "_extensions/api_reference.py"))
PUBLIC: tuple[str, ...] = _EXTENSION["PUBLIC"]
CORE: tuple[str, ...] = _EXTENSION["CORE"]


def described() -> set[str]:
    """The full names of all objects with a directive on a page."""
    found = set[str]()
    for page in PAGES.glob("*.md"):
        module = ""
        for directive, name in re.findall(
            r"^\.\. (currentmodule|auto\w+):: ([\w.]+)$", page.read_text(), re.M
        ):
            if directive == "currentmodule":
                module = name
            else:
                found.add(name if name.startswith("stomp.") else f"{module}.{name}")
    return found


@pytest.mark.parametrize("module", PUBLIC)
def test_each_public_class_and_function_is_on_a_page(module: str) -> None:
    listed = described()
    tables = {name for page in PAGES.glob("*.md") for name in re.findall(r"`(\w+)`", page.read_text())}
    found = importlib.import_module(module)
    public = [name for name in found.__all__ if callable(getattr(found, name))]
    missing = []
    for name in public:
        # An alias, such as `Connection`, is in a table beside the name of its class.
        own = f"{module}.{getattr(found, name).__name__}"
        if f"{module}.{name}" not in listed and not (name in tables and own in listed):
            missing.append(name)
    assert missing == []
    assert any(inspect.isclass(getattr(found, name)) for name in public)


def test_each_object_of_the_core_is_on_a_page() -> None:
    assert [name for name in CORE if name not in described()] == []
    for name in CORE:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)
