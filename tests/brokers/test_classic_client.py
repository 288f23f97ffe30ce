"""The command line on real brokers: what the documentation of stomp.py shows, and every command of the prompt."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from tests.brokers.conftest import RealBroker, TlsVenues
from tests.cli.running import Command
from tests.cli.seed_commands import SeedCommands, Site

pytestmark = pytest.mark.broker


@pytest.fixture
def queue() -> str:
    # What begins so is gone with the last subscription to it.
    return f"/queue/cli-{uuid.uuid4().hex}"


class TestSeed(SeedCommands):
    @pytest.fixture
    def site(self, real_broker: RealBroker, queue: str) -> Site:
        return Site(real_broker.host, real_broker.port, real_broker.user, real_broker.password, queue)


@pytest.fixture
def command(rabbitmq: RealBroker, tmp_path: Path) -> Command:
    return Command(tmp_path, f"stomp://{rabbitmq.user}:{rabbitmq.password}@{rabbitmq.host}:{rabbitmq.port}")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_every_shell_command_works(command: Command, queue: str, version: str) -> None:
    (command.home / "data").write_bytes(bytes(range(256)))
    (command.home / "inner").write_text("ver\n")
    script = f"""\
    stats on
    subscribe {queue} client-individual
    sendrec {queue} "  two  blanks  "
    sendreply {queue} c-1 reply
    sendfile {queue} data {{"kind": "file"}}
    begin
    send {queue} never
    abort
    begin
    send {queue} once
    commit
    run inner
    stats
    version
    """
    ended = command.run("-S", version, "--vhost", "/", typed=script)
    assert ended.status == 0, ended.err
    for text in ("\n  two  blanks  \n", "\nreply\n", "Saved file: stomp-received/data", "\nonce\n"):
        assert text in ended.out
    assert "never" not in ended.out
    assert f"[Protocol version {version}]" in ended.out
    assert (command.home / "stomp-received" / "data").read_bytes() == bytes(range(256))
    # Nothing was acknowledged, so all comes again, and goes.
    emptied = command.run(typed=f"subscribe {queue}\n")
    assert emptied.out.count("message-id: ") == 4


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_ack_and_nack_work_at_the_prompt(command: Command, queue: str, version: str) -> None:
    with command.console("-S", version, "--vhost", "/") as console:
        console.wait_for(lambda: console.current == ">", "prompt")
        console.enter(f"subscribe {queue} client-individual")
        console.enter(f"send {queue} first")
        console.wait("\nfirst\n")
        [id] = re.findall("message-id: (.*)", console.text)
        if version != "1.0":
            console.enter(f"nack {id}")
            console.wait_for(lambda: console.text.count("\nfirst\n") == 2, "message again")
            id = re.findall("message-id: (.*)", console.text)[-1]
        console.enter(f"ack {id}")
        console.enter(f"sendrec {queue}.other -")
        console.enter("version")
        console.wait("[Protocol version")
        console.enter("quit")
        assert console.status() == 0
        assert "ERROR" not in console.text
    assert "first" not in command.run(typed=f"subscribe {queue}\nsendrec {queue}.other -\n").out


def test_wrong_password_is_an_error(command: Command) -> None:
    ended = command.run("--url", command.environ["STOMP_URL"], "-W", "wrong")
    assert (ended.status, ended.out, ended.err.count("\n")) == (4, "", 1)


def test_the_virtual_host_of_1_2_has_a_hint(command: Command) -> None:
    ended = command.run("-S", "1.2")
    assert ended.status == 2
    assert "set the virtual host with --vhost /)" in ended.err


def test_error_frame_is_raised(command: Command) -> None:
    ended = command.run(typed="sendrec /nonsense/x hello\n")
    assert ended.status == 2
    assert "ERROR: " in ended.err


def test_tls_connects(rabbitmq: RealBroker, tmp_path: Path, queue: str) -> None:
    place = ("-H", rabbitmq.host, "-P", str(rabbitmq.tls_port), "-U", rabbitmq.user, "-W", rabbitmq.password)
    command = Command(tmp_path)
    trusted = command.run(
        *place,
        "--ssl",
        "--ssl-ca-file",
        str(rabbitmq.ca_file),
        typed=f"subscribe {queue}\nsend {queue} by TLS\n",
    )
    assert trusted.status == 0, trusted.err
    assert trusted.out.endswith("by TLS\n")
    untrusted = command.run(*place, "--ssl")
    assert (untrusted.status, untrusted.err.count("\n")) == (3, 1)


def test_websocket_connects(rabbitmq: RealBroker, tmp_path: Path, queue: str) -> None:
    command = Command(tmp_path)
    ended = command.run(
        *(
            "--url",
            str(rabbitmq.ws_url),
            "-U",
            rabbitmq.user,
            "-W",
            rabbitmq.password,
            "-S",
            "1.2",
            "--vhost",
            "/",
        ),
        typed=f"subscribe {queue}\nsend {queue} by WebSocket\n",
    )
    assert ended.status == 0, ended.err
    assert ended.out.endswith("by WebSocket\n")


def test_expired_certificate_is_refused(haproxy: TlsVenues, tmp_path: Path) -> None:
    ended = Command(tmp_path).run(
        *(
            "-H",
            haproxy.host,
            "-P",
            str(haproxy.expired_port),
            "--ssl",
            "--ssl-ca-file",
            str(haproxy.expired_ca),
        )
    )
    assert (ended.status, ended.out, ended.err.count("\n")) == (3, "", 1)
    assert "expired" in ended.err
