"""The manual page and the reference: they are made from the registry, and are up to date."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from stomp.cli import app
from stomp.cli.commands import man
from stomp.cli.config import options
from stomp.cli.framework import parser, registry
from stomp.cli.framework.exit_status import Status
from stomp.cli.shell import command_table
from tests.documents import ROOT

PAGES = {
    "docs/man/stomp.1": (man.roff, "stomp man > docs/man/stomp.1"),
    "docs/reference/command-line.md": (
        man.markdown,
        "stomp man --markdown > docs/reference/command-line.md",
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_committed_pages_are_up_to_date(name: str) -> None:
    make, command = PAGES[name]
    assert (ROOT / name).read_text() == make(), f"make it again: {command}"


@pytest.mark.parametrize("make", [man.roff, man.markdown])
def test_page_has_every_command_and_option(make: object) -> None:
    page = make().replace("\\-", "-").replace("\\(dq", '"')  # type: ignore[operator]
    for row in options.OPTIONS:
        assert f"--{row.key}" in page
    for command in registry.COMMANDS:
        assert f"{command.title} [options]" in page
        for action in command.parser().actions:
            shown = [name for name in action.option_strings if name not in parser.hidden(action)]
            assert all(name in page for name in shown if name != "-h")
    for entry in command_table.SHELL_COMMANDS:
        assert f"{entry.name} {entry.usage}".strip() in page
    for status in Status:
        assert re.search(rf"(`|\\fB){int(status)}\b", page)
    for variable in ("STOMP_URL", "STOMP_PASSWORD", "STOMP_CONTEXT", "NO_COLOR"):
        assert variable in page


def test_context_example_is_valid(tmp_path: object) -> None:
    import tomllib

    table = tomllib.loads(man._CONTEXT_FILE)
    assert table["default"] in table
    for context in table.values():
        if isinstance(context, dict):
            assert context.keys() <= options.KEYS.keys()


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_roff_has_no_warnings() -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning"],
        input=man.roff(),
        capture_output=True,
        text=True,
        check=False,
    )
    # A page that is rendered again for each release needs no date.
    warnings = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert warnings == []


def test_man_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["man"]) == 0
    assert capsys.readouterr().out == man.roff()
    assert app.main(["man", "--markdown"]) == 0
    assert capsys.readouterr().out == man.markdown()
