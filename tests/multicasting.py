"""Multicast for tests: whether this machine has it, and a group that nobody else is in."""

from __future__ import annotations

import functools
import socket

import pytest

from stomp.adapter import multicast
from stomp.core.errors import ConnectFailed


@functools.cache
def trouble() -> str | None:
    """What keeps multicast from working here, or None."""
    try:
        with multicast._join(multicast.MCAST_GRP, 0) as sock:
            sock.settimeout(2)
            sock.sendto(b"?", (multicast.MCAST_GRP, sock.getsockname()[1]))
            sock.recv(1)
    except (OSError, ConnectFailed) as err:
        return str(err)
    return None


def use_a_group_of_our_own(monkeypatch: pytest.MonkeyPatch) -> int:
    """Have the test use a port of its own, and return it; skips where there is no multicast."""
    if reason := trouble():
        pytest.skip(f"this machine has no multicast: {reason}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        free: int = sock.getsockname()[1]
    monkeypatch.setattr(multicast, "MCAST_PORT", free)
    return free
