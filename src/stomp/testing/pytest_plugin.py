"""Fixtures for pytest, available when stompkit is installed: a broker, a relay in front of it, scripted servers.

::

    def test_an_order_is_sent(stomp_broker):
        my_program(stomp_broker.url)
        assert stomp_broker.depth("/queue/orders") == 1


    @pytest.mark.stomp_broker(users={"admin": "password"})
    def test_a_wrong_password(stomp_broker): ...

The modules behind a fixture are imported when a test first uses it. ``-p no:stompkit`` disables the plugin.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from stomp import _installation

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

    from _pytest.nodes import Node

    from stomp.broker import Broker
    from stomp.testing.relay import Relay
    from stomp.testing.servers import Script, ScriptedServer


def pytest_configure(config: pytest.Config) -> None:
    """pytest: register the marker ``stomp_broker``."""
    config.addinivalue_line(
        "markers", "stomp_broker(**settings): settings of the broker of the fixture, see stomp.broker.Broker"
    )


def pytest_report_header() -> str | None:
    """pytest: report if stomp.py was installed over stompkit.

    This is no error here, because the tests may belong to a program that needs stomp.py. Using a fixture fails.
    """
    words = _installation.damage()
    return f"stompkit: {words}" if words else None


@pytest.fixture(scope="session")
def stomp_broker_settings() -> dict[str, Any]:
    """Arguments of `stomp.broker.Broker` for the brokers of all fixtures. Override it in conftest.py."""
    return {}


@pytest.fixture
def stomp_broker(request: pytest.FixtureRequest, stomp_broker_settings: dict[str, Any]) -> Iterator[Broker]:
    """A running embedded `stomp.broker.Broker` on a free port; each test gets a new one.

    ``broker.url`` is its URL, ``broker.depth(destination)`` returns the number of messages of a destination, and
    ``broker.disconnect_all()`` closes all connections. The marker ``@pytest.mark.stomp_broker(...)`` passes
    keyword arguments to `Broker`.
    """
    yield from _broker({**stomp_broker_settings, **_marker_settings(request.node)})


@pytest.fixture(scope="module")
def stomp_module_broker(
    request: pytest.FixtureRequest, stomp_broker_settings: dict[str, Any]
) -> Iterator[Broker]:
    """As `stomp_broker`, but one for all tests of a module; ``pytestmark`` sets the marker of a module.

    With pytest-xdist, each worker that runs tests of the module has its own. Messages remain for the next test, so each
    test should use its own destinations.
    """
    yield from _broker({**stomp_broker_settings, **_marker_settings(request.node)})


@pytest.fixture(scope="session")
def stomp_session_broker(stomp_broker_settings: dict[str, Any]) -> Iterator[Broker]:
    """As `stomp_broker`, but one for all tests; with pytest-xdist, one for each worker.

    Messages remain for the next test, so each test should use its own destinations. The marker has no effect on it.
    """
    yield from _broker(stomp_broker_settings)


def _broker(settings: dict[str, Any]) -> Iterator[Broker]:
    from stomp.broker import Broker

    with Broker(**settings) as broker:
        yield broker


def _marker_settings(node: Node) -> dict[str, Any]:
    marker = node.get_closest_marker("stomp_broker")
    if marker is None:
        return {}
    if marker.args:
        raise pytest.UsageError(
            f"{node.nodeid}: the marker stomp_broker has positional arguments: pass keywords, as in"
            " @pytest.mark.stomp_broker(heartbeat=(0, 0))"
        )
    _check_names(node, marker.kwargs)
    return dict(marker.kwargs)


def _check_names(node: Node, names: Iterable[str]) -> None:
    from inspect import signature

    from stomp.broker import Broker
    from stomp.core.spellings import OTHER, nearest

    known = [*signature(Broker).parameters]
    for name in names:
        if OTHER.get(name, name) not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else "see the arguments of stomp.broker.Broker"
            raise pytest.UsageError(f"{node.nodeid}: the marker stomp_broker has no setting {name!r}: {hint}")


@pytest.fixture
def stomp_relay(stomp_broker: Broker) -> Iterator[Relay]:
    """A `stomp.testing.relay.Relay` in front of `stomp_broker`, to simulate network failures.

    Connect to ``relay.url``. The relay forwards to the first address of the broker, which must use TCP or TLS.
    """
    from stomp.testing.relay import Relay

    with Relay(stomp_broker.host, stomp_broker.port) as relay:
        yield relay


@pytest.fixture
def stomp_server() -> Iterator[Callable[..., ScriptedServer]]:
    """A function that starts a `stomp.testing.servers.ScriptedServer`: ``server = stomp_server(script, ...)``.

    The arguments are the scripts, one for each client, and ``tls=``, an `ssl.SSLContext`. Scripts are in
    `stomp.testing.servers`: ``greet``, ``refuse``, ``hang_up``, ``say_nothing`` and others. The server is closed when
    the test ends.
    """
    from stomp.testing.servers import ScriptedServer

    with contextlib.ExitStack() as servers:

        def serve(*scripts: Script, tls: ssl.SSLContext | None = None) -> ScriptedServer:
            return servers.enter_context(ScriptedServer(*scripts, tls=tls))

        yield serve
