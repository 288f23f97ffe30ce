"""Fixtures for tests in more than one folder."""

from __future__ import annotations

import gc
import os
import ssl

import pytest
from hypothesis import HealthCheck, settings

# Assertions in modules that tests share show values, too. This must precede the import of any of them.
SHARED = (
    "broker",
    "brokers",
    "cli",
    "conformance",
    "core",
    "kombu",
    "listening",
    "printed",
    "processes",
    "pulling",
)
pytest.register_assert_rewrite(*(f"tests.{name}" for name in SHARED))

from stomp.broker import Broker  # noqa: E402
from stomp.core.frames import native as native_codec  # noqa: E402
from tests import listening, lock_order  # noqa: E402
from tests.ports import LOOPBACK, one_port, port_of  # noqa: E402

# A busy machine is no defect. tests/properties/conftest.py sets how many examples are tried.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

#: With ``STOMP_REQUIRE_NATIVE=1``, as in ``make test-native``, the native codec must be installed.
CODECS = (
    ["pure", "native"] if native_codec.native or os.environ.get("STOMP_REQUIRE_NATIVE") == "1" else ["pure"]
)


def pytest_configure(config: pytest.Config) -> None:
    """Measure the coverage of this process alone: the programs that tests start inherit the environment.

    `make coverage` sets the variable. The controller of pytest-xdist leaves it to its workers.
    """
    if not config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        os.environ.pop("COVERAGE_PROCESS_START", None)
        # Collecting makes a million objects and no garbage: looking for it takes a fifth of the time, in each worker.
        gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a slow test without a reason. It gets 5 minutes, because a busy machine takes several times as long."""
    for item in items:
        for mark in item.iter_markers("slow"):
            if not mark.kwargs.get("reason"):
                raise pytest.UsageError(f"{item.nodeid}: use pytest.mark.slow(reason=...)")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))


def pytest_collection_finish() -> None:
    """Exempt the objects that exist now: many tests collect garbage, and would look at ten thousand tests each time."""
    gc.enable()
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="module", params=CODECS)
def each_codec(request):
    """Run the tests of a module with each installed codec."""
    assert request.param == "pure" or native_codec.native, "stompkit-native is not installed: make native"
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pure":
            patch.setattr(native_codec, "native", None)
        yield request.param


@pytest.fixture(autouse=True)
def own_threads():
    """See `tests.listening.OLDER`."""
    listening.OLDER.clear()
    listening.OLDER.update(listening.stomp_threads())


lock_order.install(lock_order.MONITOR)


@pytest.fixture(autouse=True)
def lock_faults():
    """The locks of the package are taken in the order of the table in the documentation: see `tests.lock_order`."""
    yield
    faults, lock_order.MONITOR.faults = lock_order.MONITOR.faults, []
    assert not faults


@pytest.fixture
def broker():
    """An embedded broker that accepts every login."""
    with Broker() as running:
        yield running


@pytest.fixture(scope="session")
def authority():
    """A certificate authority."""
    import trustme  # not where the tests of the core run alone, see "make test-core"

    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority, tmp_path_factory):
    """A PEM file with the certificate of the authority."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="session")
def server_tls(authority):
    """A TLS context for a server at localhost or 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def tls_broker(server_tls):
    """An embedded broker with TLS."""
    with Broker(ssl_context=server_tls) as running:
        yield running


@pytest.fixture
def free_port():
    """A port that refuses connections on every loopback address, until the test listens on it."""
    with one_port(*LOOPBACK) as socks:
        yield port_of(socks["127.0.0.1"])
