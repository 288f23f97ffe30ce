"""Programs that replace `stomp.transport.ssl`, `stomp.transport.socket` or functions of `socket`.

The forms are those of published programs: a bot that has the system's authorities loaded, and one that accepts a
certificate of another name, both by a stand-in for `stomp.transport.ssl`; tests and tools that replace functions.
"""

from __future__ import annotations

import socket
import ssl
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

import stomp
import stomp.transport
from stomp.core.errors import ConnectFailed, UsageError
from stomp.exception import ConnectFailedException
from stomp.net import tls
from stomp.testing.servers import ScriptedServer, greet
from tests.websocket_endpoint import WebSocketEndpoint

MARKER = "/the/authorities/of/the/system/"
#: Nobody's name.
ELSEWHERE = ("broker.example", 61613)
real_create_connection = socket.create_connection


def connects(conn: Any) -> bool:
    conn.connect(wait=True)
    connected: bool = conn.is_connected()
    conn.disconnect()
    return connected


class DedicatedSSL:
    """A stand-in for the module `ssl` that hands on everything but its context."""

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name) if name == "SSLContext" else getattr(ssl, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise NotImplementedError

    class SSLContext(ssl.SSLContext):
        system: str  # a file: the tests must not depend on the system

        def __new__(cls, protocol: Any = None, *args: Any, **kwargs: Any) -> DedicatedSSL.SSLContext:
            context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT, *args, **kwargs)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            return context

        def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
            super().load_verify_locations(self.system if cafile == MARKER else cafile, capath, cadata)


def test_a_replaced_ssl_module_decides_which_authorities_are_loaded(tls_broker, ca_file, monkeypatch):
    monkeypatch.setattr(DedicatedSSL.SSLContext, "system", ca_file, raising=False)
    hosts = [(tls_broker.host, tls_broker.port)]
    conn = stomp.Connection(host_and_ports=hosts, reconnect_attempts_max=1)
    conn.set_ssl(hosts, ca_certs=MARKER)
    with pytest.raises(UsageError, match="the TLS CA file"):
        conn.connect(wait=True)
    with mock.patch("stomp.transport.ssl", DedicatedSSL()):
        assert connects(conn)


