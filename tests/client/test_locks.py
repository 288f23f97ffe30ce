"""Rule of `stomp.client.sync.waiting`: nothing is written or closed while the lock of the driver is held."""

from __future__ import annotations

from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from stomp.client.sync.handles import Message
from stomp.core.engine.effects import Wait
from stomp.core.engine.failover import Backoff
from stomp.core.errors import AuthenticationFailed, BrokerError, OutcomeUnknown
from stomp.testing.servers import ScriptedServer, greet, say_nothing
from tests.listening import wait_until
from tests.locks import own_lock, watched_links

WAIT = 20.0


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return watched_links(monkeypatch, own_lock(monkeypatch))


class Interrupting(stomp.Client):
    """Ctrl-C comes while it waits for the n-th time."""

    interrupt_at = 0
    waits = 0

    def _block(self, wait: Wait) -> bool:
        self.waits += 1
        if self.waits == self.interrupt_at:
            raise KeyboardInterrupt
        return super()._block(wait)


def interrupting(server: ScriptedServer) -> Interrupting:
    return Interrupting(f"stomp://127.0.0.1:{server.address[1]}", heartbeat=(0, 0))


def test_a_link_is_not_closed_under_the_lock_when_connecting_is_interrupted(faults: list[str]) -> None:
    with ScriptedServer(say_nothing) as server:
        client = interrupting(server)
        client.interrupt_at = 1
        with pytest.raises(KeyboardInterrupt):
            client.connect()
    assert client.state is stomp.ClientState.FAILED
    assert faults == []


def test_a_link_is_not_closed_under_the_lock_when_closing_is_interrupted(faults: list[str]) -> None:
    with ScriptedServer(greet) as server:
        client = interrupting(server).connect()
        client.interrupt_at = client.waits + 2  # the first is for the answers that are due
        with pytest.raises(KeyboardInterrupt):
            client.close()
        assert client.waits == client.interrupt_at
        wait_until(lambda: client.state is stomp.ClientState.CLOSED)
    assert faults == []


def test_nothing_is_written_or_closed_under_the_lock(faults: list[str]) -> None:
    restless: dict[str, Any] = {"backoff": Backoff(0.001, 0, 0, 0.001), "reattempts": -1}
    with Broker(users={"me": "secret"}) as broker:
        with pytest.raises(AuthenticationFailed):
            stomp.Client(broker.url, login="me", passcode="wrong", attempts=1).connect()
        client = stomp.Client(broker.url, login="me", passcode="secret", **restless).connect()
        orders = client.subscribe("/queue/a", ack="client-individual")
        client.send("/queue/a", b"x")
        client.send("/queue/a", b"x", confirm=True, persistent=True)
        client.send_many([("/queue/a", b"x")] * 3)
        for act in (Message.ack, Message.nack):
            message = orders.receive(timeout=WAIT)
            assert message is not None
            act(message, confirm=True)
        with client.transaction() as transaction:
            transaction.send("/queue/b", b"x")
        states = client.states(timeout=WAIT)
        with pytest.raises(BrokerError):  # the broker hangs up
            client.send("/queue/a", b"x", confirm=True, headers={"transaction": "none"})
        next(change for change in states if change.state is stomp.ClientState.CONNECTED)
        client.subscribe("/queue/c").close()
        with pytest.raises((stomp.ReplyMissing, OutcomeUnknown)):
            client.request("/queue/nowhere", b"x", timeout=0.01)
        assert client.drain(timeout=WAIT).unconfirmed == 0
    assert faults == []
