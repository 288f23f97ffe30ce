"""`stomp broker` in the registry; `tests/broker/test_command.py` has it as a process."""

from __future__ import annotations

import pytest

from stomp.broker import command
from stomp.cli import app
from stomp.cli.commands import broker
from stomp.cli.framework import registry


def test_options_are_those_of_the_broker_module(monkeypatch: pytest.MonkeyPatch) -> None:
    args = registry.BY_NAME["broker"].parser().read(["-P", "0", "--heartbeat", "1,2"])
    assert (args.port, args.heartbeat) == (0, (1, 2))
    monkeypatch.setattr(command, "run", lambda given: 7 if given is args else 8)
    assert broker.run(args, None) == 7  # type: ignore[arg-type]


def test_help_describes_the_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["broker", "--help"]) == 0
    assert "Not for production" in capsys.readouterr().out
