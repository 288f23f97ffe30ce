"""Placeholders in bodies and headers."""

from __future__ import annotations

import re

import pytest

from stomp.cli.framework.exit_status import CommandError
from stomp.cli.messages import templates


def test_placeholders_are_replaced() -> None:
    assert templates.fill("{{count}} {{ count }} {count} {{", 3) == "3 3 {count} {{"
    first, second = templates.fill("{{uuid}} {{uuid}}", 1).split()
    assert first != second
    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert re.fullmatch(r"\d{10}\.\d{3}", templates.fill("{{time}}", 1))
    assert templates.fill("{{iso}}", 1)[10] == "T"
    assert {templates.fill("{{random 1 2}}", 1) for _ in range(100)} == {"1", "2"}


@pytest.mark.parametrize("name", ["", "counter", "random", "random 5 1", "random a b", "count 1"])
def test_unknown_placeholder_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="unknown placeholder"):
        templates.fill(f"{{{{{name}}}}}", 1)


def test_headers_are_filled_too() -> None:
    options = {"headers": {"a": "{{count}}", "b": ("x", "{{count}}")}, "ttl": None}
    assert templates.fill_options(options, 7) == {"headers": {"a": "7", "b": ("x", "7")}, "ttl": None}
