"""What ends connections at real brokers: requests that are given up, and ERRORs that are the end."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stomp
from stomp.core.errors import BrokerError, RetriesExhausted
from stomp.exception import NotConnectedException
from tests.brokers.conftest import RealBroker, at, new_queue
from tests.listening import RecentFrames
from tests.pulling.faces import KINDS, face

#: Refused by all brokers that have selectors.
WRONG = {"selector": "a = = 1"}
#: RabbitMQ 4 closes the connection at a frame over 4 MiB.
TOO_LARGE = b"x" * (5 << 20)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, broker: RealBroker) -> Iterator[Callable[..., Any]]:
    """Makes connected clients of both kinds."""
    with face(request.param) as make_client, contextlib.ExitStack() as stack:

        def one(url: str | None = None, **settings: Any) -> Any:
            login = {"login": broker.user, "passcode": broker.password, "vhost": broker.vhost}
            client = make_client(url or f"stomp://{broker.host}:{broker.port}", **{**login, **settings})
            stack.callback(client.close, timeout=5)
            return client.connect()

        yield one


@at("rabbitmq")
def test_a_missing_exchange_over_a_websocket_is_given_up_with_the_reason(
    broker: RealBroker, make: Callable[..., Any]
) -> None:
    client = make(broker.ws_url, timeout=60.0)
    with pytest.raises(RetriesExhausted, match=r"SUBSCRIBE to /exchange/none.*WebSocket with code 1000"):
        client.subscribe(f"/exchange/none-{uuid.uuid4().hex}")
    assert client.stats().connections == 5
    queue = f"/queue/{uuid.uuid4().hex}"
    with client.subscribe(queue) as subscription:
        client.send(queue, "it lives", confirm=True)
        with subscription.receive(timeout=30):
            pass


@at("rabbitmq4")
def test_a_missing_exchange_over_a_websocket_is_refused(broker: RealBroker, make: Callable[..., Any]) -> None:
    # RabbitMQ 4 sends the ERROR before it closes.
    with pytest.raises(BrokerError, match="no exchange"):
        make(broker.ws_url).subscribe(f"/exchange/none-{uuid.uuid4().hex}")


@at("rabbitmq4")
def test_a_frame_that_is_too_large_is_given_up_and_its_neighbours_are_confirmed(
    broker: RealBroker, make: Callable[..., Any]
) -> None:
    client = make(on_unknown="resend", timeout=60.0)
    queue = f"/queue/{uuid.uuid4().hex}"
    with client.subscribe(queue, headers={"auto-delete": "true", "durable": "false"}):
        headers = {"auto-delete": "true", "durable": "false"}
        sends = [
            client.send_async(queue, TOO_LARGE if number == 3 else b"small", headers=headers)
            for number in range(6)
        ]
        with pytest.raises(RetriesExhausted, match=r"SEND to .* \(5242880 bytes\)"):
            sends[3].result(timeout=60)
        for number in (0, 1, 2, 4, 5):
            sends[number].result(timeout=60)
        # Five for the frame, one before it, and those on which a neighbour met the end of the one before.
        assert client.stats().connections <= 12


@at("artemis", "artemis-next", "apollo")
def test_sends_after_an_error_arrive(broker: RealBroker, make: Callable[..., Any]) -> None:
    client = make()
    assert client.broker.error_ends
    queue = f"/queue/{uuid.uuid4().hex}"
    subscription = client.subscribe(queue, ack="auto")
    with pytest.raises(BrokerError, match=r"a = = 1"):
        client.subscribe(queue, headers=WRONG, timeout=30)
    for number in range(10):
        client.send(queue, str(number), confirm=True, timeout=30)
    assert [subscription.receive(timeout=30).text for _ in range(10)] == [str(n) for n in range(10)]
    assert client.stats().connections == 2


@at("rabbitmq", "activemq", "activemq6", "hornetq")
def test_an_error_leaves_the_connection_open(broker: RealBroker, make: Callable[..., Any]) -> None:
    client = make()
    assert client.broker.error_ends is False
    queue = new_queue(broker)
    with client.subscribe(queue, ack="auto") as subscription:
        with pytest.raises(BrokerError):
            if broker.name == "rabbitmq":  # it ignores selectors
                client.send(queue, "refused", headers={"transaction": "none"}, confirm=True, timeout=30)
            else:
                client.subscribe(queue, headers=WRONG, timeout=30)
        client.send(queue, "taken", confirm=True, timeout=30)
        assert subscription.receive(timeout=30).text == "taken"
    assert client.stats().connections == 1


@at("artemis", "artemis-next", "apollo")
def test_a_listener_is_disconnected_after_the_error_and_send_raises(broker: RealBroker) -> None:
    conn = stomp.Connection12([broker.address], vhost=broker.vhost)
    recorder = RecentFrames()
    conn.set_listener("", recorder)
    conn.connect(broker.user, broker.password, wait=True)
    queue = f"/queue/{uuid.uuid4().hex}"
    conn.subscribe(queue, id="1", headers=WRONG)
    recorder.wait_for_method("on_disconnected")
    assert recorder.methods.index("on_error") < recorder.methods.index("on_disconnected")
    with pytest.raises(NotConnectedException):
        conn.send(queue, "it would vanish")
