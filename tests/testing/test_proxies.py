"""The proxies of the test kit do what real ones do; `stomp.client.connect` passes through them with every transport."""

from __future__ import annotations

import socket
import ssl

import pytest

from stomp.broker import Broker
from stomp.client.connect import Stream, TlsSettings, open_stream
from stomp.client.options import Options
from stomp.core.errors import AddressError, ConnectFailed
from stomp.net.address import Address, parse
from stomp.testing.proxies import HttpProxy, Socks5Proxy
from stomp.testing.servers import ScriptedServer, hang_up, say_nothing
from tests.broker.rawclient import PATIENCE

LOGIN = ("me", "s:cret@4711")
KINDS = {"http": HttpProxy, "socks5": Socks5Proxy}
TRANSPORTS = ("stomp", "stomp+ssl", "ws", "wss")

either = pytest.mark.parametrize("kind", KINDS)


def talks(stream: Stream) -> bool:
    """True if a broker is at the other end."""
    with stream.sock as sock:
        sock.settimeout(PATIENCE)
        said = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0"
        if stream.layer is not None:
            stream.layer.send([said])
            said = stream.layer.outgoing()
        sock.sendall(said)
        received = b""
        while b"CONNECTED" not in received:
            data = sock.recv(65536)
            assert data
            received += stream.layer.receive(data) if stream.layer is not None else data
    return True


@either
@pytest.mark.parametrize("scheme", TRANSPORTS)
def test_every_transport_passes_through_the_proxy(
    kind: str, scheme: str, server_tls: ssl.SSLContext, authority: object
) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)  # type: ignore[attr-defined]
    proxy = KINDS[kind](login=LOGIN)
    with (
        Broker(listen=f"{scheme}://127.0.0.1:0", ssl_context=server_tls) as broker,
        ScriptedServer(proxy) as server,
    ):
        # Only the proxy knows this name, except that the certificate is for it, too.
        proxy.hosts["localhost"] = "127.0.0.1"
        address = Address("localhost", broker.port, parse(broker.url).addresses[0].transport)
        options = Options(
            proxy=f"{kind}://me:s%3Acret%404711@127.0.0.1:{server.port}", connect_timeout=PATIENCE
        )
        tls = TlsSettings(context=trusting) if scheme in ("stomp+ssl", "wss") else None
        assert talks(open_stream(address, options, tls))
        assert proxy.requested == [("localhost", broker.port)]


@either
def test_proxy_resolves_the_host_name(kind: str, broker: Broker) -> None:
    proxy = KINDS[kind]()
    proxy.hosts["only.the.proxy.knows"] = "127.0.0.1"
    with ScriptedServer(proxy) as server:
        options = Options(proxy=f"{kind}://127.0.0.1:{server.port}", connect_timeout=PATIENCE)
        assert talks(open_stream(Address("only.the.proxy.knows", broker.port), options, None))


@either
def test_numeric_address_and_unneeded_login_are_accepted(kind: str, broker: Broker) -> None:
    with ScriptedServer(KINDS[kind]()) as server:
        options = Options(proxy=f"{kind}://me:pw@127.0.0.1:{server.port}", connect_timeout=PATIENCE)
        assert talks(open_stream(Address("127.0.0.1", broker.port), options, None))


@either
@pytest.mark.parametrize("who", ["", "me:wrong-4711@"])
def test_wrong_login_is_refused(kind: str, who: str, broker: Broker) -> None:
    with ScriptedServer(KINDS[kind](login=LOGIN)) as server:
        options = Options(proxy=f"{kind}://{who}127.0.0.1:{server.port}", connect_timeout=PATIENCE)
        with pytest.raises(ConnectFailed, match="cannot reach") as caught:
            open_stream(Address("127.0.0.1", broker.port), options, None)
    assert caught.value.phase == "proxy"
    assert caught.value.address == f"127.0.0.1:{broker.port}"
    assert "passcode" in caught.value.hint
    assert "wrong-4711" not in str(caught.value) + repr(caught.value) + repr(options)


@either
def test_unreachable_broker_is_reported_by_the_proxy(kind: str, free_port: int) -> None:
    with ScriptedServer(KINDS[kind]()) as server:
        options = Options(proxy=f"{kind}://127.0.0.1:{server.port}", connect_timeout=PATIENCE)
        with pytest.raises(
            ConnectFailed, match="HTTP 502" if kind == "http" else "the broker refused"
        ) as caught:
            open_stream(Address("127.0.0.1", free_port), options, None)
    assert caught.value.phase == "proxy"


@either
def test_unreachable_proxy_is_an_error(kind: str, free_port: int) -> None:
    options = Options(proxy=f"{kind}://127.0.0.1:{free_port}", connect_timeout=PATIENCE)
    with pytest.raises(ConnectFailed, match=r"cannot reach the proxy .*refused") as caught:
        open_stream(Address("broker.example.com", 61613), options, None)
    assert caught.value.phase == "proxy"
    assert caught.value.address == "broker.example.com:61613"


@either
def test_proxy_that_closes_is_an_error(kind: str) -> None:
    with ScriptedServer(hang_up) as server:
        options = Options(proxy=f"{kind}://127.0.0.1:{server.port}", connect_timeout=PATIENCE)
        with pytest.raises(ConnectFailed) as caught:
            open_stream(Address("broker.example.com", 61613), options, None)
    assert caught.value.phase == "proxy"


@either
def test_silent_proxy_times_out(kind: str) -> None:
    with ScriptedServer(say_nothing) as server:
        options = Options(proxy=f"{kind}://127.0.0.1:{server.port}", connect_timeout=0.1)
        with pytest.raises(ConnectFailed, match="timed out") as caught:
            open_stream(Address("broker.example.com", 61613), options, None)
    assert caught.value.phase == "proxy"


def test_http_without_connect_is_refused() -> None:
    with (
        ScriptedServer(HttpProxy()) as server,
        socket.create_connection(server.address, timeout=PATIENCE) as sock,
    ):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 405 ")


def test_invalid_proxy_is_refused_before_a_socket_is_opened() -> None:
    with pytest.raises(AddressError, match="https"):
        open_stream(Address("broker.example.com", 61613), Options(proxy="https://proxy"), None)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
def test_unix_sockets_need_no_proxy(tmp_path: object, free_port: int) -> None:
    with Broker(listen=f"unix://{tmp_path}/broker.sock") as broker:
        options = Options(proxy=f"http://127.0.0.1:{free_port}", connect_timeout=PATIENCE)
        assert talks(open_stream(parse(broker.url).addresses[0], options, None))