class PreparedSSL:
    """A stand-in for the module `ssl` whose context is that of the program."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(ssl, name)

    def SSLContext(self, *_: Any, **__: Any) -> ssl.SSLContext:
        return self.context


@pytest.fixture
def resolved(monkeypatch):
    """`broker.example` is this machine, by `socket.create_connection`."""

    def create_connection(address: Any, *args: Any, **kwargs: Any) -> socket.socket:
        return real_create_connection(("127.0.0.1", address[1]), *args, **kwargs)

    replaced = mock.Mock(side_effect=create_connection)
    monkeypatch.setattr(socket, "create_connection", replaced)
    return replaced


def test_a_replaced_ssl_module_decides_whether_the_name_is_checked(server_tls, ca_file, resolved):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca_file)
    with ScriptedServer(greet, tls=server_tls) as server:
        hosts = [("broker.example", server.port)]
        conn = stomp.Connection12(hosts, reconnect_attempts_max=1)
        conn.transport.set_ssl(for_hosts=hosts, ca_certs=ca_file)
        with pytest.raises(ConnectFailed, match="certificate not accepted"):
            conn.connect(wait=True)
        original = stomp.transport.ssl
        stomp.transport.ssl = PreparedSSL(context)
        try:
            conn.connect(wait=True)
        finally:
            stomp.transport.ssl = original
        assert conn.is_connected()
        conn.transport.disconnect_socket()
        # The module is in its place again, under a name of its own.
        with pytest.raises(ConnectFailed, match="certificate not accepted"):
            conn.connect(wait=True)


def test_a_replaced_ssl_module_still_verifies_the_certificate(server_tls, resolved):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with ScriptedServer(greet, tls=server_tls) as server:
        hosts = [("broker.example", server.port)]
        conn = stomp.Connection12(hosts, reconnect_attempts_max=1)
        conn.set_ssl(hosts)
        with mock.patch("stomp.transport.ssl", PreparedSSL(context)):
            # As in stomp.py, set_ssl(verify=...) decides.
            with pytest.raises(ConnectFailed, match="certificate not accepted"):
                conn.connect(wait=True)
            conn.set_ssl(hosts, verify=False)
            conn.connect(wait=True)
        conn.transport.disconnect_socket()


def test_context_of_set_ssl_overrides_a_replaced_module(tls_broker, ca_file):
    hosts = [(tls_broker.host, tls_broker.port)]
    conn = stomp.Connection(hosts)
    conn.set_ssl(hosts, ssl_context=tls.client_context(ca_certs=ca_file))
    with mock.patch("stomp.transport.ssl", SimpleNamespace(SSLContext=None)):
        assert connects(conn)


def test_a_replaced_ssl_module_is_used_for_websockets(broker, server_tls, ca_file, monkeypatch):
    pytest.importorskip("websockets")
    monkeypatch.setattr(DedicatedSSL.SSLContext, "system", ca_file, raising=False)
    with ScriptedServer(WebSocketEndpoint((broker.host, broker.port)), tls=server_tls) as server:
        conn = stomp.WSConnection([server.address])
        conn.set_ssl([server.address], ca_certs=MARKER)
        with mock.patch("stomp.transport.ssl", DedicatedSSL()):
            assert connects(conn)


@pytest.mark.parametrize("name", ["stomp.transport.socket.create_connection", "socket.create_connection"])
def test_a_replaced_create_connection_is_called_as_stomp_py_does(broker, name):
    def create_connection(address: Any, timeout: Any) -> socket.socket:
        assert address == ELSEWHERE
        return real_create_connection((broker.host, broker.port), timeout)

    with mock.patch(name, side_effect=create_connection) as replaced:
        conn = stomp.Connection12([ELSEWHERE], timeout=7)
        assert connects(conn)
    replaced.assert_called_once_with(ELSEWHERE, 7)


def test_replaced_create_connection_gets_the_bind_address(broker):
    with mock.patch("socket.create_connection", side_effect=ConnectionRefusedError) as replaced:
        conn = stomp.Connection12([ELSEWHERE], reconnect_attempts_max=1, bind_host_port=("127.0.0.1", 0))
        with pytest.raises(ConnectFailedException):
            conn.connect(wait=True)
    replaced.assert_called_once_with(ELSEWHERE, 30.0, ("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (TimeoutError("timed out"), "timed out"),
        (socket.gaierror(-2, "No such name"), "no such name"),
    ],
)
def test_error_of_a_replaced_create_connection_is_the_cause(error, words):
    with mock.patch("stomp.transport.socket.create_connection", side_effect=error) as replaced:
        conn = stomp.Connection([ELSEWHERE], reconnect_attempts_max=2, reconnect_sleep_initial=0.001)
        with pytest.raises(ConnectFailedException, match=f"to broker.example:61613: {words}") as caught:
            conn.connect(wait=True)
    assert replaced.call_count == 2
    failure: Any = caught.value.failures[-1]
    assert failure.failures == (error,)


def test_a_replaced_socket_module_is_used(broker):
    module = SimpleNamespace(
        create_connection=lambda address, timeout: real_create_connection((broker.host, broker.port), timeout)
    )
    with mock.patch("stomp.transport.socket", module):
        conn = stomp.Connection12([ELSEWHERE])
        assert connects(conn)


def test_replaced_functions_of_the_socket_module_are_used(broker, monkeypatch):
    made = []

    class Counted(socket.socket):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    def getaddrinfo(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        assert host == "broker.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (broker.host, broker.port))]

    monkeypatch.setattr(socket, "socket", Counted)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert connects(stomp.Connection12([ELSEWHERE]))
    assert made


def test_client_does_not_use_replaced_functions(broker):
    """Its arguments do what programs replace functions for; in a test, `socket.socket` and `getaddrinfo` still work."""
    with mock.patch("socket.create_connection", side_effect=AssertionError):
        stomp.Client(f"stomp://{broker.host}:{broker.port}").connect().close()


@pytest.mark.parametrize("home", ["gevent.socket", "eventlet.green.socket", "socket"])
def test_other_thread_classes_replace_nothing(broker, home, monkeypatch):
    """They bring a create_connection that does the same; ours tries all addresses of a name in turns."""

    def create_connection(*_: Any) -> Any:
        raise AssertionError

    create_connection.__module__ = home
    monkeypatch.setattr(socket, "create_connection", create_connection)
    assert connects(stomp.Connection12([(broker.host, broker.port)]))
