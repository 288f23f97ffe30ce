"""`stomp help`."""

from __future__ import annotations

import re
import shlex

import pytest

from stomp.cli.app import main
from stomp.cli.framework import registry


@pytest.mark.parametrize("name", list(registry.BY_NAME))
def test_help_of_a_command_is_that_of_its_option(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["help", name]) == 0
    by_name = capfd.readouterr().out
    assert main([name, "--help"]) == 0
    assert by_name == capfd.readouterr().out != ""


def examples() -> list[str]:
    """The example lines in the help of all commands, without line continuations."""
    lines: list[str] = []
    for command in (registry.CLIENT, *registry.COMMANDS):
        found = (command.parser().epilog or "").partition("Examples:\n")[2].replace("\\\n", "")
        assert found, f"{command.name} has no examples"
        lines += re.findall(r"(?:^|[|(;] ?|until )(stomp [^|;)\n>]*)", found, re.MULTILINE)
        lines += re.findall(r"^ *(stomp [^|;)\n>]*)", found, re.MULTILINE)
    # Two blanks separate an example from its explanation.
    return sorted({line.partition("   ")[0] for line in lines})


@pytest.mark.parametrize("line", examples())
def test_examples_can_be_typed(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command, rest = registry.find(words)
    command.parser().read(rest)


def test_help_without_a_command_lists_the_commands_first(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    text = capfd.readouterr().out
    assert 0 < text.index("Commands (") < text.index("Options:")


def test_help_of_an_unknown_command_suggests_one(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "snd"]) == 1
    assert "unknown command 'snd'; did you mean 'send'?" in capfd.readouterr().err
