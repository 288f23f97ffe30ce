"""stomp.net.tls, and the handshake of stomp.net.dial"""

import datetime
import socket
import ssl
from functools import partial
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stomp.core.errors import ConnectFailed, UsageError
from stomp.net.address import Address
from stomp.net.dial import Deadline, open_socket, tls_handshake
from stomp.net.tls import TlsLayer, client_context
from stomp.testing.servers import ScriptedServer, hang_up, say_nothing

PATIENCE = 10.0
SHORT = 0.5


def dial(
    server: ScriptedServer, context: ssl.SSLContext, name: str = "localhost", seconds: float = PATIENCE
) -> tuple[socket.socket, TlsLayer]:
    """Connect to a server and shake hands, as the transport does."""
    address = Address("127.0.0.1", server.port, "tls")
    sock = open_socket(address, Deadline(PATIENCE))
    layer = TlsLayer(context, name)
    try:
        tls_handshake(sock, layer, address, Deadline(seconds))
    except BaseException:
        sock.close()
        raise
    return sock, layer


def failure(
    server: ScriptedServer, context: ssl.SSLContext, name: str = "localhost", seconds: float = PATIENCE
) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        dial(server, context, name, seconds)
    error = caught.value
    assert error.phase == "tls"
    assert error.address == f"127.0.0.1:{server.port}"
    assert error.message.startswith(f"TLS with 127.0.0.1:{server.port} failed: ")
    assert error.failures == (error.__cause__,)
    return error


def send_all(sock: socket.socket, text: bytes) -> None:
    """Script: say something, and go on until the client goes."""
    sock.sendall(text)
    say_nothing(sock)


def read(sock: socket.socket, layer: TlsLayer) -> bytes:
    """What the server says next."""
    sock.settimeout(PATIENCE)
    data = layer.receive(b"")
    while not data and not layer.ended:
        raw = sock.recv(65536)
        assert raw, "the stream was cut"
        data = layer.receive(raw)
    return data


# -------------------------------------------------------------------------------------- verification


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "LOCALHOST", "localhost.", "::1%lo"])
def test_certificate_for_the_host_is_accepted(accepting: ssl.SSLContext, ca_file: str, name: str) -> None:
    with ScriptedServer(partial(send_all, text=b"welcome"), tls=accepting) as server:
        sock, layer = dial(server, client_context(ca_certs=ca_file), name)
        with sock:
            assert sock.gettimeout() is None
            assert read(sock, layer) == b"welcome"
            subject = layer.peer_certificate()["subjectAltName"]
    assert ("DNS", "localhost") in subject  # type: ignore[operator]


def test_verification_is_on_by_default() -> None:
    context = client_context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_system_authorities_are_the_default(
    accepting: ssl.SSLContext, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So OpenSSL finds them.
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    with ScriptedServer(hang_up, tls=accepting) as server:
        sock, _ = dial(server, client_context())
        sock.close()


def test_certificate_for_another_name_is_refused(accepting: ssl.SSLContext, ca_file: str) -> None:
    with ScriptedServer(hang_up, tls=accepting) as server:
        error = failure(server, client_context(ca_certs=ca_file), "broker.example")
        assert "certificate not accepted: Hostname mismatch" in error.message
        assert "a host name that is in the broker's certificate" in error.hint
        error = failure(server, client_context(ca_certs=ca_file), "127.0.0.2")
        assert "certificate not accepted: IP address mismatch" in error.message
        assert "a host name that is in the broker's certificate" in error.hint


def test_unknown_authority_is_refused(accepting: ssl.SSLContext) -> None:
    with ScriptedServer(hang_up, tls=accepting) as server:
        error = failure(server, client_context())
    assert "certificate not accepted: " in error.message
    assert "CA file" in error.hint
    # Our alert: the log of the broker has the reason, too.
    assert "UNKNOWN_CA" in str(server.errors[0]).upper().replace(" ", "_")


def test_expired_certificate_is_refused(authority: trustme.CA, ca_file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    before = yesterday - datetime.timedelta(days=1)
    authority.issue_cert("localhost", not_before=before, not_after=yesterday).configure_cert(context)
    with ScriptedServer(hang_up, tls=context) as server:
        error = failure(server, client_context(ca_certs=ca_file))
    assert "certificate has expired" in error.message
    assert "clock" in error.hint


def test_without_verification_any_certificate_is_accepted(accepting: ssl.SSLContext) -> None:
    with ScriptedServer(hang_up, tls=accepting) as server:
        sock, layer = dial(server, client_context(verify=False), "broker.example")
        sock.close()
        assert layer.peer_certificate() == {}


def test_own_ssl_context_is_used(accepting: ssl.SSLContext, ca_file: str) -> None:
    context = ssl.create_default_context(cafile=ca_file)
    with ScriptedServer(hang_up, tls=accepting) as server:
        sock, _ = dial(server, context)
        sock.close()


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("localhost", "localhost"),
        ("localhost.", "localhost"),
        ("bücher.example", "xn--bcher-kva.example"),
        # A numeric address is no name to ask for (RFC 6066, section 3).
        ("127.0.0.1", None),
        ("::1%lo", None),
    ],
)
def test_server_name_is_sent(accepting: ssl.SSLContext, name: str, seen: str | None) -> None:
    names: list[str | None] = []
    accepting.sni_callback = lambda _, name, __: names.append(name)
    with ScriptedServer(hang_up, tls=accepting) as server:
        sock, _ = dial(server, client_context(verify=False), name)
        sock.close()
    assert names == [seen]


