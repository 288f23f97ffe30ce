"""The conformance suite, with real brokers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stomp.core.errors import AuthenticationFailed
from stomp.exception import ConnectFailedException, NotConnectedException
from tests.brokers.conftest import RealBroker, further
from tests.brokers.conftest import TlsVenues as TlsProxy
from tests.conformance.carrying import Carrying
from tests.conformance.certified import Certified
from tests.conformance.connecting import Connecting
from tests.conformance.extending import Extending
from tests.conformance.lobby import Guest, Lobby, Suite
from tests.conformance.settling import Acknowledging, Errors, Receipts, Transactions
from tests.conformance.sharing import Sharing
from tests.conformance.venues import (
    ACTIVEMQ6,
    ACTIVEMQ61,
    ACTIVEMQ_DEBIAN,
    APOLLO,
    ARTEMIS,
    ARTEMIS_NEXT,
    HORNETQ,
    RABBITMQ,
    RABBITMQ4,
    STOMPSERVER,
    VERSIONS,
    TlsVenues,
    Venue,
    spread,
)

FURTHER_HABITS = {
    habits.name: habits
    for habits in (RABBITMQ4, ACTIVEMQ6, ACTIVEMQ61, ARTEMIS, ARTEMIS_NEXT, APOLLO, HORNETQ)
}
#: Every version in plain text; what TLS adds is the same for all of them.
VENUES = {
    "rabbitmq_tcp": (RABBITMQ, VERSIONS),
    "rabbitmq_tls": (RABBITMQ, ("1.2",)),
    "activemq_tcp": (ACTIVEMQ_DEBIAN, VERSIONS),
    "activemq_tls": (ACTIVEMQ_DEBIAN, ("1.2",)),
    "activemq_mutual": (ACTIVEMQ_DEBIAN, ("1.2",)),
    "stompserver_tcp": (STOMPSERVER, ("1.0",)),
    **{f"{name.replace('-', '_')}_tcp": (habits, VERSIONS) for name, habits in FURTHER_HABITS.items()},
    "artemis_tls": (ARTEMIS, ("1.2",)),
    "activemq61_tls": (ACTIVEMQ61, ("1.2",)),
    "rabbitmq4_tls": (RABBITMQ4, ("1.2",)),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spread(metafunc, VENUES)


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> Venue:
    name, _, transport = request.param.replace("_", "-").rpartition("-")
    if name in FURTHER_HABITS:
        broker = further(name)
        if transport == "tcp":
            return Venue(FURTHER_HABITS[name], broker.address, vhost=broker.vhost)
        assert broker.tls_port is not None
        address, tls = (broker.host, broker.tls_port), {"ca_certs": str(broker.ca_file)}
        return Venue(FURTHER_HABITS[name], address, vhost=broker.vhost, tls=tls)
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Venue)
    return found


@pytest.fixture(scope="session")
def rabbitmq_tcp(rabbitmq: RealBroker) -> Venue:
    return Venue(RABBITMQ, rabbitmq.address, vhost=rabbitmq.vhost)


@pytest.fixture(scope="session")
def rabbitmq_tls(rabbitmq: RealBroker) -> Venue:
    assert rabbitmq.tls_port is not None
    address = (rabbitmq.host, rabbitmq.tls_port)
    return Venue(RABBITMQ, address, vhost=rabbitmq.vhost, tls={"ca_certs": str(rabbitmq.ca_file)})


@pytest.fixture(scope="session")
def activemq_tcp(activemq: RealBroker) -> Venue:
    return Venue(ACTIVEMQ_DEBIAN, activemq.address)


@pytest.fixture(scope="session")
def activemq_tls(activemq: RealBroker) -> Venue:
    assert activemq.tls_port is not None
    return Venue(ACTIVEMQ_DEBIAN, (activemq.host, activemq.tls_port), tls={"ca_certs": str(activemq.ca_file)})


@pytest.fixture(scope="session")
def activemq_mutual(activemq: RealBroker) -> Venue:
    assert activemq.mtls_port is not None
    tls = {
        "ca_certs": str(activemq.ca_file),
        "cert_file": str(activemq.client_cert),
        "key_file": str(activemq.client_key),
    }
    return Venue(ACTIVEMQ_DEBIAN, (activemq.host, activemq.mtls_port), tls=tls)


@pytest.fixture(scope="session")
def stompserver_tcp(stompserver: RealBroker) -> Venue:
    return Venue(STOMPSERVER, stompserver.address, user=stompserver.user, password=stompserver.password)


@pytest.fixture(scope="session")
def tls_venues(activemq_tls: Venue, activemq_mutual: Venue, haproxy: TlsProxy) -> TlsVenues:
    return TlsVenues(
        open=activemq_tls,
        foreign_ca=haproxy.com_ca,
        expired=Venue(
            ACTIVEMQ_DEBIAN, (haproxy.host, haproxy.expired_port), tls={"ca_certs": str(haproxy.expired_ca)}
        ),
        mutual=activemq_mutual,
        names={
            name: Venue(ACTIVEMQ_DEBIAN, (name, haproxy.sni_port), tls={"ca_certs": str(authority)})
            for name, authority in {
                "my.example.com": haproxy.com_ca,
                "my.example.org": haproxy.org_ca,
            }.items()
        },
    )


class TestConnecting(Connecting):
    pass


class TestCarrying(Carrying):
    pass


class TestReceipts(Receipts):
    pass


class TestAcknowledging(Acknowledging):
    pass


class TestTransactions(Transactions):
    pass


class TestErrors(Errors):
    pass


class TestSharing(Sharing):
    pass


class TestExtending(Extending):
    pass


class TestCertified(Certified):
    pass


def last(guest: Guest, method: str) -> Any:
    """The argument of the last call of this method, once there is one."""
    guest.recorder.wait_for_method(method)
    return [detail for called, detail in guest.recorder.notes if called == method][-1]


class TestRabbitMQ(Suite):
    """What only RabbitMQ does."""

    @pytest.fixture
    def lobby(self, rabbitmq_tcp: Venue) -> Iterator[Lobby]:
        lobby = Lobby(rabbitmq_tcp, "1.2")
        yield lobby
        lobby.close()

    @pytest.mark.parametrize("version", ["1.1", "1.2"])
    def test_unknown_virtual_host_is_refused(self, lobby: Lobby, version: str) -> None:
        guest = lobby.guest(version, vhost="no-such-host")
        guest.blunders = True
        with pytest.raises(ConnectFailedException, match="set the virtual host") as caught:
            guest.enter()
        assert "'no-such-host'" in str(caught.value)
        assert caught.value.frame is not None
        # The password was right.
        assert not isinstance(caught.value.__cause__, AuthenticationFailed)

    def test_address_as_virtual_host_is_refused(self, lobby: Lobby) -> None:
        """1.2 must name a host, and where none is given, that is the address."""
        guest = lobby.guest(vhost=None)
        guest.blunders = True
        with pytest.raises(ConnectFailedException, match="set the virtual host"):
            guest.enter()

    def test_1_1_need_not_name_a_host(self, lobby: Lobby) -> None:
        assert lobby.enter("1.1", vhost=None).conn.is_connected()

    def test_an_error_that_ends_the_connection_is_the_reason_given_later(self, lobby: Lobby) -> None:
        """Two subscriptions of one name: ERROR, then a RECEIPT all the same, then the end."""
        guest, queue = lobby.enter(), lobby.queue()
        guest.blunders = True
        guest.subscribe(queue)
        guest.conn.subscribe(queue, "1", "auto", guest.headers_for(queue, {}))
        error = last(guest, "on_error")
        guest.recorder.wait_for_method("on_receiver_loop_completed")
        with pytest.raises(NotConnectedException, match=error.headers["message"]):
            guest.send(queue, "too late")


class TestActiveMQ(Suite):
    """What only ActiveMQ does."""

    @pytest.fixture
    def lobby(self, activemq_tcp: Venue) -> Iterator[Lobby]:
        lobby = Lobby(activemq_tcp, "1.2")
        yield lobby
        lobby.close()

    def test_too_long_header_line_ends_the_connection(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.blunders = True
        guest.send(queue, "body", probe="x" * 20_000)
        guest.recorder.wait_for_method("on_receiver_loop_completed")
        # It may go on reading in the middle of the line, and complain of that as well.
        errors = [frame.headers["message"] for method, frame in guest.recorder.notes if method == "on_error"]
        assert any("maximum header length" in message for message in errors)
        assert guest.recorder.methods.count("on_disconnected") == 1
        assert lobby.take_all(queue) == []

    @pytest.mark.parametrize("version", ["1.1", "1.2"])
    def test_rejected_persistent_message_is_in_the_dead_letter_queue(
        self, lobby: Lobby, version: str
    ) -> None:
        guest, queue = lobby.enter(version), lobby.queue()
        mark = queue.rpartition("-")[2]
        guest.subscribe(queue, ack="client-individual")
        guest.send(queue, mark, persistent="true", mark=mark)
        guest.refuse(guest.messages(1)[0])
        guest.subscribe("/queue/ActiveMQ.DLQ", "dead", selector=f"mark = '{mark}'")
        assert guest.messages(2)[1].headers["subscription"] == "dead"
        assert guest.recorder.bodies == [mark, mark]

    def test_message_ids_with_colons_are_acknowledged(self, lobby: Lobby) -> None:
        """They are why an ACK must be unescaped and escaped again."""
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue, ack="client-individual")
        guest.send(queue, "work")
        (frame,) = guest.messages(1)
        assert ":" in frame.headers["message-id"]
        assert frame.headers["ack"] != frame.headers["message-id"]
        guest.accept(frame)
        guest.leave()
        assert lobby.take_all(queue) == []


class TestProxy:
    """What only haproxy does."""

    def test_port_that_closes_at_once_is_an_error(self, haproxy: TlsProxy) -> None:
        guest = Guest(Venue(ACTIVEMQ_DEBIAN, (haproxy.host, haproxy.dead_port)), "1.2")
        with pytest.raises(ConnectFailedException, match=r"closed the connection|reset") as caught:
            guest.enter()
        assert caught.value.phase == "stomp"
        guest.recorder.wait_for_method("on_receiver_loop_completed")

    def test_tls_connects_150_times(self, haproxy: TlsProxy) -> None:
        """Reading and writing at once on a young TLS connection has cost first frames elsewhere."""
        guest = Guest(Venue(ACTIVEMQ_DEBIAN, (haproxy.host, haproxy.sni_port), tls={"verify": False}), "1.2")
        for cycle in range(1, 151):
            guest.enter()
            guest.leave()
            assert guest.recorder.methods.count("on_disconnected") == cycle
