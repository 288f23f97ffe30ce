"""Runs the examples of documentation pages and compares their output with the page.

In a page, all ```python blocks run in one namespace, from top to bottom. An ```output block contains the output since
the ```output block before it. Only the addresses of brokers are replaced.
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
    """The code blocks of these kinds in a page."""
    return [(kind, text) for kind, text in _BLOCK.findall(page.read_text()) if kind in kinds]


def run_page(page: Path, addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a page, check its outputs, and close connections that it leaves open; returns the output.

    Args:
        page: the Markdown file.
        addresses: text in the code -> replacement.
        monkeypatch: replaces standard output.
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
