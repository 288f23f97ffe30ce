"""The table of what can be typed."""

from __future__ import annotations

import re

import pytest

from stomp.cli.shell.command_table import VERBS, ShellCommand

KINDS = {"destination", "subscribed", "ack-id", "subscription", "file", "verb"}


def test_commands_are_those_of_stomp_py() -> None:
    expected = (
        "EOF abort ack begin commit exit help nack quit rollback run send sendfile sendrec sendreply stats subscribe "
        "unsubscribe ver version"
    )
    assert [verb.name for verb in VERBS] == expected.split()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_command_help_describes_its_parameters(verb: ShellCommand) -> None:
    parameters = re.findall(r"[<[]([^>\]]+)[>\]]", verb.usage)
    explained = [name for name, _ in (*verb.required, *verb.optional)]
    # What the documentation of stomp.py does not explain needs no explanation.
    assert explained == ([] if verb.name in ("run", "stats") else parameters)
    assert verb.description
    assert len(verb.completes) <= max(1, len(parameters))
    assert all(kind in KINDS or "|" in kind for kind in verb.completes)
