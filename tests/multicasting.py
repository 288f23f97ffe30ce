"""Multicast for tests: whether this machine supports it, and an unused port for the group."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stomp.adapter import multicast
from stomp.core.errors import ConnectFailed
from tests.ports import one_port, port_of


@functools.cache
def trouble() -> str | None:
    """The reason why multicast does not work on this machine, or None."""
    try:
        with multicast._open_group_socket(multicast.MCAST_GRP, 0) as sock:
            sock.settimeout(2)
            sock.sendto(b"?", (multicast.MCAST_GRP, sock.getsockname()[1]))
            sock.recv(1)
    except (OSError, ConnectFailed) as err:
        return str(err)
    return None


@contextmanager
def group_of_our_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Use a multicast port that no other program uses; yields it. Skips the test if there is no multicast."""
    if reason := trouble():
        pytest.skip(f"this machine has no multicast: {reason}")
    # The members bind to the group address, so they do not conflict with this socket on 127.0.0.1.
    with one_port("127.0.0.1", kind=socket.SOCK_DGRAM) as socks:
        port = port_of(socks["127.0.0.1"])
        monkeypatch.setattr(multicast, "MCAST_PORT", port)
        yield port
