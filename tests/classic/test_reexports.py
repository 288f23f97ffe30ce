"""Names found where programs look for them, and nothing loaded for those that nobody asks for."""

import importlib
import socket
import ssl
import subprocess
import sys

import pytest

import stomp
from stomp import connect, listener, protocol, transport, utils


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        (connect, "ConnectionListener", listener.ConnectionListener),
        (connect, "Protocol12", protocol.Protocol12),
        (connect, "BaseTransport", transport.BaseTransport),
        (connect, "HDR_RECEIPT", "receipt"),
        (connect, "merge_headers", utils.merge_headers),
        (protocol, "PrintingListener", listener.PrintingListener),
        (protocol, "ConnectFailedException", stomp.exception.ConnectFailedException),
        (protocol, "log", stomp.log),
        (transport, "ssl", ssl),
        (transport, "SSLError", ssl.SSLError),
        (transport, "DEFAULT_SSL_VERSION", ssl.PROTOCOL_TLS_CLIENT),
        (transport, "logging", stomp.log),
        (transport, "log", stomp.log),
        (transport, "stomp", stomp),
        (transport, "LINUX_KEEPALIVE_AVAIL", hasattr(socket, "TCP_KEEPIDLE")),
        (transport, "MAC_KEEPALIVE_AVAIL", True),
        (transport, "Frame", utils.Frame),
        (listener, "utils", utils),
    ],
)
def test_reexported_names_exist(module, name, expected):
    assert getattr(module, name) == expected


@pytest.mark.parametrize("module", [connect, listener, protocol, transport])
@pytest.mark.parametrize("name", ["nothing", "_private", "__dunder__"])
def test_unknown_names_raise_attribute_error(module, name):
    with pytest.raises(AttributeError, match=name):
        getattr(module, name)


@pytest.mark.parametrize("module", ["connect", "protocol", "transport", "listener"])
def test_star_imports_reexport_all_names_without_dns_lookup(module):
    names: dict[str, object] = {}
    exec(f"from stomp.{module} import *", names)
    for name in (
        ("ConnectionListener", "HDR_ID", "log", "utils") if module != "transport" else ("Frame", "ssl")
    ):
        assert name in names
    assert "LOCALHOST_NAMES" not in names
    assert getattr(connect, "LOCALHOST_NAMES")[0] == "localhost"  # noqa: B009


def test_ssl_is_imported_on_access():
    program = "import stomp.transport, sys; assert 'ssl' not in sys.modules; stomp.transport.ssl.PROTOCOL_TLS_CLIENT"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


@pytest.fixture
def reloadable():
    """Reloading makes new classes; the others are to go on with the old ones."""
    before = dict(vars(transport))
    yield
    vars(transport).update(before)


@pytest.mark.usefixtures("reloadable")
def test_reloaded_transport_sees_system_constants(monkeypatch):
    monkeypatch.delattr("ssl.PROTOCOL_TLS_CLIENT")
    monkeypatch.delattr("socket.SO_KEEPALIVE")
    importlib.reload(transport)
    assert transport.DEFAULT_SSL_VERSION is None
    assert transport.LINUX_KEEPALIVE_AVAIL is transport.MAC_KEEPALIVE_AVAIL is False
    names: dict[str, object] = {}
    exec("from stomp.transport import *", names)
    assert "SO_KEEPALIVE" not in names


def test_names_can_be_patched(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("stomp.transport.DEFAULT_SSL_VERSION", "patched")
        assert transport.DEFAULT_SSL_VERSION == "patched"
    assert transport.DEFAULT_SSL_VERSION is ssl.PROTOCOL_TLS_CLIENT
    vars(transport).pop("DEFAULT_SSL_VERSION", None)
