"""Documents that run: the Python of a page is executed from top to bottom, and prints what the page says it prints.

In a page, ```python is code, all of it in one namespace, and ```output is what was printed below the output before.
Only where the brokers are is replaced.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import stomp
from tests.printed import Printed

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *kinds: str) -> list[tuple[str, str]]:
    """The code blocks of a page that are of these kinds."""
    return [(kind, text) for kind, text in _BLOCK.findall(page.read_text()) if kind in kinds]


def run_page(page: Path, addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a page, check its outputs, and disconnect what it leaves; returns what it printed.

    Args:
        page: the Markdown file.
        addresses: what to replace in the code.
        monkeypatch: is used for standard output.
    """
    printed = Printed()
    monkeypatch.setattr("sys.stdout", printed)
    names: dict[str, Any] = {"__name__": page.stem}
    try:
        for kind, text in blocks(page, "python", "output"):
            if kind == "python":
                for old, new in addresses.items():
                    text = text.replace(old, new)
                exec(compile(text, page.name, "exec"), names)
                continue
            printed.expect(re.escape(text.rstrip()))
    finally:
        if isinstance(conn := names.get("conn"), stomp.Connection10 | stomp.Connection11):
            conn.disconnect()
    return printed.getvalue()
