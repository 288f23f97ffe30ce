"""A broker with its page, and an HTTP client for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from stomp.broker import Broker
from stomp.broker.http import Page
from stomp.broker.http.monitor import Monitor
from stomp.broker.server import Server

#: The type of the fixture `served`: makes an HTTP client for a running broker.
Served = Callable[..., httpx2.Client]


@contextmanager
def page_of(broker: Broker, **arguments: Any) -> Iterator[Page]:
    """The page of a broker that runs in a thread."""
    loop = broker._loop
    assert loop is not None

    async def make() -> Page:
        return await Page(broker, **arguments).__aenter__()

    page = asyncio.run_coroutine_threadsafe(make(), loop).result(20)
    try:
        yield page
    finally:
        if broker._loop is not None:
            asyncio.run_coroutine_threadsafe(page.__aexit__(), loop).result(20)


def server_of(broker: Broker) -> Server:
    """The parts of a running broker that are not public."""
    assert broker._server is not None
    return broker._server


def monitor_of(broker: Broker) -> Monitor:
    """The counters of a broker that has a page."""
    (found,) = (each for each in server_of(broker).frame_observers if isinstance(each, Monitor))
    return found


@pytest.fixture
def served() -> Iterator[Served]:
    with ExitStack() as stack:

        def serve(broker: Broker, **arguments: Any) -> httpx2.Client:
            page = stack.enter_context(page_of(broker, **arguments))
            return stack.enter_context(httpx2.Client(base_url=page.url, timeout=20, trust_env=False))

        yield serve


@pytest.fixture
def http(broker: Broker, served: Served) -> httpx2.Client:
    return served(broker)
