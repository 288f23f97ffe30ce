"""A lock that records its owner, to check that code runs without holding it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from stomp.client.sync import driver, waiting
from stomp.client.threads.link import Link


class OwnedLock:
    """A `threading.Lock` that records its owner."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        acquired = self._lock.acquire(blocking, timeout)
        if acquired:
            self._owner = threading.get_ident()
        return acquired

    def release(self) -> None:
        self._owner = 0
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *why: object) -> None:
        self.release()

    @property
    def mine(self) -> bool:
        """True if the calling thread holds the lock."""
        return self._owner == threading.get_ident()


def own_lock(monkeypatch: pytest.MonkeyPatch) -> list[OwnedLock]:
    """Replace the lock of each new client by an `OwnedLock`; returns the list that they are added to."""
    locks: list[OwnedLock] = []
    setup = driver.SyncDriver._setup

    def with_lock(self: Any, settings: Any) -> None:
        setup(self, settings)
        self._lock = OwnedLock()
        locks.append(self._lock)

    monkeypatch.setattr(driver.SyncDriver, "_setup", with_lock)
    return locks


def watched_links(monkeypatch: pytest.MonkeyPatch, locks: list[OwnedLock]) -> list[str]:
    """Return a list that records each method of a link that writes or closes and is called under one of the locks."""
    faults: list[str] = []

    class WatchedLink(Link):
        pass

    def watch(name: str) -> None:
        original = getattr(Link, name)

        def method(self: Link, *args: Any, **kwargs: Any) -> Any:
            if any(lock.mine for lock in locks):
                faults.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(WatchedLink, name, method, raising=False)

    for name in (
        "transmit",
        "send_raw",
        "flush",
        "close",
        "flush_within",
        "_write",
        "_close_socket",
        "_shutdown_socket",
    ):
        watch(name)
    monkeypatch.setattr(waiting, "Link", WatchedLink)
    return faults
