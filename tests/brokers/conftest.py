"""Where the real brokers are, for the tests in this folder.

The addresses come from ``eval "$(scripts/brokers env)"``, and without it from the ports that scripts/brokers
uses by default. Every test here carries the marker ``broker``. A broker that is down skips its tests, unless
``STOMP_REQUIRE_BROKERS`` names it, as in ``make test-brokers``: then it fails them. ``1`` names all brokers.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import stomp
from stomp.broker import Broker
from stomp.net.address import parse
from tests.conformance.venues import numbers

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORK = Path(os.environ.get("BROKERS_WORK") or ROOT / ".brokers")
TLS = Path(os.environ.get("BROKERS_TLS_DIR") or WORK / "tls")


@dataclass(frozen=True)
class RealBroker:
    """A broker that answers CONNECT. A port that it does not have is None."""

    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    vhost: str = "/"
    tls_port: int | None = None
    mtls_port: int | None = None  # demands a client certificate
    ws_url: str | None = None
    wss_url: str | None = None
    ca_file: Path = TLS / "server.crt"
    client_cert: Path = TLS / "client.crt"
    client_key: Path = TLS / "client.key"

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port


@dataclass(frozen=True)
class TlsVenues:
    """haproxy in front of ActiveMQ: ports that a broker by itself does not offer."""

    host: str
    sni_port: int  # my.example.com or my.example.org, whichever the client names
    expired_port: int  # a certificate that has expired
    dead_port: int  # accepts, then closes
    com_ca: Path = TLS / "com.crt"
    org_ca: Path = TLS / "org.crt"
    expired_ca: Path = TLS / "expired.crt"


def address_of(variable: str, default_port: int) -> tuple[str, int]:
    host, _, port = os.environ.get(variable, f"127.0.0.1:{default_port}").rpartition(":")
    return host, int(port)


def require(name: str, trouble: str | None) -> None:
    """Skip or fail, if there is trouble; which of the two is up to STOMP_REQUIRE_BROKERS."""
    if trouble is None:
        return
    required = os.environ.get("STOMP_REQUIRE_BROKERS", "").split()
    reason = f'{name} cannot be used: {trouble} (scripts/brokers up {name}; eval "$(scripts/brokers env)")'
    if required == ["1"] or name in required:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def trouble_with(address: tuple[str, int], login: str = "", passcode: str = "") -> str | None:
    """What keeps this address from being a broker that lets us in, asked without the code under test."""
    # Apollo refuses the host "/", and all of these accept none.
    connect = f"CONNECT\naccept-version:1.0,1.1,1.2\nlogin:{login}\npasscode:{passcode}\n\n\0"
    try:
        with socket.create_connection(address, timeout=30) as sock:
            sock.sendall(connect.encode())
            answer = sock.recv(4096)
    except OSError as error:
        return f"{address[0]}:{address[1]}: {error}"
    if answer.startswith(b"CONNECTED"):
        return None
    return f"{address[0]}:{address[1]} answered {answer[:200]!r}"


def checked(broker: RealBroker) -> RealBroker:
    require(broker.name, trouble_with(broker.address, broker.user, broker.password))
    if broker.tls_port is not None and not broker.ca_file.exists():
        # it answers on its default port, but somebody chose another BROKERS_WORK
        require(broker.name, f"there is no {broker.ca_file}")
    return broker


@pytest.fixture(scope="session")
def rabbitmq() -> RealBroker:
    host, port = address_of("BROKERS_RABBITMQ", 61613)
    return checked(
        RealBroker(
            name="rabbitmq",
            host=host,
            port=port,
            user="admin",
            password="password",
            tls_port=address_of("BROKERS_RABBITMQ_TLS", 61612)[1],
            ws_url=os.environ.get("BROKERS_RABBITMQ_WS", "ws://127.0.0.1:15674/ws"),
            wss_url=os.environ.get("BROKERS_RABBITMQ_WSS", "wss://127.0.0.1:15673/ws"),
        )
    )


@pytest.fixture(scope="session")
def activemq() -> RealBroker:
    host, port = address_of("BROKERS_ACTIVEMQ", 62613)
    return checked(
        RealBroker(
            name="activemq",
            host=host,
            port=port,
            user="admin",
            password="password",
            tls_port=address_of("BROKERS_ACTIVEMQ_TLS", 62614)[1],
            mtls_port=address_of("BROKERS_ACTIVEMQ_MTLS", 62615)[1],
        )
    )


@pytest.fixture(scope="session")
def stompserver() -> RealBroker:
    """STOMP 1.0 only, and any name and password are good."""
    host, port = address_of("BROKERS_STOMPSERVER", 63613)
    return checked(RealBroker(name="stompserver", host=host, port=port, user="", password=""))


@pytest.fixture(scope="session")
def embedded() -> Iterator[RealBroker]:
    """The broker of this package, for tests of its profile."""
    with Broker(listen=["stomp://127.0.0.1:0", "ws://127.0.0.1:0"], users={"admin": "password"}) as broker:
        tcp, web = broker.urls
        address = parse(tcp).addresses[0]
        yield RealBroker("embedded", address.host, address.port, "admin", "password", ws_url=web)


@pytest.fixture(scope="session")
def haproxy(activemq: RealBroker) -> TlsVenues:
    host, sni_port = address_of("BROKERS_HAPROXY_SNI", 65001)
    try:
        socket.create_connection((host, sni_port), timeout=5).close()
        trouble = None
    except OSError as error:
        trouble = f"{host}:{sni_port}: {error}"
    require("haproxy", trouble)
    return TlsVenues(
        host=host,
        sni_port=sni_port,
        expired_port=address_of("BROKERS_HAPROXY_EXPIRED", 62619)[1],
        dead_port=address_of("BROKERS_HAPROXY_DEAD", 65009)[1],
    )


def spring_address() -> str:
    """host:port of the Spring application."""
    host, port = address_of("BROKERS_SPRING", 64203)
    try:
        socket.create_connection((host, port), timeout=5).close()
        trouble = None
    except OSError as error:
        trouble = f"{host}:{port}: {error}"
    require("spring", trouble)
    return f"{host}:{port}"


#: Brokers that `further` makes, and their ports in scripts/brokers.
FURTHER = {
    "artemis": 64113,
    "artemis-next": 64123,
    "activemq6": 64133,
    "activemq61": 64143,
    "apollo": 64163,
    "hornetq": 64173,
    "rabbitmq4": 64213,
}
#: Their WebSocket ports, if these are others: without and with TLS.
WEB_PORTS = {"activemq61": (64146, 64147), "rabbitmq4": (64216, 64217)}
#: All brokers, as in the ids of tests.
NAMES = ("rabbitmq", "activemq", "stompserver", "haproxy", "spring", "embedded", *FURTHER)
#: Of the 4,000 queues of HornetQ, which makes none on demand. tests/conformance has others.
_numbers = numbers(range(3000, 4000))


def empty_queue() -> str:
    """An empty queue of HornetQ."""
    queue = f"/queue/pool-{next(_numbers)}"
    broker = further("hornetq")
    with stomp.Client(
        f"stomp://{broker.host}:{broker.port}", login=broker.user, passcode=broker.password
    ) as client:
        end = uuid.uuid4().hex
        # It is closed first: HornetQ delivers to a consumer that only disconnects, also after the RECEIPT of that.
        with client.subscribe(queue) as subscription:
            client.send(queue, end, confirm=True)
            while (message := subscription.receive(timeout=30)) is not None and message.text != end:
                pass
    return queue


def new_queue(broker: RealBroker) -> str:
    """An empty queue that no other test uses."""
    # HornetQ makes none on demand.
    return empty_queue() if broker.name == "hornetq" else f"/queue/{uuid.uuid4().hex}"


def new_topic(broker: RealBroker) -> str:
    """A topic that no other test uses."""
    return f"{'jms.topic.' if broker.name == 'hornetq' else '/topic/'}{uuid.uuid4().hex}"


def variable_of(name: str) -> str:
    return "BROKERS_" + name.upper().replace("-", "_")


def further(name: str) -> RealBroker:
    """One of `FURTHER`."""
    host, port = address_of(variable_of(name), FURTHER[name])
    variable = variable_of(name)
    tls_port = address_of(f"{variable}_TLS", FURTHER[name] + 1)[1]
    mtls_port = address_of(f"{variable}_MTLS", FURTHER[name] + 2)[1] if name != "rabbitmq4" else None
    ws_url = wss_url = None
    if name in WEB_PORTS:
        plain, secure = WEB_PORTS[name]
        path = "ws" * (name == "rabbitmq4")
        ws_url = f"ws://{host}:{address_of(f'{variable}_WS', plain)[1]}/{path}"
        wss_url = f"wss://localhost:{address_of(f'{variable}_WSS', secure)[1]}/{path}"
    elif name.startswith("artemis"):
        ws_url, wss_url = f"ws://{host}:{port}/", f"wss://localhost:{tls_port}/"
    vhost = "localhost" if name == "apollo" else "/"
    return checked(
        RealBroker(
            name, host, port, "admin", "password", vhost, tls_port, mtls_port, ws_url=ws_url, wss_url=wss_url
        )
    )


def at(*names: str) -> pytest.MarkDecorator:
    """Run a test with each of these brokers, as its argument ``broker``."""
    return pytest.mark.parametrize("broker", names, indirect=True)


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> RealBroker:
    """The broker that `at` names."""
    if request.param in FURTHER:
        return further(request.param)
    found: RealBroker = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session", params=["rabbitmq", "activemq"])
def real_broker(request: pytest.FixtureRequest) -> RealBroker:
    """Each of the two brokers that our users have most."""
    broker = request.getfixturevalue(request.param)
    assert isinstance(broker, RealBroker)
    return broker


# Before -m is applied, which is a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("broker")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run if pytest-xdist ignores groups, as 3.8 does with pytest 9.2: two workers would kill one cluster."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        if item.get_closest_marker("xdist_group") is not None and "@" not in item.nodeid:
            raise pytest.UsageError(f"pytest-xdist does not group tests with pytest {pytest.__version__}")


def broker_of(test_id: str) -> str:
    """The broker of a test: the longest of the names in the id of the test; "other" if there is none."""
    words = test_id.lower().replace("_", "-")
    return max((name for name in NAMES if name in words), key=len, default="other")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write how many tests passed with each broker, and how many were left out because it cannot do what they need."""
    for outcome, title in (("passed", "passed per broker"), ("skipped", "left out per broker")):
        counts = Counter(
            broker_of(report.nodeid)
            for report in terminalreporter.getreports(outcome)
            if "tests/brokers" in report.nodeid
            and (outcome == "passed" or "left out with" in str(report.longrepr))
        )
        if counts:
            terminalreporter.section(title)
            terminalreporter.line(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
