"""The prompt without the extra, on a real terminal."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from stomp.cli.framework.terminal import Terminal
from stomp.cli.shell import history
from stomp.cli.shell import readline_input as plain_module
from tests.cli.framework.test_terminal import Screen
from tests.cli.running import COMMAND, Command, Console
from tests.cli.shell.test_prompt import send

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")


@pytest.fixture
def plain(command: Command) -> Command:
    """The command where the extra `cli` is not installed."""
    hiding = command.home / "hiding"
    for package in ("prompt_toolkit", "rich"):
        (hiding / package).mkdir(parents=True)
        (hiding / package / "__init__.py").write_text("raise ImportError('it is not installed here')\n")
    command.environ["PYTHONPATH"] = f"{hiding}:{command.environ['PYTHONPATH']}"
    return command


@pytest.fixture
def console(plain: Command) -> Iterator[Console]:
    with plain.console() as running:
        running.wait_for(lambda: running.current == ">", "prompt")
        yield running


def test_typed_line_survives_output(console: Console, plain: Command) -> None:
    console.enter("subscribe /queue/a")
    console.wait("id set to '1'")
    console.press("send /queue/b half a li")
    console.wait("> send /queue/b half a li")
    send(plain, "/queue/a message 1", "/queue/a message 2")
    console.wait("message 2")
    console.wait_for(lambda: console.current == "> send /queue/b half a li", "typed line, whole")
    assert console.text.endswith("message 2\n> send /queue/b half a li")
    console.press("ne\r")
    console.enter("subscribe /queue/b")
    console.wait("\nhalf a line\n")


def test_tab_completes(console: Console) -> None:
    console.press("subsc\t")
    console.wait("> subscribe")
    console.press("/queue/long-name\r")
    console.wait("id set to '1'")
    console.press("send /qu\t")
    console.wait("> send /queue/long-name")
    console.press("hello\r")
    console.wait("\nhello\n")


def test_history_is_saved(console: Console, plain: Command) -> None:
    console.enter("version")
    console.wait("[Protocol version 1.1]")
    console.enter("quit")
    assert console.status() == 0
    assert history.load(history.path({"HOME": str(plain.home)})) == ["version", "quit"]
    with plain.console() as second:
        second.wait_for(lambda: second.current == ">", "prompt")
        second.press("\x1b[A\x1b[A")
        second.wait("> version")


def test_end_of_input_ends_the_client(console: Console) -> None:
    console.press("\x04")
    assert console.status() == 0
    assert "Shutting down, please wait" in console.text


def test_ctrl_c_clears_the_line(console: Console) -> None:
    console.press("wrong\x03")
    console.wait("interrupted; use quit or Ctrl-D to exit")
    console.enter("version")
    console.wait("[Protocol version 1.1]")


def test_big_file_is_sent_while_typing(console: Console, plain: Command) -> None:
    (plain.home / "big").write_bytes(bytes(2 * 1024 * 1024))
    console.enter("sendfile /queue/a big")
    console.enter("version")
    console.wait("[Protocol version 1.1]")


def test_pipe_gets_no_prompt(command: Command) -> None:
    redirected = ["/bin/sh", "-c", f"exec {' '.join(COMMAND)} > output"]
    console = Console(redirected, command.environ, command.home, (30, 100))
    try:
        console.wait_for(lambda: console.current == ">", "prompt")
        console.enter("version")
        console.enter("quit")
        assert console.status() == 0
    finally:
        console.close()
    assert (command.home / "output").read_text().endswith("[Protocol version 1.1]\n")
    assert ">" not in (command.home / "output").read_text()


def test_reader_returns_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: what arrives from another thread while a line is typed."""
    out, err = Screen(), io.StringIO()
    cli = SimpleNamespace(
        terminal=Terminal(out, err, environ={}), prompt="> ", around=contextlib.nullcontext, complete=None
    )

    def typed(prompt: str) -> str:
        def arrive() -> None:
            with cli.output_context():
                cli.terminal.put("message\n")

        thread = threading.Thread(target=arrive)
        thread.start()
        thread.join(10)
        return "a line"

    monkeypatch.setattr("builtins.input", typed)
    with plain_module.TerminalReader(cli, tmp_path / "history") as reader:  # type: ignore[arg-type]
        assert reader.read() == "a line"
        with cli.output_context():  # of this thread, which types nothing now
            cli.terminal.put("answer\n")
    assert out.getvalue() == "\r\33[Kmessage\n> answer\n"
    assert history.load(tmp_path / "history") == ["a line"]


def test_reader_reads_a_pipe() -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"one\n\xff"))
    with plain_module.PipeReader(stream) as reader:
        assert [reader.read(), reader.read()] == ["one\n", "\udcff"]
        with pytest.raises(EOFError):
            reader.read()
