"""The command lines in the documentation can be typed."""

from __future__ import annotations

import contextlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from stomp.cli.config import options
from stomp.cli.framework import registry
from stomp.cli.shell import command_table
from tests.documents import ROOT, blocks

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_COMMAND = re.compile(r"(?:^|[|(] ?)(?:\$ |\.venv/bin/)?(stomp(?: [^|\n)]*)?)", re.MULTILINE)


def command_lines(page: Path) -> list[str]:
    """The commands of a page: in blocks without a language, or of text, and between backticks."""
    texts = [text for _, text in blocks(page, "text", "console", "sh")]
    texts += re.findall(r"^```\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    texts += re.findall(r"`(stomp [^`\n]*)`", page.read_text())
    return [line for text in texts for line in _COMMAND.findall(text)]


LINES = [
    pytest.param(line, id=f"{page.stem}: {line}")
    for page in PAGES
    # The reference is made from the parsers, and the recipes are run: see test_manual and test_scripts.
    if page.name != "command-line-scripts.md"
    and (page.name != "command-line.md" or page.parent.name != "reference")
    for line in command_lines(page)
]


@pytest.mark.parametrize("line", LINES)
def test_documented_command_line_is_valid(line: str) -> None:
    # In eval "$(stomp ...)" the line ends within quotes.
    words = shlex.split(line.rstrip('")') if line.count('"') % 2 else line, comments=True)[1:]
    command, rest = registry.find(words)
    if len(words) < 2 or words[:2] == ["broker", "listening"]:
        return  # a name only, or what is printed
    with contextlib.suppress(SystemExit):  # --help and --version
        command.parser().read(rest)


def test_documentation_has_command_lines() -> None:
    assert len(LINES) > 10


def test_script_in_the_guide_has_valid_commands() -> None:
    [script] = [
        text
        for _, text in blocks(ROOT / "docs/howto/command-line.md", "text")
        if text.startswith("# orders.stomp")
    ]
    for line in script.splitlines()[1:]:
        assert line.split()[0] in command_table.BY_NAME


def test_context_in_the_guide_equals_that_of_the_manual() -> None:
    [(_, text)] = blocks(ROOT / "docs/howto/command-line.md", "toml")
    for context in tomllib.loads(text).values():
        if isinstance(context, dict):
            assert context.keys() <= options.KEYS.keys()