# -------------------------------------------------------------------------------- client certificates


@pytest.fixture
def demanding(accepting: ssl.SSLContext, authority: trustme.CA) -> ssl.SSLContext:
    """A server side that wants a client certificate. With TLS 1.2 the handshake shows whether it got one."""
    authority.configure_trust(accepting)
    accepting.verify_mode = ssl.CERT_REQUIRED
    accepting.maximum_version = ssl.TLSVersion.TLSv1_2
    return accepting


@pytest.fixture(scope="session")
def client_files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of a client certificate: both in one, the certificate, the key, the key encrypted with "swordfish"."""
    folder = tmp_path_factory.mktemp("client")
    issued = authority.issue_cert("client@example.org")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"swordfish"),
    )
    texts = {
        "both": issued.private_key_and_cert_chain_pem.bytes(),
        "cert": issued.cert_chain_pems[0].bytes(),
        "key": issued.private_key_pem.bytes(),
        "encrypted": encrypted,
    }
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    return {name: str(folder / name) for name in texts}


@pytest.mark.parametrize(
    ("cert", "key", "password"),
    [
        ("both", None, None),
        ("cert", "key", None),
        ("cert", "encrypted", "swordfish"),
        ("cert", "encrypted", lambda: "swordfish"),
    ],
)
def test_client_certificate_is_accepted(demanding, ca_file, client_files, cert, key, password) -> None:
    context = client_context(
        ca_certs=ca_file,
        cert_file=client_files[cert],
        key_file=key and client_files[key],
        password=password,
    )
    with ScriptedServer(partial(send_all, text=b"welcome"), tls=demanding) as server:
        sock, layer = dial(server, context)
        with sock:
            assert read(sock, layer) == b"welcome"


def test_missing_client_certificate_is_explained(demanding: ssl.SSLContext, ca_file: str) -> None:
    with ScriptedServer(hang_up, tls=demanding) as server:
        error = failure(server, client_context(ca_certs=ca_file))
    assert "client certificate" in error.hint


def test_missing_client_certificate_is_explained_after_the_tls_1_3_handshake(
    demanding: ssl.SSLContext, ca_file: str
) -> None:
    demanding.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    with ScriptedServer(hang_up, tls=demanding) as server:
        sock, layer = dial(server, client_context(ca_certs=ca_file))
        with sock, pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
            read(sock, layer)


def test_untrusted_client_certificate_is_explained(
    demanding: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    path = tmp_path / "stranger.pem"
    trustme.CA().issue_cert("x@example.org").private_key_and_cert_chain_pem.write_to_path(str(path))
    with ScriptedServer(hang_up, tls=demanding) as server:
        error = failure(server, client_context(ca_certs=ca_file, cert_file=str(path)))
    assert "does not trust the client certificate" in error.hint


def test_encrypted_key_without_password_is_an_error_without_prompt(client_files: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="encrypted") as caught:
        client_context(cert_file=client_files["cert"], key_file=client_files["encrypted"])
    assert "password" in caught.value.hint


def test_unusable_files_are_errors(client_files: dict[str, str], ca_file: str, tmp_path: Path) -> None:
    empty, none = tmp_path / "empty", tmp_path / "none"
    empty.touch()
    wrong: list[tuple[dict[str, str], str]] = [
        ({"ca_certs": str(none)}, f"CA file '{none}': No such file or directory"),
        ({"ca_certs": str(empty)}, f"CA file '{empty}': no certificate or crl found"),
        ({"ca_certs": "a\0b"}, "CA file"),
        ({"cert_file": str(none)}, f"certificate '{none}': No such file or directory"),
        ({"cert_file": ca_file, "key_file": client_files["key"]}, f"with key '{client_files['key']}': "),
        ({"key_file": client_files["key"]}, "a TLS key without its certificate"),
    ]
    for arguments, message in wrong:
        with pytest.raises(UsageError) as caught:
            client_context(**arguments)  # type: ignore[arg-type]
        assert message in caught.value.message


def test_wrong_key_password_is_reported_and_not_shown(client_files: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="cannot use the TLS certificate") as caught:
        client_context(
            cert_file=client_files["cert"], key_file=client_files["encrypted"], password="sWordfish"
        )
    assert "sWordfish" not in str(caught.value)


# ----------------------------------------------------------------------------------- handshakes that fail


def test_server_with_tls_1_1_only_is_explained(authority: trustme.CA, ca_file: str) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(old)
    # OpenSSL 3 has TLS 1.1 at this level only, and Python warns of it.
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with ScriptedServer(hang_up, tls=old) as server:
        error = failure(server, client_context(ca_certs=ca_file))
    assert "older than 1.2" in error.hint


@pytest.mark.parametrize(
    ("greeting", "words", "hint"),
    [
        (b"ERROR\nmessage:speak STOMP\n\n\0", "the port speaks STOMP without TLS", "use stomp://"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "this is HTTP without TLS", "use ws://"),
        (b"I know nothing of TLS\r\n", "wrong version number", "the port does not speak TLS"),
    ],
)
def test_port_without_tls_is_explained(greeting: bytes, words: str, hint: str) -> None:
    with ScriptedServer(partial(send_all, text=greeting)) as server:
        error = failure(server, client_context())
    assert words in error.message
    assert hint in error.hint


def test_server_that_closes_is_explained() -> None:
    with ScriptedServer(hang_up) as server:
        error = failure(server, client_context())
    assert "the broker closed the connection" in error.message
    assert "may not speak TLS" in error.hint


def test_stalled_handshake_times_out() -> None:
    with ScriptedServer(say_nothing) as server:
        error = failure(server, client_context(), seconds=SHORT)
    assert error.message.endswith("failed: timed out")
    assert error.hint == "the port may not speak TLS"


def test_endless_handshake_times_out() -> None:
    class Endless(TlsLayer):
        def handshake(self, data: bytes = b"") -> bool:
            return False

    def babble(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"x")

    with ScriptedServer(babble) as server:
        address = Address("127.0.0.1", server.port, "tls")
        with (
            open_socket(address, Deadline(PATIENCE)) as sock,
            pytest.raises(ConnectFailed, match="timed out"),
        ):
            tls_handshake(sock, Endless(client_context(), "localhost"), address, Deadline(SHORT))


# ------------------------------------------------------------------------------------------- in memory


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def layers(
    request: pytest.FixtureRequest, accepting: ssl.SSLContext, ca_file: str
) -> tuple[TlsLayer, TlsLayer]:
    return joined(accepting, ca_file, request.param)


def joined(
    accepting: ssl.SSLContext, ca_file: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[TlsLayer, TlsLayer]:
    """A client and a server whose handshake is done."""
    accepting.maximum_version = version
    client = TlsLayer(client_context(ca_certs=ca_file), "localhost")
    server = TlsLayer(accepting, None, server_side=True)
    done = [client.handshake(), False]
    while not all(done):
        done = [done[0], done[1] or server.handshake(client.outgoing())]
        done = [done[0] or client.handshake(server.outgoing()), done[1]]
    client.receive(server.outgoing())  # the session tickets of TLS 1.3
    return client, server


def test_bytes_pass_both_ways(layers: tuple[TlsLayer, TlsLayer]) -> None:
    for ours, theirs in (layers, layers[::-1]):
        ours.send([b"SEND\n", b"", b"\n\0"])
        wire = ours.outgoing()
        assert b"SEND" not in wire
        assert theirs.receive(wire) == b"SEND\n\n\0"
        assert ours.outgoing() == b""
        assert theirs.receive(b"") == b""


def test_large_data_passes_both_ways(layers: tuple[TlsLayer, TlsLayer]) -> None:
    body = bytes(range(256)) * 20_000
    for ours, theirs in (layers, layers[::-1]):
        ours.send([body, b"end"])
        assert theirs.receive(ours.outgoing()) == body + b"end"


@given(
    parts=st.lists(st.binary(max_size=40_000), max_size=4),
    cuts=st.lists(st.integers(1, 30_000), max_size=20),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_stream_may_be_split_anywhere(accepting, ca_file, parts, cuts) -> None:
    for ours, theirs in (joined(accepting, ca_file), joined(accepting, ca_file)[::-1]):
        ours.send(parts)
        wire, got = ours.outgoing(), b""
        for cut in [*cuts, len(wire)]:
            got += theirs.receive(wire[:cut])
            wire = wire[cut:]
        assert got == b"".join(parts)
        assert not theirs.ended


@pytest.mark.parametrize("side", [0, 1])
def test_close_notify_is_sent_and_received(layers: tuple[TlsLayer, TlsLayer], side: int) -> None:
    ours, theirs = layers[side], layers[1 - side]
    ours.send([b"last words"])
    ours.close()
    assert not theirs.ended
    assert theirs.receive(ours.outgoing()) == b"last words"
    assert theirs.ended
    theirs.close()
    assert ours.receive(theirs.outgoing()) == b""
    assert ours.ended
    # Once more does no harm.
    ours.close()


def test_nothing_is_sent_after_close_notify(layers: tuple[TlsLayer, TlsLayer]) -> None:
    client, server = layers
    client.close()
    client.outgoing()
    with pytest.raises(OSError, match=r"(?i)shutdown"):
        client.send([b"more"])
    assert client.outgoing() == b""
    # The server may still have something to say.
    server.send([b"ERROR"])
    assert client.receive(server.outgoing()) == b"ERROR"
    assert client.receive(b"") == b""


def test_truncated_stream_is_not_an_orderly_end(layers: tuple[TlsLayer, TlsLayer]) -> None:
    client, server = layers
    server.send([b"half of this is lost"])
    wire = server.outgoing()
    assert client.receive(wire[: len(wire) // 2]) == b""
    # What a driver does when the socket is at its end.
    assert client.receive(b"") == b""
    assert not client.ended


def test_data_with_the_end_of_the_handshake_is_received(accepting: ssl.SSLContext, ca_file: str) -> None:
    accepting.maximum_version = ssl.TLSVersion.TLSv1_2  # here the server has the last word of a handshake
    client = TlsLayer(client_context(ca_certs=ca_file), "localhost")
    server = TlsLayer(accepting, None, server_side=True)
    client.handshake()
    server.handshake(client.outgoing())
    client.handshake(server.outgoing())
    assert server.handshake(client.outgoing())
    server.send([b"ERROR\n\n\0"])
    server.close()
    assert client.handshake(server.outgoing())
    assert client.receive(b"") == b"ERROR\n\n\0"
    assert client.ended


def test_forged_record_is_an_error_after_earlier_data(
    layers: tuple[TlsLayer, TlsLayer],
) -> None:
    client, server = layers
    server.send([b"good"])
    good = server.outgoing()
    server.send([b"evil"])
    evil = bytearray(server.outgoing())
    evil[-1] ^= 1
    assert client.receive(good + bytes(evil)) == b"good"
    for _ in range(2):
        with pytest.raises(ssl.SSLError):
            client.receive(b"")
    # The alert for the peer.
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        server.receive(client.outgoing())


def test_invalid_data_is_an_os_error(layers: tuple[TlsLayer, TlsLayer]) -> None:
    with pytest.raises(OSError, match=r"."):
        layers[0].receive(b"GET / HTTP/1.1\r\n\r\n")


def test_receiving_may_produce_output(
    accepting: ssl.SSLContext, authority: trustme.CA, ca_file: str, client_files: dict[str, str]
) -> None:
    """A server may ask for a certificate later on (RFC 8446, section 4.6.2), in the middle of frames."""
    authority.configure_trust(accepting)
    accepting.verify_mode = ssl.CERT_REQUIRED
    context = client_context(ca_certs=ca_file, cert_file=client_files["both"])
    accepting.post_handshake_auth = context.post_handshake_auth = True
    client, server = TlsLayer(context, "localhost"), TlsLayer(accepting, None, server_side=True)
    client.handshake()
    server.handshake(client.outgoing())
    assert client.handshake(server.outgoing())
    assert server.handshake(client.outgoing())
    client.receive(server.outgoing())
    server._tls.verify_client_post_handshake()
    server.send([b"MESSAGE"])
    assert client.receive(server.outgoing()) == b"MESSAGE"
    assert server.peer_certificate() == {}
    assert server.receive(client.outgoing()) == b""
    assert server.peer_certificate()
