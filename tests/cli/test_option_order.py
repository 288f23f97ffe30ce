"""Options stand before, between and behind the arguments, in all commands and on all Pythons."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest

from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import Parser, completes, takes_value
from stomp.cli.framework.registry import CLIENT, COMMANDS, Command

#: Tried in this order as the value of an option.
_VALUES = ("77", "7", "name:value", "1,2", "disconnect", "text")
_EVERY = [CLIENT, *COMMANDS]
_PARSERS = {command.title: command.parser() for command in _EVERY}


def value_of(action: argparse.Action) -> str:
    """Any text that an option or argument takes."""
    if action.choices:
        return str(next(choice for choice in action.choices if choice != action.default))
    for text in _VALUES:
        try:
            if action.type is not None:
                action.type(text)  # type: ignore[operator]
        except (argparse.ArgumentTypeError, ValueError):
            continue
        return text
    raise AssertionError(f"no value for {action}")


def words_of(parser: Parser) -> list[str]:
    """As many arguments as the command takes, two for those that take any number."""
    words: list[str] = []
    for action in parser.actions:
        if not action.option_strings:
            many = action.nargs in ("*", "+")
            words += [f"{value_of(action)}{number}" for number in (1, 2)] if many else [value_of(action)]
    return words


def options_of(parser: Parser) -> list[argparse.Action]:
    return [
        action
        for action in parser.actions
        if action.option_strings and not isinstance(action, argparse._HelpAction | argparse._VersionAction)
    ]


def required(parser: Parser, without: argparse.Action | None = None) -> list[str]:
    """The options that the command needs, in one form."""
    return [
        f"{action.option_strings[-1]}={value_of(action)}"
        for action in options_of(parser)
        if action.required and action is not without
    ]


def spellings(action: argparse.Action) -> Iterator[list[str]]:
    """All ways to write an option."""
    for name in action.option_strings:
        if not takes_value(action):
            yield [name]
            if completes(action) == "switch":
                yield [name, "on"]
                yield [f"{name}=on"]
            continue
        value = value_of(action)
        yield [name, value]
        yield [f"{name}={value}"]
        if not name.startswith("--"):
            yield [f"{name}{value}"]


_CASES = [
    pytest.param(command, action, id=f"{command.title} {action.option_strings[-1]}")
    for command in _EVERY
    for action in options_of(_PARSERS[command.title])
]


@pytest.mark.parametrize(("command", "action"), _CASES)
def test_an_option_means_the_same_in_every_place(command: Command, action: argparse.Action) -> None:
    parser = _PARSERS[command.title]
    words, needed = words_of(parser), required(parser, without=action)
    expected: argparse.Namespace | None = None
    for spelling in spellings(action):
        for place in range(len(words) + 1):
            line = [*needed, *words[:place], *spelling, *words[place:]]
            read = parser.read(line)
            if expected is None:
                expected = read
                assert vars(read) != vars(parser.read([*required(parser), *words])) or action.required
            assert vars(read) == vars(expected), line
            if place == len(words):
                continue
            # From `place` on nothing is an option any more.
            line = [*needed, *words[:place], *spelling, "--", *words[place:]]
            assert vars(parser.read(line)) == vars(expected), line


@pytest.mark.parametrize("command", _EVERY, ids=lambda command: command.title)
def test_options_may_be_between_all_arguments(command: Command) -> None:
    parser = _PARSERS[command.title]
    words = words_of(parser)
    exclusive = [group._group_actions for group in parser._mutually_exclusive_groups]
    chosen = [
        action
        for action in options_of(parser)
        if all(action is group[0] for group in exclusive if action in group) or action.required
    ]
    options = [next(spellings(action)) for action in chosen]
    expected = parser.read([*(word for option in options for word in option), *words])
    rest = list(words)
    line: list[str] = []
    for option in options:
        line += [*rest[:1], *option]
        del rest[:1]
    assert vars(parser.read([*line, *rest])) == vars(expected)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.title)
def test_options_may_precede_the_command_name(command: Command) -> None:
    parser = _PARSERS[command.title]
    words = words_of(parser)
    for action in options_of(parser):
        needed = required(parser, without=action)
        expected = parser.read([*needed, *next(spellings(action)), *words])
        for spelling in spellings(action):
            found, rest = registry.find([*spelling, command.name, *needed, *words])
            assert (found, vars(parser.read(rest))) == (command, vars(expected)), spelling


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "send /queue/x --persistent hello",
            {"destination": "/queue/x", "body": "hello", "persistent": True},
        ),
        ("listen D1 -n 1 D2", {"destinations": ["D1", "D2"], "count": 1}),
        ("listen D1 -n1 D2 --json D3", {"destinations": ["D1", "D2", "D3"], "count": 1, "json": True}),
        ("request D --timeout 1 BODY", {"destination": "D", "body": "BODY", "timeout": 1.0}),
        ("move FROM --rate 2 TO", {"source": "FROM", "target": "TO"}),
        ("broker -vv -P 0", {"verbose": 2, "port": 0}),
        ("broker -vvP0", {"verbose": 2, "port": 0}),
        ("send /queue/x -5", {"body": "-5"}),
        ("send -5 /queue/x", {"destination": "-5", "body": "/queue/x"}),
        ("send /queue/x -0.5", {"body": "-0.5", "null": False}),
        ("send -0 /queue/x", {"body": None, "null": True}),
        ("send /queue/x -", {"body": "-"}),
        ("send /queue/x -- -hello", {"body": "-hello"}),
        ("send /queue/x --ttl 5 -- --ttl", {"body": "--ttl", "ttl": 5.0}),
        ("send -- /queue/x --", {"destination": "/queue/x", "body": "--"}),
        ("send -- -- --", {"destination": "--", "body": "--"}),
        ("send /queue/x -W -secret- hello", {"body": "hello", "password": "-secret-"}),
        ("send /queue/x --password=--user hello", {"body": "hello", "password": "--user", "user": None}),
        ("send /queue/x --vhost= =hello", {"body": "=hello", "vhost": ""}),
        ("completion bash -- send -- -x", {"words": ["send", "--", "-x"]}),
    ],
)
def test_command_line_is_parsed_as_expected(line: str, expected: dict[str, Any]) -> None:
    command, rest = registry.find(line.split())
    read = vars(command.parser().read(rest))
    assert {name: read[name] for name in expected} == expected


def test_an_empty_argument_and_one_with_a_space_are_arguments() -> None:
    parser = _PARSERS["stomp send"]
    assert parser.read(["", "", "--persistent"]).destination == ""
    assert parser.read(["/queue/x", "- a list", "--persistent"]).body == "- a list"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("send /queue/x --persistant hello", "unknown option '--persistant'; did you mean '--persistent'?"),
        ("send --persistant=yes /queue/x", "unknown option '--persistant'; did you mean '--persistent'?"),
        ("send /queue/x -y", "unknown option '-y' (to pass an argument that starts with '-', put -- before it"),
        ("broker -vy", "unknown option '-y'"),
        ("request D --timout 1 BODY", "unknown option '--timout'; did you mean '--timeout'?"),
        ("broker --prot 1", "unknown option '--prot'; did you mean '--port'?"),
        ("--hots x", "unknown option '--hots'; did you mean '--host'?"),
        ("--count", "unknown option '--count'"),
        ("sned /queue/x hello", "unknown command 'sned'; did you mean 'send'?"),
        ("word", "unknown command 'word'"),
        ("frwrd /queue/x /queue/y --to-url stomp://b", "unknown command 'frwrd'"),
        ("bnech --only latency", "unknown command 'bnech'; did you mean 'bench'?"),
        ("context slect prod", "invalid choice: 'slect'; did you mean 'select'?"),
        ("context frobnicate", "invalid choice: 'frobnicate'; use add, ls, show, select, rm or edit"),
        ("broker --dialect rabitmq", "--dialect: invalid choice: 'rabitmq'; did you mean 'rabbitmq'?"),
        ("context add prod stomp://me:secret@b", "there is a URL among the arguments (give it with --url"),
        ("queues http://me:secret@b", "there is a URL among the arguments (give it with --page-url"),
        ("man stomp://me:secret@b", "there is a URL among the arguments (see stomp man"),
        ("send /queue/x hello stomp://me:secret@b", "there is a URL among the arguments (give it with --url"),
        ("send /queue/x hello again", "unexpected argument 'again'"),
        ("send", "the following arguments are required: DEST"),
        ("send /queue/x -P", "-P needs a value"),
        ("send /queue/x --user --password x", "--user needs a value; for the value '--password' write --user="),
        ("send /queue/x --persistent=yes", "--persistent takes no value"),
        ("send /queue/x --lines --jsonl", "not allowed with"),
    ],
)  # fmt: skip
def test_wrong_usage_names_the_option(line: str, words: str) -> None:
    command, rest = registry.find(line.split())
    with pytest.raises(CommandError) as caught:
        command.parser().read(rest)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith(f"see {command.title} --help)")
