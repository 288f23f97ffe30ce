"""Faults that an operator causes: refused logins, ERROR frames, delays."""

from __future__ import annotations

import time

from stomp.broker import Broker
from stomp.broker.faults import Faults
from tests.broker.rawclient import PATIENCE, RawClient, eventually


def faults_of(broker: Broker) -> Faults:
    assert broker._server is not None
    return broker._server.faults


def test_logins_are_refused_until_it_is_off(broker: Broker, client: RawClient) -> None:
    faults_of(broker).refuse_logins = True
    with RawClient(broker) as other:
        other.send("CONNECT", accept_version="1.2")
        assert b"operator" in other.expect("ERROR", message="Bad CONNECT").body
        other.expect_end()
    client.sync()
    faults_of(broker).refuse_logins = False
    with RawClient(broker) as other:
        other.connect()


def test_number_of_sends_get_an_error(broker: Broker) -> None:
    faults_of(broker).errors_on_send = 1
    with RawClient(broker) as client:
        client.connect()
        client.send("SEND", "x", destination="/queue/a", receipt="r")
        client.expect("ERROR", receipt_id="r", message="this SEND was refused on purpose")
        client.expect_end()
    with RawClient(broker) as client:
        client.connect()
        client.send("SEND", "x", destination="/queue/a", receipt="r")
        client.expect("RECEIPT")
    assert broker.depth("/queue/a") == 1


def test_send_to_another_destination_gets_no_error(broker: Broker, client: RawClient) -> None:
    faults = faults_of(broker)
    faults.errors_on_send, faults.error_destination = 1, "/queue/b"
    client.send("SEND", "x", destination="/queue/a", receipt="r")
    client.expect("RECEIPT", receipt_id="r")
    client.send("SEND", "x", destination="/queue/b")
    client.expect("ERROR")


def test_frames_are_handled_late_and_in_order(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a")
    client.sync()
    faults_of(broker).delay = 0.1
    started = time.monotonic()
    for body in ("1", "2"):
        client.send("SEND", body, destination="/queue/a")
    bodies = [client.expect("MESSAGE").body for _ in range(2)]
    assert time.monotonic() - started >= 0.1
    assert bodies == [b"1", b"2"]
    faults_of(broker).delay = 0.0
    client.sync()


def test_delayed_frames_of_a_closed_connection_are_handled(broker: Broker, client: RawClient) -> None:
    client.sync()
    faults_of(broker).delay = 0.1
    client.send("SEND", "x", destination="/queue/a")
    client.close()
    broker.wait_for("/queue/a", timeout=PATIENCE)
    eventually(lambda: broker.connections == [])


def test_delayed_frames_are_handled_when_an_operator_drops_the_connection(
    broker: Broker, client: RawClient
) -> None:
    client.sync()
    faults_of(broker).delay = 60.0
    with broker.frames() as frames:
        client.send("SEND", "x", destination="/queue/a")
        eventually(lambda: broker.connections[0].frames_received == 4)
        broker.disconnect_all()
        broker.wait_for("/queue/a", timeout=PATIENCE)
    assert [frame.command for frame in frames] == ["SEND"]


def test_broker_stops_while_frames_are_delayed() -> None:
    with Broker() as broker, RawClient(broker) as client:
        faults_of(broker).delay = 60.0
        client.send("CONNECT", accept_version="1.2")
        broker.wait_for("/queue/none", 0)
        started = time.monotonic()
        broker.stop()
        assert time.monotonic() - started < PATIENCE
