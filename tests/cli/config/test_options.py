"""The options of the connection are the keys of a context."""

from __future__ import annotations

from stomp.cli.config import options
from stomp.cli.framework import registry


def test_every_option_is_a_key() -> None:
    shown = {
        name.lstrip("-")
        for group in registry.CLIENT.parser()._action_groups
        if group.title == "Connection"
        for action in group._group_actions
        for name in action.option_strings
        if name.startswith("--")
    }
    other_names = {"stomp", "login", "passcode", "heartbeat"}
    assert shown == {*options.KEYS, *other_names, "context", "debug"}


def test_other_names_are_accepted_and_not_shown() -> None:
    parser = registry.CLIENT.parser()
    args = parser.read(["--login", "me", "--passcode", "secret", "--heartbeat", "1,2"])
    assert (args.user, args.password, args.heartbeats) == ("me", "secret", "1,2")
    assert parser.read(["--pass", "secret"]).password == "secret"
    assert not any(name in parser.format_help() for name in ("--login", "--passcode", "--heartbeat "))


def test_short_options_are_those_of_stomp_py() -> None:
    short = {row.names[0] for row in options.OPTIONS if not row.names[0].startswith("--")}
    assert short == {"-H", "-P", "-U", "-W", "-S"}
