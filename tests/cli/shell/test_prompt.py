"""The prompt on a real terminal: what is on the screen while somebody types and messages arrive."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from stomp.broker import Broker
from stomp.cli.framework.terminal import Terminal
from stomp.cli.shell import history, prompt
from tests.cli.running import Command, Console

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")


@pytest.fixture
def console(command: Command) -> Iterator[Console]:
    with command.console() as running:
        running.wait_for(lambda: running.current == ">", "prompt")
        yield running


def send(command: Command, *lines: str) -> None:
    """Send messages from another process."""
    ended = command.run(typed="".join(f"sendrec {line}\n" for line in lines))
    assert ended.status == 0, ended.err


def test_messages_are_printed_above_the_input_line(console: Console, command: Command) -> None:
    console.enter("subscribe /queue/a")
    console.wait("id set to '1'")
    console.press("send /queue/b half a li")
    console.wait("> send /queue/b half a li")
    send(command, *(f"/queue/a message number {number}" for number in range(5)))
    console.wait("message number 4")
    console.wait_for(lambda: console.current == "> send /queue/b half a li", "typed line, whole")
    assert console.text.endswith("message number 4\n> send /queue/b half a li")
    console.press("ne\r")
    console.enter("subscribe /queue/b")
    console.wait("\nhalf a line\n")


def test_typed_line_survives_many_messages(console: Console, command: Command) -> None:
    console.enter("subscribe /queue/a")
    console.wait("id set to '1'")
    process = command.start()
    assert process.stdin is not None
    typed = "send /queue/b every letter of this line stays where it is"
    for number, letter in enumerate(typed):
        process.stdin.write(f"send /queue/a m{number}\n")
        process.stdin.flush()
        console.press(letter)
    process.communicate(timeout=20)
    console.wait(f"\nm{len(typed) - 1}\n")
    console.wait_for(lambda: console.current == f"> {typed}", "typed line, whole")


def test_quit_ends_the_prompt(console: Console) -> None:
    console.enter("nope")
    console.wait("Unknown command: nope (type help for the commands)")
    console.enter("quit")
    assert console.status() == 0
    assert console.text.endswith("Shutting down, please wait")


def test_ctrl_d_ends_the_prompt(console: Console) -> None:
    console.press("\x04")
    assert console.status() == 0
    assert "Shutting down, please wait" in console.text


def test_ctrl_c_clears_the_line_only(console: Console) -> None:
    console.press("send /queue/a wrong")
    console.wait("wrong")
    console.press("\x03")
    console.wait("interrupted; use quit or Ctrl-D to exit")
    console.wait_for(lambda: console.current == ">", "empty line")
    console.enter("version")
    console.wait("[Protocol version 1.1]")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 130), (signal.SIGINT, None)])
def test_signals_end_the_prompt(console: Console, number: signal.Signals, status: int | None) -> None:
    console.signal(number)
    if status is None:
        console.wait("interrupted; use quit or Ctrl-D to exit")
        return
    assert console.status() == status


def test_tab_completes_at_the_prompt(console: Console) -> None:
    console.press("subsc\t")
    console.wait("> subscribe")
    console.press("/queue/long-name cli\t")
    console.wait("> subscribe /queue/long-name client")
    console.press("\r")
    console.wait("acknowledge set to 'client'")
    console.press("send /qu\t")
    console.wait("> send /queue/long-name")
    console.press("hello\r")
    console.wait("destination: /queue/long-name\n")
    console.wait("\nhello\n")
    console.press("ack \t")
    console.wait_for(lambda: len(console.current) > len("> ack "), "id that was seen")
    id = console.current.split()[-1]
    assert f"message-id: {id}" in console.text


def test_tab_completes_files(console: Console, command: Command) -> None:
    (command.home / "a-long-name.txt").write_text("x")
    console.press("sendfile /queue/a a-lo\t")
    console.wait("> sendfile /queue/a a-long-name.txt")


def test_history_is_saved(command: Command) -> None:
    with command.console() as first:
        first.wait_for(lambda: first.current == ">", "prompt")
        first.enter("send /queue/a remember me")
        first.enter("quit")
        assert first.status() == 0
    file = history.path({"HOME": str(command.home)})
    assert history.load(file) == ["send /queue/a remember me", "quit"]
    assert os.name != "posix" or file.stat().st_mode & 0o777 == 0o600
    with command.console() as second:
        second.wait_for(lambda: second.current == ">", "prompt")
        second.press("\x1b[A\x1b[A")
        second.wait("> send /queue/a remember me")


def test_headers_and_json_are_coloured(console: Console, command: Command) -> None:
    console.enter("subscribe /queue/a")
    console.wait("id set to '1'")
    send(command, '/queue/a {"a": [1, true]}')
    console.wait('\n{"a": [1, true]}\n')
    assert "\x1b[36mmessage-id\x1b[0m" in console.raw
    assert '{"a": [1, true]}' not in console.raw


def test_no_color_turns_colours_off(command: Command) -> None:
    command.environ["NO_COLOR"] = "1"
    with command.console("-V") as console:
        console.wait("type help")
        console.enter("subscribe /queue/a")
        console.enter('send /queue/a {"a": 1}')
        console.wait('\n{"a": 1}\n')
        assert '{"a": 1}' in console.raw
        assert "\x1b[36m" not in console.raw
        assert "\x1b[1m" not in console.raw


def test_network_text_is_escaped_on_the_terminal(console: Console, command: Command) -> None:
    console.enter("subscribe /queue/a")
    console.wait("id set to '1'")
    process = command.start()
    process.communicate("sendrec /queue/a before \x1b]0;evil\x07\x1b[2J after\n", timeout=20)
    console.wait("before \\x1b]0;evil\\x07\\x1b[2J after")
    assert "\x1b]0;evil" not in console.raw


def test_sendfile_shows_a_progress_bar(console: Console, command: Command, tmp_path: Path) -> None:
    (command.home / "big").write_bytes(bytes(8 * 1024 * 1024))
    console.enter("sendfile /queue/a big")
    console.enter("version")
    console.wait("[Protocol version 1.1]")
    assert "━" in console.raw
    console.wait_for(lambda: console.text.endswith("[Protocol version 1.1]\n>"), "end of the bar")


def test_lost_connection_is_reported_above_the_input_line(
    console: Console, command: Command, broker: Broker
) -> None:
    console.press("send /queue/a ty")
    console.wait("> send /queue/a ty")
    broker.stop()
    console.wait("lost connection")
    console.wait_for(lambda: console.current == "> send /queue/a ty", "typed line, whole")
    console.press("ped\r")
    console.wait("connection refused")
    with Broker(broker.host, broker.port, users={"admin": "password"}) as again:
        console.enter("sendrec /queue/a typed")
        console.wait("reconnected")
        console.enter("version")
        console.wait("[Protocol version 1.1]")
        assert again.depth("/queue/a") == 1


def test_password_is_prompted(broker: Broker, tmp_path: Path) -> None:
    command = Command(tmp_path)
    place = ("-H", broker.host, "-P", str(broker.port), "-U", "admin", "--ask-password")
    with command.console(*place) as console:
        console.wait(f"Password for admin at {broker.host}:{broker.port}:")
        console.enter("password")
        console.wait("type help")
        assert "password\n" not in console.text
        console.enter("quit")
        assert console.status() == 0


# ------------------------------------------------------------------------------------- in this process


class Client:
    """What the reader needs of `StompCLI`."""

    def __init__(self) -> None:
        self.terminal = Terminal()
        self.prompt = "> "
        self.stdout: object = None

    def expects(self, line: str) -> str:
        return "file" if line.startswith("run ") else "destination"

    def candidates(self, line: str) -> list[str]:
        return ["/queue/a", "/topic/b"]


def test_prompt_reads_lines(tmp_path: Path) -> None:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        client = Client()
        out = client.terminal.out
        with prompt.PromptReader(client, tmp_path / "history") as reader:  # type: ignore[arg-type]
            assert client.terminal.out is not out
            keys.send_text("first\n")
            assert reader.read() == "first"
            keys.send_text("\x1b[A\n")
            assert reader.read() == "first"
            keys.send_text("\x04")
            with pytest.raises(EOFError):
                reader.read()
        assert client.terminal.out is out
    assert history.load(tmp_path / "history") == ["first"]  # once, however often it is said


def test_completer_completes_words(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    completer = prompt._Completer(Client())  # type: ignore[arg-type]

    def texts(line: str) -> list[str]:
        return [found.text for found in completer.get_completions(Document(line), CompleteEvent())]

    assert texts("send /q") == ["/queue/a "]
    assert texts("send ") == ["/queue/a ", "/topic/b "]
    assert texts(f"run {tmp_path}/a-") == ["file"]
