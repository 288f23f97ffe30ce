"""The whole client on green threads, as monkey-patched programs have it."""

import importlib.util

import pytest

from stomp.broker import Broker
from tests.green.programs import run

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="needs gevent")

#: Where greenlets are: everything that waits must let the others run, so a busy pulse must not miss a beat.
PROGRAM = """
import threading, time
import stomp

pulses = []
def pulse():
    while True:
        pulses.append(time.monotonic())
        time.sleep(0.01)
threading.Thread(target=pulse, daemon=True).start()

class Inbox(stomp.ConnectionListener):
    def __init__(self):
        self.bodies, self.methods = [], []
    def on_connected(self, frame):
        self.methods.append("connected")
    def on_message(self, frame):
        self.bodies.append(frame.body)
        if frame.body == "hold":
            counters = conn.transport._link.session.counters
            before = counters.heartbeats_sent
            wait_for(lambda: counters.heartbeats_sent >= before + 4)
            self.held = conn.is_connected()
    def on_heartbeat_timeout(self):
        self.methods.append("heartbeat_timeout")
    def on_disconnected(self):
        self.methods.append("disconnected")

def wait_for(condition):
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, (len(inbox.bodies), inbox.methods)
        time.sleep(0.01)

inbox = Inbox()
conn = stomp.Connection12([(sys.argv[1], int(sys.argv[2]))], heartbeats=(300, 300), heart_beat_receive_scale=20)
if len(sys.argv) > 3:
    conn.set_ssl(ca_certs=sys.argv[3])
conn.set_listener("", inbox)
conn.connect(wait=True)
assert conn.transport.heartbeat == (300, 300)
conn.subscribe("/queue/green", id=1)
for number in range(100):
    conn.send("/queue/green", f"message {number}")
wait_for(lambda: len(inbox.bodies) == 100)
assert inbox.bodies == [f"message {number}" for number in range(100)]

# Our beats go on while a handler waits.
conn.send("/queue/green", "hold")
wait_for(lambda: hasattr(inbox, "held"))
assert inbox.held
assert inbox.methods == ["connected"], inbox.methods

conn.disconnect()
assert inbox.methods == ["connected", "disconnected"], inbox.methods

conn.connect(wait=True)
conn.disconnect()
assert inbox.methods == ["connected", "disconnected"] * 2, inbox.methods
longest = max(later - earlier for earlier, later in zip(pulses, pulses[1:]))
# Whoever blocks the others waits for a deadline, which is much later; a busy machine is late by a second or two.
assert longest < 5.0, f"nobody else could run for {longest:.2f} s"
print("done")
"""
FORK = """
import os, traceback
conn = stomp.Connection12([(sys.argv[1], int(sys.argv[2]))], heartbeats=(300, 300), heart_beat_receive_scale=20)
conn.set_listener("", inbox := Inbox())
conn.connect(wait=True)
conn.subscribe("/queue/fork", id=1)
pid = os.fork()
if pid == 0:
    code = 1
    try:
        try:
            conn.send("/queue/fork", "child")
        except stomp.exception.NotConnectedException:
            conn.connect(wait=True)
            conn.send("/queue/child", "child")
            conn.disconnect()
            assert inbox.methods == ["connected", "connected", "disconnected"], inbox.methods
            code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
deadline = time.monotonic() + 15
while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
    assert time.monotonic() < deadline
    time.sleep(0.01)
assert ended[1] == 0, ended
conn.send("/queue/fork", "parent")
wait_for(lambda: inbox.bodies)
assert inbox.bodies == ["parent"]
conn.disconnect()
print("forked")
"""
IMPORTED = "import stomp, stomp.connect, stomp.transport, stomp.listener, stomp.utils, stomp.protocol\n"
#: Parts of one program that used stomp before it was patched.
EARLIER = """
import stomp, time
bodies, ends = [], []
class Early:
    def on_message(self, frame):
        bodies.append(frame.body)
    def on_disconnected(self):
        ends.append(conn.is_connected())

conn = stomp.Connection12([(sys.argv[1], int(sys.argv[2]))], heartbeats=(300, 300), heart_beat_receive_scale=20)
conn.set_listener("", Early())
conn.connect(wait=True)
"""
ENDED = "conn.disconnect()\n"
AGAIN = """
early = conn
early.connect(wait=True)
early.subscribe("/queue/early", id=1)
for number in range(100):
    early.send("/queue/early", str(number))
deadline = time.monotonic() + 15
while len(bodies) < 100:
    assert time.monotonic() < deadline, len(bodies)
    time.sleep(0.01)
assert bodies == [str(number) for number in range(100)]
early.disconnect()
assert ends == [False, False], ends
"""
STILL_OPEN = """
import logging
later = stomp.Connection12([(sys.argv[1], int(sys.argv[2]))])
logging.getLogger("stomp.py").addHandler(logging.StreamHandler(sys.stdout))
later.connect(wait=True)
later.disconnect()
"""
PATCHED = "from gevent import monkey; monkey.patch_all()\n"


