"""`stomp broker`, run as a process."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme

from stomp.broker import Broker, Policy
from stomp.cli import app
from stomp.cli.app import main
from stomp.cli.commands import broker as broker_command
from stomp.cli.framework import registry
from stomp.client.connect import open_stream
from stomp.client.options import Options
from stomp.core.frames.limits import Limits
from stomp.net.address import Address, parse
from tests.broker.rawclient import PATIENCE, Ended, RawClient

SRC = Path(__file__).parents[3] / "src"


class Place:
    """The address of a broker in another process."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], re.Match[str]]]:
    """Run a broker process; yields it and the match of its first line of output."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "stomp", "broker", *arguments],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        match = re.fullmatch(r"stomp broker listening on (stomp|stomp\+ssl)://(\S+):(\d+)\n", line)
        assert match, line + process.stderr.read()
        yield process, match
    finally:
        process.kill()
        process.communicate()


def client_of(match: re.Match[str], tls: ssl.SSLContext | None = None) -> RawClient:
    return RawClient(Place(match[2], int(match[3])), tls=tls)


def stopped(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_until_a_signal(number: signal.Signals, status: int) -> None:
    with running("--port", "0") as (process, match):
        assert match[1] == "stomp"
        with client_of(match) as client:
            client.connect()
            client.send("SUBSCRIBE", id="1", destination="/queue/a")
            client.send("SEND", "hello", destination="/queue/a")
            assert client.expect("MESSAGE").body == b"hello"
            assert stopped(process, number) == (status, "")
            client.expect_end()


def test_login_and_password_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from:file\nanother line\n")
    with running(
        "--port", "0", "--login", "bob:pa:ss", "--user", "alice", "--password-file", str(secret)
    ) as (_, match):
        for login, passcode in (("bob", "pa:ss"), ("alice", "from:file")):
            with client_of(match) as client:
                client.connect(login=login, passcode=passcode)
        with client_of(match) as client:
            client.send("CONNECT", accept_version="1.2", login="alice", passcode="pa:ss")
            client.expect("ERROR", message="Bad CONNECT")


def test_heartbeat_and_verbose() -> None:
    with running("--port", "0", "--heartbeat", "250,500", "-vv") as (process, match):
        with client_of(match) as client:
            assert client.connect(passcode="Zauberwort").headers["heart-beat"] == "250,500"
        _, errors = stopped(process, signal.SIGTERM)
        assert "stomp.broker DEBUG connection 1" in errors
        assert "Zauberwort" not in errors


def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with running("--port", "0", "--tls-cert", str(certificate), "--tls-key", str(key)) as (_, match):
        assert match[1] == "stomp+ssl"
        with client_of(match, trusting) as client:
            client.connect()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets")
def test_more_endpoints(tmp_path: Path) -> None:
    path = tmp_path / "broker.sock"
    with running("--port", "0", "--ws-port", "0", "--unix", str(path)) as (process, _):
        assert process.stdout is not None
        output = process.stdout.readline()
        assert re.fullmatch(r"stomp broker listening on ws://127.0.0.1:\d+\n", output)
        web = parse(output.split()[-1]).addresses[0]
        assert process.stdout.readline() == f"stomp broker listening on unix://{path}\n"
        for address in (web, Address("", 0, "unix", str(path))):
            stream = open_stream(address, Options(), None)
            with stream.sock as sock:
                said = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0"
                if stream.layer is not None:
                    stream.layer.send([said])
                    said = stream.layer.outgoing()
                sock.sendall(said)
                assert b"CONNECTED" in sock.recv(1000)
        assert stopped(process, signal.SIGTERM) == (0, "")
    assert not path.exists()


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with Broker() as broker:
        assert main(["broker", "--port", str(broker.port)]) == 1
        output = capsys.readouterr().err
        assert f"cannot listen on 127.0.0.1:{broker.port}" in output
        assert "in use" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "65536"], "0 to 65535"),
        (["--port", "x"], "0 to 65535"),
        (["--heartbeat", "10"], "two numbers"),
        (["--heartbeat", "a,b"], "two numbers"),
        (["--login", "bob"], "NAME:PASSWORD"),
        (["--login", ":x"], "NAME:PASSWORD"),
        (["--user", "bob"], "go together"),
        (["--password-file", "/dev/null"], "go together"),
        (["--user", "bob", "--password-file", "/does/not/exist"], "--password-file"),
        (["--tls-key", "key.pem"], "needs --tls-cert"),
        (["--tls-cert", "/does/not/exist"], "--tls-cert"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_arguments(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(["broker", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_help_describes_the_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["broker", "--help"]) == 0
    output = capsys.readouterr().out
    assert "Not for production" in output
    assert "process list" in " ".join(output.split())


def test_options_are_read_by_the_parser_of_the_command() -> None:
    args = registry.BY_NAME["broker"].parser().read(["-P", "0", "--heartbeat", "1,2"])
    assert (args.port, args.heartbeat) == (0, (1, 2))


def test_help_describes_the_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["broker", "--help"]) == 0
    assert "Not for production" in capsys.readouterr().out


def test_all_fields_of_policy_and_limits_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["broker", "--help"]) == 0
    text = capsys.readouterr().out
    for field in fields(Policy):
        assert f"--{field.name.replace('_', '-')} " in text
    for field in fields(Limits):
        assert f"--limit-{field.name.replace('_', '-')} " in text


def test_options_of_policy_and_limits_set_their_field() -> None:
    texts = {"slow_consumer": "disconnect", "dead_letter_queue": "/queue/x"}
    given: list[str] = []
    for prefix, kind in (("--", Policy), ("--limit-", Limits)):
        for field in fields(kind):
            given += [prefix + field.name.replace("_", "-"), texts.get(field.name, "7")]
    args = registry.BY_NAME["broker"].parser().read(given)
    for prefix, kind in (("policy_", Policy), ("limit_", Limits)):
        expected: dict[str, Any] = {field.name: texts.get(field.name, 7) for field in fields(kind)}
        assert broker_command._given(args, prefix) == expected
        kind(**expected)


def test_limits_are_applied() -> None:
    with running("--port", "0", "--max-bytes", "2KiB", "--limit-body", "1000") as (_, match):
        with client_of(match) as client:
            client.connect()
            client.send("SEND", b"x" * 500, destination="/topic/a", receipt="r")
            client.expect("RECEIPT")
            client.send("SEND", b"x" * 500, destination="/queue/a")
            assert client.expect("ERROR").headers["message"] == "the broker is full"
        with client_of(match) as client:
            client.connect()
            client.send("SEND", b"x" * 2000, destination="/queue/a")
            assert "1000" in client.expect("ERROR").headers["message"]


@pytest.mark.parametrize(
    ("option", "value"), [("--max-bytes", "0"), ("--max-cost", "many"), ("--slow-consumer", "wait")]
)
def test_invalid_limit_is_an_error(capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    assert main(["broker", option, value]) != 0
    assert value in capsys.readouterr().err


def _run_with_command(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stomp", "broker", "--port", "0", "--", *command],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_command_gets_the_url_and_its_status_is_returned() -> None:
    program = "import os, stomp, sys; c = stomp.Client(os.environ['STOMP_URL']); c.connect(); c.close(); sys.exit(7)"
    done = _run_with_command(sys.executable, "-c", program)
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert "stomp broker listening on stomp://127.0.0.1:" in done.stderr


def test_command_that_is_killed_has_the_status_of_a_shell() -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert _run_with_command(sys.executable, "-c", program).returncode == 128 + 9


def test_command_that_does_not_exist_is_an_error() -> None:
    done = _run_with_command("no-such-program")
    assert done.returncode != 0
    assert "no-such-program" in done.stderr
    assert "Traceback" not in done.stderr


def test_signal_ends_the_command() -> None:
    program = "import time; print('started', flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-m", "stomp", "broker", "--port", "0", "--", sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + 15
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("mode", [(), ("--tls-client-optional",)])
def test_client_certificates(tmp_path: Path, mode: tuple[str, ...]) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "server.pem")
    )
    options = ["--tls-cert", str(tmp_path / "server.pem"), "--tls-client-ca", str(tmp_path / "ca.pem"), *mode]
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with running("--port", "0", *options, "--tls-user-from-cert", "--login", "alice:secret") as (_, match):
        try:
            with client_of(match, context) as client:
                client.connect(login="alice", passcode="secret")
                assert mode
        except (OSError, Ended):
            assert not mode
        authority.issue_cert("x.example", common_name="alice").configure_cert(context)
        with client_of(match, context) as client:
            client.connect()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls-client-ca", "ca.pem"], "--tls-client-ca needs --tls-cert"),
        (["--tls-client-optional"], "--tls-client-optional needs --tls-client-ca"),
        (["--tls-user-from-cert"], "--tls-user-from-cert needs --tls-client-ca"),
    ],
)
def test_options_of_client_certificates_need_each_other(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["broker", "--port", "0", *options]) == 1
    assert words in capsys.readouterr().err


def test_settings_of_a_file_and_options_that_replace_them(tmp_path: Path) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(
        'listen = ["stomp://127.0.0.1:0"]\nversions = ["1.2"]\nstore = "kept.db"\n[policy]\nmax-messages = 1\n'
        '[users.alice]\npassword = "pass-a"\nwrite = ["/queue/a"]\n'
    )
    config.chmod(0o600)
    with running("--config", str(config), "--login", "bob:pass-b") as (_, match):
        with client_of(match) as client:
            client.connect(login="alice", passcode="pass-a")
            client.send("SEND", "x", destination="/queue/a", persistent="true", receipt="r")
            client.expect("RECEIPT")
            client.send("SEND", "x", destination="/queue/b")
            client.expect("ERROR", message="access refused")
        with client_of(match) as client:
            client.connect(login="bob", passcode="pass-b")
            client.send("SEND", "x", destination="/queue/a")
            client.expect("ERROR", message="the broker is full")
    assert (tmp_path / "kept.db").exists()
    more = running("--config", str(config), "--port", "0", "--max-messages", "5")
    with more as (_, match), client_of(match) as client:
        client.connect(login="alice", passcode="pass-a")
        client.send("SEND", "x", destination="/queue/a", receipt="r")
        client.expect("RECEIPT")


def test_page_of_the_file_and_names_of_its_host(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    config = tmp_path / "broker.toml"
    config.write_text('[page]\nport = 0\nallow-hosts = ["broker"]\n')
    with running("--config", str(config), "--port", "0", "--page-host", "localhost") as (process, _):
        assert process.stdout is not None
        found = re.search(r"page of the broker is at (http://localhost:\d+/)\n", process.stdout.readline())
        assert found
        for host, status in (("broker:8161", 200), ("other:8161", 403)):
            answer = httpx2.get(
                found[1] + "metrics", headers={"host": host}, trust_env=False, timeout=PATIENCE
            )
            assert answer.status_code == status


def test_an_invalid_file_is_an_error_with_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "broker.toml"
    config.write_text("[policy]\nmax-mesages = 1\n")
    assert main(["broker", "--config", str(config)]) == 1
    assert "unknown key policy.max-mesages (did you mean max-messages?)" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-v", "-vv"])
def test_the_log_has_a_line_for_each_frame_without_bodies_and_secrets(option: str) -> None:
    with running("--port", "0", "--login", "alice:pass-a", option) as (process, match):
        with client_of(match) as client:
            client.connect(login="alice", passcode="pass-a")
            client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client")
            client.send("SEND", "the body", destination="/queue/a", key="line\nfeed\x1b[31m")
            client.send("ACK", id=client.expect("MESSAGE").headers["ack"], receipt="r")
            client.expect("RECEIPT")
            client.send("SEND", "x", destination="/queue/a", expiration="no number")
            client.expect("ERROR")
        _, errors = stopped(process, signal.SIGTERM)
    lines = [line.partition("connection 1: ")[2] for line in errors.splitlines() if "connection 1: " in line]
    received = [line.split()[1] for line in lines if line.startswith("< ")]
    sent = [line.split()[1] for line in lines if line.startswith("> ")]
    assert received == ["CONNECT", "SUBSCRIBE", "SEND", "ACK", "SEND"]
    assert sent == (["ERROR"] if option == "-v" else ["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"])
    assert lines[0].startswith("opened from 127.0.0.1")
    assert lines[-1] == "closed"
    assert "pass-a" not in errors
    assert "the body" not in errors
    assert "\x1b" not in errors
    assert "'login': 'alice'" in errors
