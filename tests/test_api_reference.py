"""The API reference has every public name; `make docs` checks its inventory, too."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parent.parent / "docs/reference/api"


@pytest.mark.parametrize("module", ["stomp", "stomp.broker", "stomp.testing"])
def test_each_public_class_and_function_is_on_a_page(module: str) -> None:
    listed = set[str]()
    for page in PAGES.glob("*.md"):
        text = page.read_text()
        listed.update(re.findall(r"^\.\. auto\w+:: (?:stomp\.)?([\w.]+)$", text, re.M))
        listed.update(re.findall(r"`(\w+)`", text))
    found = importlib.import_module(module)
    public = [name for name in found.__all__ if callable(getattr(found, name))]
    assert [name for name in public if name not in listed] == []
    assert any(inspect.isclass(getattr(found, name)) for name in public)
