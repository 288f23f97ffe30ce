"""The client as a process: options, scripts, listening, pipes."""

from __future__ import annotations

import io
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from stomp.broker import Broker
from stomp.cli import app
from stomp.cli.shell import command_table
from stomp.cli.shell import main as client
from stomp.cli.shell.shell import StompCLI
from stomp.testing.servers import ScriptedServer, read_frame
from tests.cli.running import PATIENCE, Command


def wait_for_line(stream: object, text: str) -> list[str]:
    """Read lines until one holds the text; the process is stopped by the timeout of the test otherwise."""
    lines: list[str] = []
    for line in stream:  # type: ignore[attr-defined]
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"no {text!r} came: {lines}")


# ------------------------------------------------------------------------------------- pipes


def test_commands_are_read_from_a_pipe(command: Command) -> None:
    ended = command.run(typed="subscribe /queue/a\nsend /queue/a hello  world\nquit\n")
    assert ended.status == 0
    assert ended.err == "Shutting down, please wait\n"
    assert ended.out.startswith("Subscribing to '/queue/a' with acknowledge set to 'auto', id set to '1'\n")


def test_end_of_input_waits_for_messages(command: Command) -> None:
    ended = command.run(typed="subscribe /queue/a\nsend /queue/a last words\n")
    assert ended.status == 0
    assert ended.out.endswith("subscription: 1\n\nlast words\n")


def test_pipe_gets_no_escape_sequences(command: Command) -> None:
    ended = command.run("-V", typed="help\nhelp send\nversion\nnope\nsend /queue/a x\nstats\n")
    assert "\33" not in ended.out + ended.err


def test_errors_go_to_standard_error_and_set_the_status(command: Command) -> None:
    ended = command.run(typed="nope\nversion\n")
    assert ended.status == 1
    assert "Unknown command: nope (type help for the commands)\n" in ended.err
    assert ended.out.endswith("[Protocol version 1.1]\n")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.UTF-8"])
