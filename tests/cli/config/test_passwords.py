"""Passwords that do not stand on the command line."""

from __future__ import annotations

import getpass
import io
from pathlib import Path

import pytest

from stomp.cli.config import passwords
from stomp.cli.framework.exit_status import CommandError


def test_password_is_the_first_line_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" caf\xc3\xa9 \r\nanother line\n")
    assert passwords.from_file(str(file)) == " café "
    monkeypatch.setattr("sys.stdin", io.StringIO("typed\nbody"))
    assert passwords.from_file("-") == "typed"


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothere: No such file"):
        passwords.from_file(str(tmp_path / "nothere"))
    with pytest.raises(CommandError, match="Is a directory"):
        passwords.from_file(str(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(CommandError, match="not UTF-8"):
        passwords.from_file(str(tmp_path / "binary"))


def test_password_is_the_output_of_a_command() -> None:
    assert passwords.from_command("printf 'one two\\nthree'") == "one two"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo secret; exit 3", "failed with exit status 3"),
        ("true", "printed no password"),
        ("printf '\\377'", "UnicodeDecodeError"),
    ],
)
def test_failing_command_is_an_error(command: str, words: str) -> None:
    with pytest.raises(CommandError, match=words) as caught:
        passwords.from_command(command)
    assert "secret" not in str(caught.value)


def test_slow_command_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_COMMAND_TIMEOUT", 0.05)
    with pytest.raises(CommandError, match="TimeoutExpired"):
        passwords.from_command("exec sleep 60")


def test_password_is_prompted_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    monkeypatch.setattr(getpass, "getpass", ask)
    assert passwords.from_keyboard("admin", "localhost:61613") == "typed"
    assert asked == ["Password for admin at localhost:61613: "]


def test_missing_terminal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", no_terminal)
    with pytest.raises(CommandError, match="no terminal"):
        passwords.from_keyboard(None, "x")
