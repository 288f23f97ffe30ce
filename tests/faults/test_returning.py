"""The recipe of stomp.py's documentation, section 3.6: on_disconnected connects again, on the thread of the callback.

Whatever ended the connection: afterwards there is exactly one connection, its heart-beats continue, and the numbers of
threads and file descriptors are unchanged.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from pathlib import Path

import pytest

import stomp
from stomp.broker import Broker
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer
from tests.listening import RecentFrames, stomp_threads, wait_until
from tests.websocket_endpoint import WebSocketEndpoint

CYCLES = 50
BEAT = 200  # milliseconds
SCALE = 12.5  # a timeout of 2.5 seconds: longer than a busy machine delays all processes of this test
TRANSPORTS = ["tcp", "tls", "ws", "wss"]


def held():
    """Threads and file descriptors of this process, including those of the broker."""
    folder = Path("/proc/self/fd")
    return threading.active_count(), len(os.listdir(folder)) if folder.exists() else 0


class Recipe(RecentFrames):
    """The listener of section 3.6. It reconnects until `leaving` is set."""

    def __init__(self, conn, queue="/queue/recipe"):
        super().__init__()
        self.conn = conn
        self.queue = queue
        self.leaving = False

    def connect_and_subscribe(self):
        self.conn.start()
        self.conn.connect("admin", "password", wait=True)
        self.conn.subscribe(destination=self.queue, id=1, ack="auto")
        self.note("returned")

    def on_disconnected(self):
        super().on_disconnected()
        if not self.leaving:
            self.connect_and_subscribe()


class Site:
    """A broker, a relay in front of it, and a program that follows the recipe."""

    def __init__(self, endpoint, server_tls, ca_file, stack):
        websocket, secure = endpoint.startswith("ws"), endpoint in ("tls", "wss")
        self.broker = Broker(
            users={"admin": "password"},
            heartbeat=(BEAT, BEAT),
            tolerance=1300,
            ssl_context=server_tls if endpoint == "tls" else None,
        )
        stack.callback(self.broker.stop)
        self.broker.start()
        port = self.broker.port
        if websocket:
            script = WebSocketEndpoint((self.broker.host, port))
            port = stack.enter_context(ScriptedServer(script, tls=server_tls if secure else None)).port
        self.relay = stack.enter_context(Relay("127.0.0.1", port))
        cls = stomp.WSConnection if websocket else stomp.Connection
        self.conn = cls(
            [self.relay.address],
            heartbeats=(BEAT, BEAT),
            heart_beat_receive_scale=SCALE,
            reconnect_attempts_max=-1,
            reconnect_sleep_initial=0.01,
            reconnect_sleep_max=0.05,
        )
        if secure:
            self.conn.set_ssl(ca_certs=ca_file)
        self.recipe = Recipe(self.conn)
        self.conn.set_listener("", self.recipe)  # with the name "" it is called before all other listeners
        stack.callback(self.leave)

    def leave(self):
        self.recipe.leaving = True
        self.conn.disconnect()
        wait_until(lambda: not stomp_threads())

    def lose(self, how):
        {
            "dropped by the client": self.conn.transport.disconnect_socket,
            "reset": self.relay.cut,
            "ended": self.relay.close,
            "ended by the broker": self.broker.disconnect_all,
        }[how]()

    def works(self):
        """Check: one connection, one subscription, and a message that is sent and received once."""
        wait_until(lambda: len(self.broker.connections) == 1)
        # Receiver threads of earlier connections may still be ending.
        wait_until(lambda: [thread.name for thread in stomp_threads()].count("stomp-receiver") <= 1)
        body = uuid.uuid4().hex
        self.conn.send(self.recipe.queue, body)
        self.recipe.wait_for(lambda: body in self.recipe.bodies)
        assert self.recipe.bodies.count(body) == 1

    def beats(self):
        """Check that heart-beats are sent in both directions."""
        link = self.conn.transport._link
        assert link is not None
        sent = link.session.counters.heartbeats_sent
        ends = self.recipe.methods.count("on_disconnected")
        self.recipe.wait_for_method("on_heartbeat", self.recipe.methods.count("on_heartbeat") + 4)
        wait_until(lambda: link.session.counters.heartbeats_sent >= sent + 4)
        assert self.recipe.methods.count("on_disconnected") == ends
        assert self.conn.transport.heartbeat == (BEAT, BEAT)


@pytest.fixture(params=TRANSPORTS)
def site(request, server_tls, ca_file):
    with contextlib.ExitStack() as stack:
        yield Site(request.param, server_tls, ca_file, stack)


@pytest.mark.slow(reason="50 reconnects with a wait each")
@pytest.mark.parametrize("how", ["dropped by the client", "reset", "ended", "ended by the broker"])
def test_client_survives_50_losses_in_a_row(site, how):
    recipe = site.recipe
    recipe.connect_and_subscribe()
    site.works()
    before = held()
    for cycle in range(1, CYCLES + 1):
        site.lose(how)
        recipe.wait_for_method("returned", cycle + 1)
    site.works()
    wait_until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))
    site.beats()
    for method in ("on_connecting", "on_connected"):
        assert recipe.methods.count(method) == CYCLES + 1, method
    assert recipe.methods.count("on_disconnected") == CYCLES
    assert site.relay.accepted == CYCLES + 1


@pytest.mark.slow(reason="waits for two heart-beat timeouts that a busy machine does not exceed")
def test_silent_broker_causes_a_reconnect(site):
    recipe = site.recipe

    class WakesTheNetwork:
        def on_heartbeat_timeout(self):
            site.relay.resume()

    site.conn.set_listener("network", WakesTheNetwork())
    recipe.connect_and_subscribe()
    site.works()
    before = held()
    for cycle in (1, 2):
        site.relay.stall()
        recipe.wait_for_method("returned", cycle + 1)
        site.works()
    site.beats()
    wait_until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))
    assert recipe.methods.count("on_heartbeat_timeout") == recipe.methods.count("on_disconnected") == 2


def test_client_reconnects_to_a_returning_broker(site, free_port):
    """Connecting fails many times: at once, or after the TCP connection. Each failure is reported in its place."""
    recipe = site.recipe
    recipe.connect_and_subscribe()
    site.works()
    before = held()
    target = site.relay.target_port
    # The relay accepts the connection, and resets it if the target does not accept one.
    site.relay.target_port = free_port
    site.relay.cut()
    wait_until(lambda: site.relay.accepted >= 20)
    site.relay.target_port = target
    recipe.wait_for_method("returned", 2)
    site.works()
    site.beats()
    wait_until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))
    assert recipe.methods.count("on_connected") == recipe.methods.count("returned") == 2
