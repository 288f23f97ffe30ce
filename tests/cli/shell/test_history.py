"""Lines that were typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stomp.cli.shell import history


def test_path_follows_xdg_state_home() -> None:
    home = {"HOME": "/home/me"}
    assert history.path(home) == Path("/home/me/.local/state/stomp/history")
    assert history.path({**home, "XDG_STATE_HOME": "/state"}) == Path("/state/stomp/history")
    assert history.path({**home, "XDG_STATE_HOME": "state"}) == history.path(home)


def test_lines_are_saved(tmp_path: Path) -> None:
    file = tmp_path / "a" / "history"
    assert history.load(file) == []
    history.append(file, "send /queue/a é")
    history.append(file, "two\nlines")
    assert history.load(file) == ["send /queue/a é", "two lines"]


@pytest.mark.skipif(os.name != "posix", reason="there are no such rights elsewhere")
def test_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.touch(0o644)
    history.append(file, "x")
    assert file.stat().st_mode & 0o777 == 0o600


def test_only_the_last_lines_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MAX_LINES", 2)
    for line in "abc":
        history.append(tmp_path / "history", line)
    assert history.load(tmp_path / "history") == ["b", "c"]


def test_unwritable_history_is_no_error(tmp_path: Path) -> None:
    history.append(tmp_path, "a folder")
    assert history.load(tmp_path) == []
