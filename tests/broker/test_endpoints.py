"""Listening addresses: their URLs, and the sockets of each."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path

import pytest

from stomp.broker.endpoints import file_identity, listen_unix, parse_endpoint, remove_unix
from stomp.core.errors import AddressError
from stomp.net.address import Address

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("stomp://127.0.0.1:0", Address("127.0.0.1", 0)),
        ("stomp://127.0.0.1", Address("127.0.0.1", 61613)),
        ("stomp+ssl://localhost:0", Address("localhost", 0, "tls")),
        ("ws://[::1]:0/ws", Address("::1", 0, "ws", "/ws")),
        ("WSS://localhost:15673", Address("localhost", 15673, "wss")),
        ("unix:///tmp/a%20b:0", Address("", 0, "unix", "/tmp/a b:0")),
    ],
)
def test_endpoint_urls_are_parsed(url: str, address: Address) -> None:
    assert parse_endpoint(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "stomp://a:0,b:0",
        "stomp://a,b",
        "stomp://me:pw@a:1",
        "stomp://a:1/vhost",
        "stomp://a:1?x=y",
        "ftp://a",
    ],
)
def test_invalid_endpoint_urls_are_refused(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_endpoint(url)
    assert "pw" not in str(caught.value)


def test_unused_socket_file_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    listen_unix(path).close()
    with listen_unix(path) as sock:
        assert sock.getsockname() == path


def test_socket_file_in_use_is_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(path)
        owner.listen(1)
        with pytest.raises(OSError, match="in use") as caught:
            listen_unix(path)
        assert caught.value.errno == errno.EADDRINUSE
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_other_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("own")
    with pytest.raises(OSError, match="in use"):
        listen_unix(str(path))
    assert path.read_text() == "own"


def test_only_the_own_socket_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listen_unix(str(path)):
        identity = file_identity(str(path))
        remove_unix(str(path), (0, 0))
        assert path.exists()
        remove_unix(str(path), identity)
        remove_unix(str(path), identity)
        assert not path.exists()