def test_any_bytes_are_printed(command: Command, locale: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "stomp"],
        env={**command.environ, "LANG": locale, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"},
        cwd=command.home,
        input=b"subscribe /queue/a\nsend /queue/a caf\xc3\xa9 \xff\nsend /queue/\xff x\n\xff\n",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert process.stdout.endswith(b"\n\ncaf\xc3\xa9 \xff\n")
    assert process.stderr.startswith(b"a word is not UTF-8\nUnknown command: \\xff")
    assert process.returncode == 1


def test_password_sources_log_in(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password\n")
    place = ("-H", broker.host, "-P", str(broker.port), "-U", "admin")
    command = Command(tmp_path)
    assert command.run(*place, "--password-file", str(tmp_path / "secret")).status == 0
    assert command.run(*place, "--password-command", "cat secret").status == 0
    assert command.run(*place).status == 4
    command.environ["STOMP_PASSWORD"] = "password"
    assert command.run(*place).status == 0


def test_context_connects(broker: Broker, tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "stomp"
    folder.mkdir(parents=True)
    (folder / "contexts.toml").write_text(
        f'[here]\nhost = "{broker.host}"\nport = {broker.port}\nuser = "admin"\npassword-command = "echo password"\n'
    )
    command = Command(tmp_path)
    assert command.run("--context", "here", typed="sendrec /queue/a x\n").status == 0
    command.environ["STOMP_CONTEXT"] = "here"
    assert command.run(typed="sendrec /queue/a x\n").status == 0
    assert broker.depth("/queue/a") == 2


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_protocol_option_sets_the_version(command: Command, version: str) -> None:
    ended = command.run("-S", version, typed="version\n")
    assert ended.out.endswith(f"[Protocol version {version}]\n")


def test_heartbeats_option_is_negotiated(command: Command) -> None:
    ended = command.run("--heartbeats=5000,6000", "-V", typed="")
    assert "\nheart-beat: " in ended.out
    assert "'heart-beat': '5000,6000'" in ended.err


# ------------------------------------------------------------------------------------- scripts

SCRIPT = """\
# every command that there is
help
help send
ver
version
stats on
subscribe /queue/a client-individual
send /queue/a in  the  script
sendrec /queue/a "  with a receipt  "
sendreply /queue/a c-1 reply
sendfile /queue/a data.bin {"kind": "file"}
begin
send /queue/b never
abort
begin
send /queue/b never
rollback
begin
send /queue/b once
commit
run inner
ack
nack
stats
unsubscribe /queue/a
exit
"""


def test_script_may_use_every_command(command: Command, broker: Broker) -> None:
    (command.home / "data.bin").write_bytes(bytes(range(256)))
    (command.home / "inner").write_text("ver\n")
    (command.home / "script").write_text(SCRIPT)
    ended = command.run("-S", "1.0", "-F", "script")
    # The ids of the messages cannot be known beforehand, and 1.0 has no NACK.
    assert ended.err.splitlines() == [
        "script:22: Expecting: ack <message-id>",
        "script:23: STOMP 1.0 has no NACK (start with -S 1.1 or -S 1.2)",
        "Shutting down, please wait",
    ]
    assert ended.status == 1
    for text in (
        "in  the  script",
        "  with a receipt  ",
        "Saved file: ",
        "Aborted",
        "Committing",
        "Messages sent:",
    ):
        assert text in ended.out
    assert broker.depth("/queue/b") == 1
    used = {line.split()[0] for line in SCRIPT.splitlines()}
    assert {command.name for command in command_table.SHELL_COMMANDS} - used == {"EOF", "quit"}


@pytest.mark.parametrize("word", ["quit", "exit", "EOF"])
def test_quit_ends_a_script(command: Command, broker: Broker, word: str) -> None:
    (command.home / "script").write_text(f"send /queue/a x\n{word}\nsend /queue/a y\n")
    assert command.run("-F", "script").status == 0
    assert broker.depth("/queue/a") == 1


def test_script_waits_for_its_receipts(command: Command) -> None:
    (command.home / "my script").write_text("subscribe /queue/a\nsend /queue/a hello\n")
    ended = command.run("--file", "my script")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith("\n\nhello\n")


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("gone", "stomp: File gone was not found\n"),
        (".", "stomp: .: Is a directory\n"),
        ("binary", "File binary is not UTF-8\n"),
    ],
)
def test_unreadable_script_is_an_error(command: Command, name: str, reported: str) -> None:
    (command.home / "binary").write_bytes(b"send /queue/a \xff\n")
    ended = command.run("-F", name)
    assert (ended.status, ended.out, ended.err) == (1, "", reported)


def test_lost_connection_ends_a_script(command: Command) -> None:
    (command.home / "script").write_text('ack 1 "no such subscription"\nsendrec /queue/a x\n')
    ended = command.run("-F", "script")
    assert ended.status == 2
    # Two threads print: one has received the ERROR, the other runs the script.
    assert any(line.startswith("ERROR: ") for line in ended.err.splitlines())


# ------------------------------------------------------------------------------------- listening


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_listener_runs_until_a_signal(
    command: Command, broker: Broker, number: signal.Signals, status: int
) -> None:
    with command.start("-L", "/queue/a") as process:
        wait_for_line(process.stderr, "Subscribing to '/queue/a'")
        command.run(typed="send /queue/a two  words\n")
        lines = wait_for_line(process.stdout, "two  words")
        assert lines[0] == "\n"
        assert lines[1].startswith("message-id: ")
        assert lines[2:] == ["subscription: 1\n", "two  words\n"]
        process.send_signal(number)
        assert process.wait(PATIENCE) == status
        assert process.stdout is not None
        assert process.stdout.read() == ""
    # It has said good-bye: the broker has not had to find out.
    assert broker.depth("/queue/a") == 0


def test_sigterm_while_the_listener_connects_exits_0(command: Command) -> None:
    connecting = threading.Event()

    def say_nothing(sock: socket.socket) -> None:
        read_frame(sock)
        connecting.set()
        sock.recv(1)

    with ScriptedServer(say_nothing) as server:
        command.environ["STOMP_URL"] = server.url
        with command.start("-L", "/queue/a") as process:
            assert connecting.wait(PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""


def test_listener_ends_when_its_output_is_closed(command: Command) -> None:
    with command.start("-L", "/queue/a") as process:
        wait_for_line(process.stderr, "Subscribing")
        assert process.stdout is not None
        process.stdout.close()
        command.run(typed="send /queue/a x\nsend /queue/a y\n")
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_listener_reconnects_to_a_restarted_broker(command: Command, broker: Broker) -> None:
    with command.start("-L", "/queue/a") as process:
        wait_for_line(process.stderr, "Subscribing")
        broker.stop()
        wait_for_line(process.stderr, "lost connection")
        with Broker(broker.host, broker.port, users={"admin": "password"}):
            wait_for_line(process.stderr, "reconnected")
            command.run(typed="send /queue/a after all\n")
            wait_for_line(process.stdout, "after all")
            process.terminate()
            assert process.wait(PATIENCE) == 0


# ------------------------------------------------------------------------------------- what goes wrong


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_broker(authority: trustme.CA) -> Iterator[Broker]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Broker("localhost", ssl_context=context) as broker:
        yield broker


def test_tls_options_connect(tls_broker: Broker, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    command = Command(tmp_path)
    place = ("-H", "localhost", "-P", str(tls_broker.port))
    sent = "sendrec /queue/a x\n"
    assert command.run(*place, "--ssl", "--ssl-ca-file", "ca.pem", typed=sent).status == 0
    assert command.run(*place, "--ssl", "--ssl-insecure", typed=sent).status == 0
    untrusted = command.run(*place, "--ssl", typed=sent)
    assert (untrusted.status, untrusted.err.count("\n")) == (3, 1)
    assert "certificate" in untrusted.err
    for option in ("--ssl-ca-file", "--ssl-cert-file", "--ssl-key-file"):
        missing = command.run(*place, "--ssl", option, "gone.pem")
        assert (missing.status, missing.err.count("\n")) == (1, 1)
        assert "gone.pem" in missing.err


def test_client_certificate_is_used(authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    issued = authority.issue_cert("me@example.com")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    with Broker("localhost", ssl_context=context) as broker:
        ended = Command(tmp_path).run(
            *("-H", "localhost", "-P", str(broker.port), "--ssl", "--ssl-ca-file", "ca.pem"),
            *("--ssl-cert-file", "cert.pem", "--ssl-key-file", "key.pem"),
            typed="sendrec /queue/a x\n",
        )
    assert (ended.status, ended.err) == (0, "Shutting down, please wait\n")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["-W", "wrong"], 4, "refused the login"),
        (["-H", "no-such-host.invalid"], 3, "cannot resolve the host name"),
        (["-H", "127.0.0.1", "-P", "REFUSED"], 3, "connection refused"),
        (["-P", "99999"], 1, "from 1 to 65535"),
        (["-S", "9.9"], 1, "unknown protocol '9.9'"),
        (["--heartbeats=1,2x"], 1, "Invalid heartbeats, expecting cx,cy"),
        (["--heartbeats=x"], 1, "Invalid heartbeats, expecting cx,cy"),
        (["--url", "nonsense://x"], 1, "unknown scheme"),
        (["--url", "unix:///no/such/socket"], 3, "/no/such/socket"),
        (["--context", "gone"], 1, "no context 'gone'"),
        (["-U", "admin", "--password-file", "gone"], 1, "the password cannot be read from gone"),
        (["-U", "admin", "--ask-password"], 1, "no terminal to prompt for the password"),
        (["-F", "gone"], 1, "File gone was not found"),
        (["-F", "x", "-L", "y"], 1, "cannot be used together"),
        (["--nope"], 1, "unknown option '--nope'"),
        (["positional"], 1, "unknown command 'positional'"),
        (["-H"], 1, "-H needs a value"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line_with_a_status(
    command: Command, free_port: int, arguments: list[str], status: int, words: str
) -> None:
    arguments = [argument.replace("REFUSED", str(free_port)) for argument in arguments]
    if "-W" in arguments:
        arguments = ["--url", command.environ["STOMP_URL"], *arguments]
    with command.start(*arguments, start_new_session=True) as process:  # so that there is no terminal
        out, err = process.communicate("", timeout=PATIENCE)
    assert (process.returncode, out) == (status, "")
    assert err.startswith("stomp: ")
    assert words in err
    assert err.count("\n") == 1


def test_password_is_not_printed(command: Command) -> None:
    ended = command.run("-V", "-W", "swordfish", "--url", command.environ["STOMP_URL"])
    assert ended.status == 4
    assert "swordfish" not in ended.out + ended.err
    debugged = command.run("--debug", "-V", typed="sendrec /queue/a x\n")
    assert debugged.status == 0
    assert "'password'" not in debugged.out + debugged.err


# ------------------------------------------------------------------------------------- in this process


@pytest.fixture
def main(command: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command here, at home in its folder."""
    monkeypatch.chdir(command.home)
    for name in ("STOMP_URL", "HOME"):
        monkeypatch.setenv(name, command.environ[name])

    def main(*arguments: str, typed: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        return app.main(arguments)

    return main


def test_piped_commands_run_in_process(main: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed="subscribe /queue/a\nsend /queue/a hello\n") == 0
    assert capsys.readouterr().out.endswith("\n\nhello\n")
    assert main(typed="nope\nquit\n") == 1


def test_script_runs_in_process(
    main: Callable[..., int], command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (command.home / "script").write_text("subscribe /queue/a\nsend /queue/a hello\n")
    (command.home / "binary").write_bytes(b"\xff")
    assert main("-F", "script") == 0
    assert capsys.readouterr().out.endswith("\n\nhello\n")
    assert main("-F", "binary") == 1
    assert main("-F", "gone") == 1
    assert main("-F", "script", "-L", "/queue/a") == 1


def test_listener_runs_in_process(
    main: Callable[..., int],
    broker: Broker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGTERM comes with the first message."""
    show = StompCLI.on_message

    def on_message(self: StompCLI, frame: object, body: object = None) -> None:
        show(self, frame)
        os.kill(os.getpid(), signal.SIGTERM)  # to the main thread; raise_signal would send it to this one

    main(typed="send /queue/a hello\n")
    monkeypatch.setattr(StompCLI, "on_message", on_message)
    assert main("-L", "/queue/a") == 0
    assert capsys.readouterr().out.endswith("subscription: 1\nhello\n")


def test_reconnecting_is_limited(
    main: Callable[..., int],
    broker: Broker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_ATTEMPTS", 2)
    subscribe = StompCLI.subscribe

    def and_stop(self: StompCLI, destination: str, ack: str = "auto") -> None:
        subscribe(self, destination, ack)
        broker.stop()

    monkeypatch.setattr(StompCLI, "subscribe", and_stop)
    assert main("-L", "/queue/a") == 3
    reported = capsys.readouterr().err.splitlines()
    assert reported[1] == "lost connection"
    assert "connection refused" in reported[2]
