"""`stomp doctor`: which step fails, and what it says to do."""

from __future__ import annotations

import contextlib
import datetime
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from stomp.broker import Broker
from stomp.testing.servers import ScriptedServer, greet_back, hang_up, read_frame, say_nothing
from tests.cli.oneshot import Answer, Stomp
from tests.cli.running import Command
from tests.core.frames.test_foreign_protocols import HTTP, RECORDED
from tests.websocket_endpoint import WebSocketEndpoint


def examined(stomp: Stomp, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status, and the steps of the first address."""
    answer = stomp("doctor", "--json", *arguments)
    assert answer.err == ""
    said = json.loads(answer.out)
    assert said["ok"] is (answer.status == 0)
    return answer.status, said["addresses"][0]["steps"]


def names(steps: list[dict[str, Any]]) -> list[str]:
    return [f"{step['step']} {step['state']}" for step in steps]


class TestDoctor:
    """At any broker."""

    def test_all_steps_pass_with_a_working_broker(self, stomp: Stomp) -> None:
        status, steps = examined(stomp)
        assert names(steps) == ["resolve ok", "tcp ok", "login ok", "heart-beat ok", "round-trip ok"]
        assert status == 0
        assert steps[2]["version"] == "1.2"

    def test_round_trip_uses_the_given_destination(self, stomp: Stomp, queue: str) -> None:
        status, steps = examined(stomp, "--destination", queue)
        assert steps[-1]["destination"] == queue
        assert status == 0

    def test_wrong_password_fails_the_login_step(self, stomp: Stomp) -> None:
        status, steps = examined(stomp, "-W", "wrong")
        assert names(steps) == ["resolve ok", "tcp ok", "login failed"]
        assert status == 4
        assert steps[-1]["remedy"] == "check login and passcode"


def test_text_output_has_a_line_per_step(stomp: Stomp) -> None:
    answer = stomp("doctor")
    lines = answer.out.decode().splitlines()
    assert lines[0].startswith("127.0.0.1:")
    assert lines[2].startswith("  ok    tcp         connected to 127.0.0.1 port ")
    assert lines[-1].startswith("  ok    round-trip  a message arrived after ")
    assert (answer.status, answer.err) == (0, "")


def test_closed_port_fails_the_tcp_step(stomp: Stomp, free_port: int) -> None:
    answer = stomp("doctor", f"stomp://127.0.0.1:{free_port}")
    assert answer.status == 3
    last = answer.out.decode().splitlines()[-2:]
    assert last[0].startswith(
        f"  FAIL  tcp         cannot connect to 127.0.0.1:{free_port}: connection refused"
    )
    assert last[1].strip() == "remedy: check that the broker is running and that this is its STOMP port"


def test_unknown_host_fails_the_resolve_step(stomp: Stomp) -> None:
    status, steps = examined(stomp, "stomp://no-such-host.invalid")
    assert names(steps) == ["resolve failed"]
    assert status == 3


def test_every_address_is_diagnosed(stomp: Stomp, broker: Broker, free_port: int) -> None:
    place = f"stomp://admin:password@127.0.0.1:{free_port},127.0.0.1:{broker.port}"
    answer = stomp("doctor", "--json", place)
    first, second = json.loads(answer.out)["addresses"]
    assert names(first["steps"])[-1] == "tcp failed"
    assert names(second["steps"])[-1] == "round-trip ok"
    assert answer.status == 3


def test_missing_heartbeats_are_a_warning(stomp: Stomp) -> None:
    status, steps = examined(stomp, "--heartbeats", "0,0")
    assert names(steps)[3] == "heart-beat warning"
    assert "--heartbeats 10000,10000" in steps[3]["remedy"]
    assert status == 0


def test_undelivered_message_fails_the_round_trip(stomp: Stomp) -> None:
    def swallow(sock: socket.socket) -> None:
        for turn in range(4):
            frame = read_frame(sock)
            receipts = [line[8:] for line in frame.split(b"\n") if line.startswith(b"receipt:")]
            if turn == 0:
                greet_back(sock)
            elif receipts:
                sock.sendall(b"RECEIPT\nreceipt-id:%s\n\n\0" % receipts[0])
        say_nothing(sock)

    def swallow_what_comes(sock: socket.socket) -> None:
        # The first connection only tries whether there is one.
        if sock.recv(1, socket.MSG_PEEK):
            swallow(sock)

    with ScriptedServer(swallow_what_comes) as server:
        status, steps = examined(stomp, f"stomp://{server.host}:{server.port}", "--connect-timeout", "0.5")
    assert names(steps)[-1] == "round-trip failed"
    assert "did not deliver it" in steps[-1]["text"]
    assert "--destination" in steps[-1]["remedy"]
    assert status == 3


# ------------------------------------------------------------------------------------- TLS


@contextmanager
def secured(folder: Path, *, days: int) -> Iterator[tuple[str, str]]:
    """A broker whose certificate ends in so many days: its URL, and the file of its authority."""
    ca = trustme.CA()
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days, hours=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", not_before=now - datetime.timedelta(days=500), not_after=end).configure_cert(
        context
    )
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    with Broker("localhost", ssl_context=context) as broker:
        yield f"stomp+ssl://localhost:{broker.port}", str(folder / "ca.pem")


def tls_step(stomp: Stomp, *arguments: str) -> tuple[int, dict[str, Any]]:
    status, steps = examined(stomp, *arguments)
    return status, next(step for step in steps if step["step"] == "tls")


def test_valid_certificate_passes_the_tls_step(stomp: Stomp, tmp_path: Path) -> None:
    with secured(tmp_path, days=100) as (url, ca):
        status, step = tls_step(stomp, url, "--ssl-ca-file", ca)
    assert (status, step["state"], step["verified"]) == (0, "ok", True)
    assert step["certificate"]["names"] == ["localhost"]
    assert "valid until" in step["notes"][-1]


def test_certificate_that_expires_soon_is_a_warning(stomp: Stomp, tmp_path: Path) -> None:
    with secured(tmp_path, days=3) as (url, ca):
        status, step = tls_step(stomp, url, "--ssl-ca-file", ca)
    assert (status, step["state"]) == (0, "warning")
    assert step["notes"][-1].endswith("3 days from now")


def test_expired_certificate_fails_the_tls_step(stomp: Stomp, tmp_path: Path) -> None:
    with secured(tmp_path, days=-3) as (url, ca):
        status, step = tls_step(stomp, url, "--ssl-ca-file", ca)
    assert (status, step["state"], step["verified"]) == (3, "failed", False)
    assert step["text"].endswith("certificate has expired")
    assert step["remedy"] == "renew the broker's certificate, which has expired"


def test_untrusted_certificate_fails_the_tls_step(stomp: Stomp, tmp_path: Path) -> None:
    with secured(tmp_path, days=100) as (url, _):
        status, step = tls_step(stomp, url)
        assert (status, step["state"]) == (3, "failed")
        assert list(step["certificate"]) == ["sha256"]
        assert step["notes"][1].startswith(f"to read it: openssl s_client -connect {url.partition('//')[2]} ")
        assert step["remedy"] == "give the authority that signed the broker's certificate by --ssl-ca-file"
        status, step = tls_step(stomp, url, "--ssl-insecure")
        assert (status, step["state"], step["verified"]) == (0, "warning", False)


def test_unreadable_password_file_fails_the_login_step(stomp: Stomp) -> None:
    status, steps = examined(stomp, "-U", "admin", "--password-file", "gone")
    assert status == 1
    assert steps[-1]["text"].startswith("the password cannot be read from gone")
    assert steps[-1]["remedy"] == ""


@pytest.mark.parametrize("name", RECORDED)
def test_port_of_another_protocol_is_named(stomp: Stomp, name: str) -> None:
    def other(sock: socket.socket) -> None:
        if sock.recv(65536):
            sock.sendall(RECORDED[name])
            say_nothing(sock)

    with ScriptedServer(other) as server:
        status, steps = examined(stomp, f"stomp://127.0.0.1:{server.port}", "--connect-timeout", "20")
        assert (status, names(steps)[-1]) == (3, "login failed")
        assert f"this is {name}, not STOMP" in steps[-1]["text"]
        assert "STOMP is usually on port 61613" in steps[-1]["remedy"]
        status, steps = examined(stomp, f"stomp+ssl://127.0.0.1:{server.port}", "--connect-timeout", "20")
        assert (status, names(steps)[-1]) == (3, "tls failed")
        assert f"this is {name}, not STOMP" in steps[-1]["text"]


@pytest.mark.parametrize("scheme", ["stomp", "stomp+ssl", "wss"])
def test_web_server_is_named_with_the_websocket_to_use(stomp: Stomp, scheme: str) -> None:
    def web(sock: socket.socket) -> None:
        if sock.recv(65536):
            sock.sendall(HTTP)

    with ScriptedServer(web) as server:
        status, steps = examined(stomp, f"{scheme}://127.0.0.1:{server.port}", "--connect-timeout", "20")
    assert status == 3
    assert "use ws://" in steps[-1]["remedy"]


def test_port_that_closes_at_once_gets_a_hint(stomp: Stomp) -> None:
    with ScriptedServer(hang_up) as server:
        status, steps = examined(stomp, f"stomp://127.0.0.1:{server.port}", "--connect-timeout", "20")
    assert (status, names(steps)[-1]) == (3, "login failed")
    assert steps[-1]["remedy"].startswith("check that this is the STOMP port, whether it requires TLS")


def test_tls_port_that_closes_on_plain_text_is_recognised(stomp: Stomp) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def artemis_with_tls(sock: socket.socket) -> None:
        # A record of the handshake begins with 22; Artemis closes at anything else, without an alert.
        if sock.recv(1, socket.MSG_PEEK) == b"\x16":
            context.wrap_socket(sock, server_side=True).close()

    with ScriptedServer(artemis_with_tls) as server:
        status, steps = examined(stomp, f"stomp://127.0.0.1:{server.port}", "--connect-timeout", "20")
    assert (status, names(steps)[-1]) == (3, "login failed")
    assert steps[-1]["remedy"] == "the port uses TLS; use stomp+ssl:// or --ssl"


def test_plain_port_that_closes_on_a_tls_handshake_is_recognised(stomp: Stomp) -> None:
    def rabbitmq(sock: socket.socket) -> None:
        if sock.recv(1, socket.MSG_PEEK) == b"C":
            read_frame(sock)
            sock.sendall(b"ERROR\nmessage:Bad CONNECT\n\n\0")

    with ScriptedServer(rabbitmq) as server:
        status, steps = examined(stomp, f"stomp+ssl://127.0.0.1:{server.port}", "--connect-timeout", "20")
    assert (status, names(steps)[-1]) == (3, "tls failed")
    assert steps[-1]["remedy"] == "the port speaks STOMP without TLS; use stomp://, without --ssl"


def test_stomp_1_0_without_heartbeats_is_a_warning(stomp: Stomp) -> None:
    _, steps = examined(stomp, "-S", "1.0")
    assert steps[3]["remedy"] == "STOMP 1.0 has no heart-beats: enable a later version in the broker"


def test_plain_port_fails_the_tls_step(stomp: Stomp, broker: Broker) -> None:
    status, step = tls_step(stomp, f"stomp+ssl://{broker.host}:{broker.port}", "--connect-timeout", "5")
    assert (status, step["state"]) == (3, "failed")
    assert "certificate" not in step


# ------------------------------------------------------------------------------------- other ways


def test_websocket_step_passes(stomp: Stomp, broker: Broker) -> None:
    with ScriptedServer(WebSocketEndpoint((broker.host, broker.port), path="/ws")) as endpoint:
        login = ("-U", "admin", "-W", "password")
        status, steps = examined(stomp, f"ws://{endpoint.host}:{endpoint.port}/ws", *login)
        assert names(steps)[2] == "websocket ok"
        assert status == 0
        status, steps = examined(stomp, f"ws://{endpoint.host}:{endpoint.port}/elsewhere", *login)
        assert names(steps)[-1] == "websocket failed"
        assert status == 3


def test_unreachable_proxy_fails_the_proxy_step(stomp: Stomp, free_port: int) -> None:
    status, steps = examined(stomp, "--proxy", f"http://127.0.0.1:{free_port}")
    assert names(steps) == ["proxy failed"]
    assert "check that the proxy is running" in steps[0]["remedy"]
    assert status == 3


def test_missing_unix_socket_fails_the_socket_step(stomp: Stomp, tmp_path: Path) -> None:
    status, steps = examined(stomp, f"unix://{tmp_path}/none")
    assert names(steps) == ["socket failed"]
    assert status == 3


def test_terminal_output_has_colours(command: Command) -> None:
    with command.console("doctor", size=(30, 160)) as console:
        assert console.status() == 0
        assert "\x1b[1;32mok  \x1b[0m" in console.raw


def test_output_has_no_password(stomp: Stomp) -> None:
    for arguments in (["doctor"], ["doctor", "--json"], ["doctor", "-W", "hunter2"]):
        answer: Answer = stomp(*arguments)
        assert "hunter2" not in answer.out.decode() + answer.err
        assert ":password" not in answer.out.decode() + answer.err


def test_a_demanded_client_certificate_is_named(stomp: Stomp, tmp_path: Path) -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = ca.issue_cert("client@example.com")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    authority = ("--ssl-ca-file", str(tmp_path / "ca.pem"))

    def strict(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as secure:
            secure.recv(1)

    with ScriptedServer(strict) as server:
        status, steps = examined(stomp, f"stomp+ssl://localhost:{server.port}", *authority)
        assert (status, steps[-1]["state"]) == (3, "failed")
        assert "the broker asks for a client certificate" in steps[-1]["remedy"]
        assert "--ssl-cert-file" in steps[-1]["remedy"]
    with Broker("localhost", ssl_context=context) as broker:
        trusted = (f"stomp+ssl://localhost:{broker.port}", *authority)
        # It closes the connection without an alert.
        status, steps = examined(stomp, *trusted)
        assert (status, "client certificate" in steps[-1]["remedy"]) == (3, True)
        status, steps = examined(stomp, *trusted, "--ssl-cert-file", str(tmp_path / "client.pem"))
        assert (status, names(steps)[-1]) == (0, "round-trip ok")


def test_a_broker_that_speaks_only_stomp_1_0_is_named(stomp: Stomp) -> None:
    """It ignores accept-version, and answers without a version (STOMP 1.1, "Protocol Negotiation")."""

    def old(sock: socket.socket) -> None:
        if read_frame(sock):
            sock.sendall(b"CONNECTED\nsession:1\n\n\0")
            while read_frame(sock):
                pass

    with ScriptedServer(old) as server:
        url = f"stomp://127.0.0.1:{server.port}"
        _, steps = examined(stomp, url, "--connect-timeout", "0.5")
        heartbeat = next(step for step in steps if step["step"] == "heart-beat")
        assert heartbeat["remedy"] == "STOMP 1.0 has no heart-beats: enable a later version in the broker"
        status, steps = examined(stomp, url, "-S", "1.2")
    assert (status, names(steps)[-1]) == (3, "login failed")
    assert "the broker speaks STOMP 1.0, offered was 1.2" in steps[-1]["text"]
    assert steps[-1]["remedy"] == "offer 1.0, too: leave out --protocol"


@pytest.mark.parametrize("name", ["ActiveMQ's OpenWire", "SSH"])
def test_a_protocol_whose_server_speaks_first_is_named(stomp: Stomp, name: str) -> None:
    def banner(sock: socket.socket) -> None:
        sock.sendall(RECORDED[name])
        say_nothing(sock)

    with ScriptedServer(banner) as server:
        for scheme, step in (("stomp", "login"), ("stomp+ssl", "tls")):
            status, steps = examined(stomp, f"{scheme}://127.0.0.1:{server.port}", "--connect-timeout", "20")
            assert (status, names(steps)[-1]) == (3, f"{step} failed")
            assert f"this is {name}, not STOMP" in steps[-1]["text"]
            assert "STOMP is usually on port 61613" in steps[-1]["remedy"]
