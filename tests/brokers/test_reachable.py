"""The ports that the other tests of this folder use are open; checked without the code under test."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.brokers.conftest import RealBroker, TlsVenues, trouble_with

CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\nlogin:admin\npasscode:password\n\n\0"


def connect_over_tls(host: str, port: int, name: str, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection((host, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as sock,
    ):
        sock.sendall(CONNECT)
        return sock.recv(4096)


def test_plain_port_connects(real_broker: RealBroker) -> None:
    assert trouble_with(real_broker.address, real_broker.user, real_broker.password) is None


def test_stompserver_connects(stompserver: RealBroker) -> None:
    assert trouble_with(stompserver.address) is None


@pytest.mark.parametrize("with_client_certificate", [False, True])
def test_tls_port_connects(real_broker: RealBroker, with_client_certificate: bool) -> None:
    assert real_broker.tls_port is not None
    context = ssl.create_default_context(cafile=real_broker.ca_file)
    if with_client_certificate:
        context.load_cert_chain(real_broker.client_cert, real_broker.client_key)
    answer = connect_over_tls(real_broker.host, real_broker.tls_port, "localhost", context)
    assert answer.startswith(b"CONNECTED")


def test_mutual_tls_connects(activemq: RealBroker) -> None:
    assert activemq.mtls_port is not None
    context = ssl.create_default_context(cafile=activemq.ca_file)
    context.load_cert_chain(activemq.client_cert, activemq.client_key)
    answer = connect_over_tls(activemq.host, activemq.mtls_port, "localhost", context)
    assert answer.startswith(b"CONNECTED")


@pytest.mark.parametrize("name", ["my.example.com", "my.example.org"])
def test_server_name_picks_the_certificate(haproxy: TlsVenues, name: str) -> None:
    ca: Path = haproxy.com_ca if name.endswith(".com") else haproxy.org_ca
    context = ssl.create_default_context(cafile=ca)
    assert connect_over_tls(haproxy.host, haproxy.sni_port, name, context).startswith(b"CONNECTED")


def test_expired_certificate_is_refused(haproxy: TlsVenues) -> None:
    context = ssl.create_default_context(cafile=haproxy.expired_ca)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        connect_over_tls(haproxy.host, haproxy.expired_port, "localhost", context)


def test_port_without_backend_is_an_error(haproxy: TlsVenues) -> None:
    with socket.create_connection((haproxy.host, haproxy.dead_port), timeout=5) as sock:
        assert sock.recv(1) == b""
