"""Completion: what the command answers, and what the shells make of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pexpect
import pytest

from stomp.cli import app
from stomp.cli.commands.completion import SCRIPTS, Candidate, answer_to, line_of
from stomp.cli.config import contexts
from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import CommandError
from tests.cli.running import COMMAND, Command


def words(*typed: str) -> list[str]:
    answer = answer_to(typed)
    assert answer.kind == "words"
    return [candidate.word for candidate in answer.candidates]


def test_commands_are_completed() -> None:
    assert words("") == [command.name for command in registry.COMMANDS]
    assert words("bro") == ["broker"]
    assert words("-H", "x", "bro") == ["broker"]
    assert words("--ssl", "bro") == ["broker"]


def test_options_are_completed() -> None:
    assert words("--ho") == ["--host"]
    assert "-H" in words("-")
    assert "--stomp" not in words("--s")
    assert words("broker", "--tls-k") == ["--tls-key"]
    assert words("-H", "x", "broker", "--tls-k") == ["--tls-key"]


def test_option_values_are_completed() -> None:
    assert words("completion", "") == ["bash", "fish", "zsh"]
    assert words("completion", "z") == ["zsh"]
    assert words("completion", "bash", "") == []
    assert words("-H", "") == []


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (["-F", "x"], "files"),
        (["--file", ""], "files"),
        (["--file=x"], "files"),
        (["--fi", "x"], "files"),
        (["--file", "="], "files"),
        (["--file", "=", "x"], "files"),
        (["--save-to", ""], "directories"),
        (["--password-command", ""], "commands"),
        (["broker", "--tls-cert", ""], "words"),
    ],
)
def test_files_and_commands_are_left_to_the_shell(typed: list[str], kind: str) -> None:
    assert answer_to(typed).kind == kind


def test_context_names_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "contexts.toml"
    file.write_text("[home]\n[work]\n")
    monkeypatch.setattr(contexts, "path", lambda: file)
    assert words("--context", "") == ["home", "work"]
    assert words("--context=w") == ["--context=work"]


def test_invalid_line_has_no_completion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError):
        answer_to(["--p", "broker", "x"])
    assert app.main(["completion", "bash", "--", "--p", "broker", "x"]) == 0
    assert capsys.readouterr() == ("words\n", "")


def test_output_begins_with_the_kind_of_word() -> None:
    candidate = Candidate("a:b", "what it\nis")
    assert line_of(candidate, "bash") == "a:b"
    assert line_of(candidate, "zsh") == "a\\:b:what it is"
    assert line_of(candidate, "fish") == "a:b\twhat it is"
    assert line_of(Candidate("a"), "zsh") == line_of(Candidate("a"), "fish") == "a"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["completion", shell]) == 0
    assert capsys.readouterr().out == SCRIPTS[shell]


def test_unknown_shell_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["completion", "cmd"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("shell", SCRIPTS)
def test_shell_accepts_the_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(SCRIPTS[shell])
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "start"),
    [
        ("bash", ["--norc", "--noprofile"]),
        ("zsh", ["-f"]),
        ("fish", ["--no-config"]),
    ],
)
def test_tab_completes_in_a_real_shell(shell: str, start: list[str], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = Command(tmp_path)
    (tmp_path / "bin").mkdir()
    stomp = tmp_path / "bin" / "stomp"
    stomp.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    stomp.chmod(0o755)
    environ = {**command.environ, "PATH": f"{tmp_path / 'bin'}:{command.environ['PATH']}", "PS1": "$ "}
    child = pexpect.spawn(
        shell, start, env=environ, cwd=str(tmp_path), encoding="utf-8", dimensions=(30, 100)
    )
    try:
        if shell == "fish":
            child.sendline("stomp completion fish | source; echo read''y")
        elif shell == "zsh":
            child.sendline('autoload -Uz compinit; compinit -u; eval "$(stomp completion zsh)"; echo read""y')
        else:
            child.sendline('eval "$(stomp completion bash)"; echo read""y')
        child.expect("ready", timeout=20)
        child.send("echo stomp; stomp brok\t--tls-k\t")
        child.expect("stomp brok.*er.*--tls-k.*ey", timeout=20)
    finally:
        child.close(force=True)
