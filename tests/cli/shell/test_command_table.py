"""The table of what can be typed."""

from __future__ import annotations

import re

import pytest

from stomp.cli.shell.command_table import SHELL_COMMANDS, ShellCommand

KINDS = {"destination", "subscribed", "ack-id", "subscription", "file", "command"}


def test_commands_are_those_of_stomp_py() -> None:
    expected = (
        "EOF abort ack begin commit exit help nack quit rollback run send sendfile sendrec sendreply stats subscribe "
        "unsubscribe ver version"
    )
    assert [command.name for command in SHELL_COMMANDS] == expected.split()


@pytest.mark.parametrize("command", SHELL_COMMANDS, ids=lambda command: command.name)
def test_command_help_describes_its_parameters(command: ShellCommand) -> None:
    parameters = re.findall(r"[<[]([^>\]]+)[>\]]", command.usage)
    explained = [name for name, _ in (*command.required, *command.optional)]
    # What the documentation of stomp.py does not explain needs no explanation.
    assert explained == ([] if command.name in ("run", "stats") else parameters)
    assert command.description
    assert len(command.completes) <= max(1, len(parameters))
    assert all(kind in KINDS or "|" in kind for kind in command.completes)
