"""The table of commands, and how a command is found."""

from __future__ import annotations

import pytest

from stomp.cli.framework import registry
from stomp.cli.framework.registry import BY_NAME, CLIENT, COMMANDS


@pytest.mark.parametrize(
    ("arguments", "name", "rest"),
    [
        (["broker"], "broker", []),
        (["broker", "--port", "0"], "broker", ["--port", "0"]),
        (["-H", "h", "broker"], "broker", ["-H", "h"]),
        (["--pass", "broker", "broker", "x"], "broker", ["--pass", "broker", "x"]),
        (["-V", "on", "--ssl", "broker"], "broker", ["-V", "on", "--ssl"]),
        (["-U", "broker"], "", ["-U", "broker"]),
        (["--user", "broker"], "", ["--user", "broker"]),
        (["--user=x", "--", "broker"], "", ["--user=x", "--", "broker"]),
        (["x", "broker"], "", ["x", "broker"]),
        (["-L", "/queue/broker"], "", ["-L", "/queue/broker"]),
        ([], "", []),
    ],
)
def test_command_name_is_found_among_options(arguments: list[str], name: str, rest: list[str]) -> None:
    command, found = registry.find(arguments)
    assert (command.name, found) == (name, rest)


@pytest.mark.parametrize("command", [CLIENT, *COMMANDS], ids=lambda command: command.title)
def test_every_command_has_help(command: registry.Command) -> None:
    help_text = command.parser().format_help()
    assert help_text.startswith(f"Usage: {command.title} [options]")
    assert callable(command.load().run)
    assert not command.summary.endswith(".")


def test_general_help_lists_all_commands() -> None:
    help_text = CLIENT.parser().format_help()
    for name, command in BY_NAME.items():
        assert f"  {name} " in help_text
        assert command.summary in help_text


def test_option_values_are_not_command_names() -> None:
    assert BY_NAME.keys().isdisjoint({"on", "off", "multicast"})