@pytest.fixture
def beating_broker():
    with Broker(heartbeat=(300, 300), tolerance=1000) as running:
        yield running


def test_patched_program_works(beating_broker):
    printed = run(PATCHED + PROGRAM, beating_broker.host, beating_broker.port)
    assert printed == ["done"]


def test_patched_program_works_over_tls(server_tls, ca_file):
    with Broker(heartbeat=(300, 300), tolerance=1000, ssl_context=server_tls) as running:
        assert run(PATCHED + PROGRAM, "localhost", running.port, ca_file) == ["done"]


def test_patched_program_may_fork(beating_broker):
    # Any thread that ends in a child of gevent's complains: `threading` has forgotten it, but its greenlet lives.
    printed = run(PATCHED + PROGRAM + FORK, beating_broker.host, beating_broker.port, noise=True)
    assert printed == ["done", "forked"]
    assert beating_broker.depth("/queue/child") == 1


def test_override_threading_with_greenlets_works_without_a_patch(beating_broker):
    """A greenlet is no thread."""
    printed = run(
        """
import stomp, stomp.connect
from gevent import monkey; monkey.patch_all()
import gevent, time
got = []
class Inbox:
    def on_message(self, frame):
        got.append(frame.body)
conn = stomp.Connection([(sys.argv[1], int(sys.argv[2]))], heartbeats=(300, 300), heart_beat_receive_scale=20)
conn.override_threading(gevent.spawn)
conn.set_listener("", Inbox())
conn.connect(wait=True)
assert isinstance(conn.transport.receiver_thread, gevent.Greenlet)
conn.subscribe("/queue/green", 1)
conn.send("/queue/green", "hello")
deadline = time.monotonic() + 15
while not got:
    assert time.monotonic() < deadline
    time.sleep(0.01)
conn.disconnect()
conn.transport.receiver_thread.join(15)
assert conn.transport.receiver_thread.dead
print(*got)
""",
        beating_broker.host,
        beating_broker.port,
    )
    assert printed == ["hello"]


def test_program_patched_after_the_imports_works(beating_broker):
    printed = run(IMPORTED + PATCHED + PROGRAM, beating_broker.host, beating_broker.port)
    assert printed == ["done"]


def test_program_patched_after_its_connection_works(beating_broker):
    program = EARLIER + ENDED + PATCHED + AGAIN + PROGRAM
    assert run(program, beating_broker.host, beating_broker.port) == ["done"]


def test_patching_while_a_connection_is_open_warns(beating_broker):
    program = EARLIER + PATCHED + STILL_OPEN
    # What the native threads of the old connection complain of when the program ends is none of ours.
    (warning,) = run(program, beating_broker.host, beating_broker.port, noise=True)
    assert "while a connection was open" in warning
    assert "patch before you connect" in warning
