"""The way in and the way out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from stomp.broker import Broker
from stomp.cli import app
from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import CommandError, Status
from stomp.core.errors import ConnectFailed
from tests.test_house import foreign, loaded_by

BUG = "(this is a bug; --debug shows the traceback)"


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes `stomp play` a command that runs the given function."""

    def play(action: Any) -> None:
        module = SimpleNamespace(configure=lambda parser: None, run=lambda args, terminal: action(terminal))
        command = registry.Command("play", "Play", "none")
        monkeypatch.setattr(registry.Command, "load", lambda self: module)
        monkeypatch.setitem(registry.BY_NAME, "play", command)

    return play


def raising(error: BaseException) -> Any:
    def action(terminal: Any) -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (CommandError("no", hint="say yes"), 1, "stomp play: no (say yes)\n"),
        (ConnectFailed("refused"), 3, "stomp play: refused\n"),
        (CommandError("a\n\x1b[2Jb"), 1, "stomp play: a \\x1b[2Jb\n"),
        (IsADirectoryError(21, "Is a directory", "/tmp"), 1, "stomp play: /tmp: Is a directory\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
        (ZeroDivisionError("x"), 1, f"stomp play: unexpected ZeroDivisionError: x {BUG}\n"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(
    play: Any, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    play(raising(error))
    assert app.main(["play"]) == status
    assert capsys.readouterr() == ("", message)


def test_process_exits_with_the_status_of_the_command(play: Any) -> None:
    play(lambda terminal: Status.REFUSED)
    assert app.main(["play"]) == 2


def test_sigterm_ends_a_command_as_ctrl_c_does(play: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def action(terminal: Any) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    play(action)
    assert app.main(["play"]) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_main_runs_in_any_thread(play: Any) -> None:
    play(lambda terminal: 0)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(app.main(["play"])))
    thread.start()
    thread.join(10)
    assert answers == [0]


def test_debug_shows_the_traceback() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "stomp", "--debug", "-S", "9.9"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("Traceback")
    assert "\nstomp: unknown protocol '9.9'" in answer.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_closed_pipe_ends_without_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        answer = subprocess.run(
            [sys.executable, "-m", "stomp", "--help"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_version_imports_no_network_module() -> None:
    loaded = loaded_by("from stomp.__main__ import main; main(['--version'])")
    assert foreign(loaded) == set()
    assert loaded.isdisjoint({"argparse", "re", "enum", "socket", "ssl", "asyncio", "logging", "dataclasses"})


def test_help_imports_no_network_module() -> None:
    loaded = loaded_by("from stomp.__main__ import main; main(['--help'])")
    assert foreign(loaded) == set()
    assert loaded.isdisjoint({"ssl", "asyncio", "tomllib", "getpass", "subprocess", "json"})


def test_send_imports_only_what_it_needs(broker: Broker) -> None:
    words = [
        "send",
        "-H",
        "127.0.0.1",
        "-P",
        str(broker.port),
        "-U",
        "admin",
        "-W",
        "password",
        "/queue/a",
        "x",
    ]
    loaded = loaded_by(f"from stomp.__main__ import main; assert main({words!r}) == 0")
    assert foreign(loaded) == set()
    assert "stomp.client.sync.client" in loaded
    others_need = {
        "asyncio",
        "ssl",
        "uuid",
        "random",
        "queue",
        "zlib",
        "json",
        "tomllib",
    }
    others_need |= {"pathlib", "urllib.parse", "subprocess", "getpass", "stomp.net.tls", "stomp.net.proxy"}
    others_need -= loaded_by("import logging")  # which needs pathlib since Python 3.15
    assert loaded.isdisjoint(others_need | {"stomp.transport", "stomp.client.aio.client", "stomp.broker"})
