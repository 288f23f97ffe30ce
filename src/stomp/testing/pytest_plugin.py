"""Fixtures for pytest, there as soon as stompkit is installed: a broker, a relay in front of it, scripted servers.

::

    def test_an_order_is_sent(stomp_broker):
        my_program(stomp_broker.url)
        assert stomp_broker.depth("/queue/orders") == 1


    @pytest.mark.stomp_broker(users={"admin": "password"})
    def test_a_wrong_password(stomp_broker): ...

Nothing is imported before a test asks for one of them. To be rid of them: ``-p no:stompkit``.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from stomp import _installation

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from stomp.broker import Broker
    from stomp.testing.relay import Relay
    from stomp.testing.servers import Script, ScriptedServer


def pytest_configure(config: pytest.Config) -> None:
    """pytest: make the marker known."""
    config.addinivalue_line(
        "markers", "stomp_broker(**settings): settings of the broker of the fixture, see stomp.broker.Broker"
    )


def pytest_report_header() -> str | None:
    """pytest: name a stomp.py that was installed over stompkit.

    No error, as the tests may be those of a program that needs stomp.py. The fixtures fail, as all of stompkit does.
    """
    words = _installation.damage()
    return f"stompkit: {words}" if words else None


@pytest.fixture
def stomp_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """An embedded `stomp.broker.Broker` on a free port, for this test alone.

    ``broker.url`` tells where it is, ``broker.depth(destination)`` what it holds, and ``broker.disconnect_all()``
    drops all connections. Settings come by the marker ``stomp_broker``.
    """
    from stomp.broker import Broker

    marker = request.node.get_closest_marker("stomp_broker")
    with Broker(**(marker.kwargs if marker is not None else {})) as broker:
        yield broker


@pytest.fixture
def stomp_relay(stomp_broker: Broker) -> Iterator[Relay]:
    """A `stomp.testing.relay.Relay` in front of `stomp_broker`, on which a network can fail.

    Its address is ``relay.url``. What leads to it must be TCP or TLS: the first door of the broker.
    """
    from stomp.testing.relay import Relay

    with Relay(stomp_broker.host, stomp_broker.port) as relay:
        yield relay


@pytest.fixture
def stomp_server() -> Iterator[Callable[..., ScriptedServer]]:
    """Makes a `stomp.testing.servers.ScriptedServer`: ``stomp_server(script, ...)``. It ends with the test.

    The scripts in `stomp.testing.servers` greet, refuse, hang up, and say nothing.
    """
    from stomp.testing.servers import ScriptedServer

    with contextlib.ExitStack() as servers:

        def serve(*scripts: Script, tls: ssl.SSLContext | None = None) -> ScriptedServer:
            return servers.enter_context(ScriptedServer(*scripts, tls=tls))

        yield serve
