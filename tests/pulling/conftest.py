"""Fixtures for the suite of `stomp.Client` and `stomp.AsyncClient`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stomp.broker import Broker
from stomp.client.connect import TlsSettings
from stomp.testing.relay import Relay
from tests.pulling.faces import makers
from tests.pulling.places import Place
from tests.pulling.suite import through


@pytest.fixture(scope="session")
def embedded(server_tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    unix = tmp_path_factory.mktemp("sockets") / "stomp.sock"
    urls = [
        "stomp://127.0.0.1:0",
        "stomp+ssl://127.0.0.1:0",
        "ws://127.0.0.1:0/ws",
        "wss://127.0.0.1:0/ws",
        f"unix://{unix}",
    ]
    with Broker(listen=urls, users={"admin": "password"}, ssl_context=server_tls) as broker:
        yield broker


def at_embedded(broker: Broker, scheme: str, ca_file: str) -> Place:
    """The `Place` for one listening address of the embedded broker."""
    url = next(url for url in broker.urls if url.startswith(f"{scheme}:"))
    settings: dict[str, Any] = {}
    if scheme in ("stomp+ssl", "wss"):
        settings["tls"] = TlsSettings(ca_certs=ca_file)
    if scheme == "unix":
        return Place(
            f"{url}?login=admin&passcode=password",
            "embedded",
            f"{url}?login=admin&passcode=wrong-passcode",
        )
    place = url.partition("://")[2]
    return Place(
        f"{scheme}://admin:password@{place}", "embedded", f"{scheme}://admin:wrong-passcode@{place}", settings
    )


@pytest.fixture
def client(request: pytest.FixtureRequest, place: Place) -> Iterator[Any]:
    """A function that makes connected clients; they are closed after the test."""
    with makers(request.param, place) as make:
        yield make


@pytest.fixture
def relayed(place: Place) -> Iterator[tuple[Relay, str]]:
    """A relay to the broker of `place`, and the URL of that broker through the relay."""
    if place.url.startswith("unix"):
        pytest.skip("a relay leads to TCP")
    from stomp.net.address import parse

    [address] = parse(place.url).addresses
    with Relay(address.host, address.port) as relay:
        yield relay, through(relay, place)
