"""Names in `stomp.__main__` that programs import; `tests/contract` has the signatures."""

from __future__ import annotations

import importlib

import pytest

from stomp.cli.shell import stomppy_names

main = importlib.import_module("stomp.__main__")


def test_names_are_imported_on_access() -> None:
    assert main.StompCLI is stomppy_names.StompCLI
    assert main.heartbeat_pattern.match("10,20")
    with pytest.raises(AttributeError, match="nothing"):
        main.nothing  # noqa: B018


def test_do_nothing_loop_sleeps_until_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        stomppy_names.do_nothing_loop()
    assert len(slept) == 3
