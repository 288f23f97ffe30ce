"""A forked child has a copy of its parent's connections, and must never touch their sockets."""

import os
import socket
import threading

import pytest

from stomp.broker import Broker
from stomp.testing.servers import ScriptedServer, greet_back, read_frame
from tests.green.programs import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

#: What every program here begins with: a connection that gets messages, and `child`, which forks.
BEGINNING = """
import json, os, select, socket, ssl, threading, time, traceback
import stomp

class Inbox(stomp.ConnectionListener):
    def __init__(self):
        self.bodies, self.beats, self.ends = [], 0, 0
        self.changed = threading.Condition()
    def on_message(self, frame):
        with self.changed:
            self.bodies.append(frame.body)
            self.changed.notify_all()
    def on_heartbeat(self):
        with self.changed:
            self.beats += 1
            self.changed.notify_all()
    def on_disconnected(self):
        self.ends += 1
    def wait_for(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, 15), (self.bodies, self.beats)

def child(work, leave=os._exit):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            leave(code)
    return pid

def ended_well(pid):
    deadline = time.monotonic() + 15
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            assert status == 0, status
            return
        assert time.monotonic() < deadline, "the child does not end"
        time.sleep(0.01)

def connected(cls=None, heartbeats=(0, 0), where=(sys.argv[1], int(sys.argv[2]))):
    conn = (cls or stomp.Connection12)([where], heartbeats=heartbeats, heart_beat_receive_scale=20)
    conn.set_listener("inbox", Inbox())
    conn.connect(wait=True)
    return conn

conn = connected(heartbeats=(300, 300))
inbox = conn.get_listener("inbox")
conn.subscribe("/queue/parent", id=1)

def goes_on(number):
    before = len(inbox.bodies)
    conn.send("/queue/parent", f"parent {number}")
    inbox.wait_for(lambda: len(inbox.bodies) > before)
    beats = inbox.beats
    inbox.wait_for(lambda: not number or inbox.beats > beats + 1)
    assert inbox.bodies[-1] == f"parent {number}", inbox.bodies
    assert inbox.ends == 0 and conn.is_connected()

goes_on(0)
"""


@pytest.fixture
def beating_broker():
    with Broker(heartbeat=(300, 300), tolerance=1000) as running:
        yield running


def at(broker):
    return broker.host, broker.port


def test_a_child_that_sends_gets_a_clear_error(beating_broker):
    printed = run(
        BEGINNING
        + """
def work():
    assert not conn.is_connected() and not conn.transport.is_open
    assert conn.transport.socket is None
    for verb in (
        lambda: conn.send("/queue/parent", "child"),
        lambda: conn.subscribe("/queue/parent", id=2),
        lambda: conn.transport.send(b"\\n"),
    ):
        try:
            verb()
        except stomp.exception.NotConnectedException as err:
            print(err, flush=True)
        else:
            raise AssertionError("it was sent")

ended_well(child(work))
goes_on(1)
assert inbox.bodies == ["parent 0", "parent 1"], inbox.bodies
conn.disconnect()
""",
        *at(beating_broker),
    )
    assert len(printed) == 3
    assert all("forked" in line and "connect again" in line for line in printed), printed


def test_a_child_that_connects_has_a_connection_of_its_own(beating_broker):
    printed = run(
        BEGINNING
        + """
names = conn.transport.socket.getsockname()
def work():
    conn.connect(wait=True)
    assert conn.transport.socket.getsockname() != names
    inbox.bodies.clear()
    conn.subscribe("/queue/child", id=7)
    conn.send("/queue/child", "child")
    inbox.wait_for(lambda: inbox.bodies)
    beats = inbox.beats
    inbox.wait_for(lambda: inbox.beats > beats + 1)
    print(*inbox.bodies, flush=True)
    conn.disconnect()
    assert inbox.ends == 1

ended_well(child(work))
goes_on(1)
assert conn.transport.socket.getsockname() == names
conn.disconnect()
print(*inbox.bodies)
""",
        *at(beating_broker),
    )
    assert printed == ["child", "parent 0 parent 1"]


@pytest.mark.parametrize(
    "verb",
    ["conn.disconnect()", "conn.transport.disconnect_socket()", "conn.transport.stop()", "conn.stop()"],
)
def test_disconnect_in_a_child_does_not_affect_the_parent(beating_broker, verb):
    run(
        BEGINNING
        + f"""
ended_well(child(lambda: {verb}))
goes_on(1)
conn.disconnect()
assert inbox.ends == 1
""",
        *at(beating_broker),
    )


def test_exiting_child_writes_nothing(beating_broker):
    """With its atexit functions and its garbage, while the parent has frames queued."""
    run(
        BEGINNING
        + """
import atexit, gc, weakref
def leave(code):
    global conn, inbox
    del conn, inbox
    gc.collect()
    atexit._run_exitfuncs()
    os._exit(code)

for number in range(1, 4):
    for _ in range(50):
        conn.send("/queue/elsewhere", "queued")
    ended_well(child(lambda: None, leave))
    goes_on(number)
conn.disconnect()
""",
        *at(beating_broker),
    )
    assert beating_broker.depth("/queue/elsewhere") == 150


def test_multiprocessing_with_fork_works(beating_broker):
    printed = run(
        BEGINNING
        + """
import multiprocessing
def work(queue):
    try:
        conn.send("/queue/parent", "child")
    except stomp.exception.NotConnectedException:
        queue.put("refused")
    with connected() as mine:
        mine.subscribe("/queue/child", id=1)
        mine.send("/queue/child", "own")
        mine.get_listener("inbox").wait_for(lambda: mine.get_listener("inbox").bodies)
        queue.put(mine.get_listener("inbox").bodies[0])

context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=work, args=(queue,))
process.start()
print(queue.get(), queue.get())
process.join(15)
assert process.exitcode == 0
goes_on(1)
conn.disconnect()
""",
        *at(beating_broker),
    )
    assert printed == ["refused own"]


def test_child_forked_in_a_callback_works(beating_broker):
    run(
        BEGINNING
        + """
pids = []
def work():
    try:
        conn.send("/queue/parent", "child")
    except stomp.exception.NotConnectedException:
        pass
    else:
        raise AssertionError("it was sent")
    conn.connect(wait=True)
    conn.send("/queue/reply", "from the child")
    conn.disconnect()

class Forking:
    def on_message(self, frame):
        if frame.body == "fork":
            pids.append(child(work))

conn.set_listener("forking", Forking())
conn.send("/queue/parent", "fork")
inbox.wait_for(lambda: "fork" in inbox.bodies)
deadline = time.monotonic() + 15
while not pids:
    assert time.monotonic() < deadline
    time.sleep(0.01)
ended_well(pids[0])
goes_on(1)
conn.disconnect()
""",
        *at(beating_broker),
    )
    assert beating_broker.depth("/queue/reply") == 1


@pytest.mark.slow(reason="forks many children")
def test_children_forked_while_threads_send_work(beating_broker):
    """Each fork may find any lock taken; none of them may be waited for in the child."""
    run(
        # Without heart-beats: threads that do nothing but send may keep others from running for long.
        BEGINNING.replace("heartbeats=(300, 300))", "heartbeats=(0, 0))").replace(
            "inbox.beats > beats + 1", "True"
        )
        + """
stop = threading.Event()
def busy():
    while not stop.is_set():
        conn.send("/queue/elsewhere", "x" * 1000)
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads:
    thread.start()
def work():
    for _ in range(2):
        try:
            conn.send("/queue/parent", "child")
        except stomp.exception.NotConnectedException:
            pass
        else:
            raise AssertionError("it was sent")
    conn.disconnect()
    conn.connect(wait=True)
    conn.send("/queue/child", "child")
    conn.disconnect()
for _ in range(20):
    ended_well(child(work))
stop.set()
for thread in threads:
    thread.join()
goes_on(1)
conn.disconnect()
""",
        *at(beating_broker),
    )
    assert beating_broker.depth("/queue/child") == 20


def test_a_child_of_a_tls_connection_sends_no_record(tls_broker, ca_file):
    """A second writer would break the sequence numbers of TLS, and with them the connection."""
    run(
        BEGINNING.replace(
            "conn.connect(wait=True)", "conn.set_ssl(ca_certs=sys.argv[3]); conn.connect(wait=True)"
        )
        .replace("heartbeats=(300, 300))", "heartbeats=(0, 0))")
        .replace("inbox.wait_for(lambda: not number or inbox.beats > beats + 1)", "pass")
        + """
def work():
    try:
        conn.send("/queue/parent", "child")
    except stomp.exception.NotConnectedException:
        pass
    else:
        raise AssertionError("it was sent")
    conn.connect(wait=True)
    conn.send("/queue/child", "child")
    conn.disconnect()

ended_well(child(work))
goes_on(1)
conn.disconnect()
""",
        "localhost",
        tls_broker.port,
        ca_file,
    )
    assert tls_broker.depth("/queue/child") == 1


def test_no_byte_of_a_child_is_in_the_stream_of_its_parent():
    received = []
    over = threading.Event()

    def listen(sock: socket.socket) -> None:
        received.append(read_frame(sock))
        greet_back(sock)
        while data := sock.recv(65536):
            received.append(data)
        over.set()

    with ScriptedServer(listen) as server:
        run(
            BEGINNING.partition("conn = connected(")[0]
            + """
conn = connected()
def work():
    for verb in (conn.disconnect, conn.transport.stop, lambda: conn.send("/queue/a", "child")):
        try:
            verb()
        except stomp.exception.NotConnectedException:
            pass
def leave(code):
    import atexit
    atexit._run_exitfuncs()
    os._exit(code)
ended_well(child(work, leave))
conn.send("/queue/a", "last")
conn.transport.stop()
""",
            *server.address,
        )
        assert over.wait(15)
    sent = b"".join(received[1:])
    assert sent.count(b"SEND") == 1
    assert sent.endswith(b"\n\nlast\0")
    assert b"child" not in sent
    assert b"DISCONNECT" not in sent


def test_listener_in_the_child_gets_nothing_from_the_connection_of_the_parent(beating_broker):
    """The connection ended in the child by the fork: no thread dispatches its end there.

    After `connect` the child gets the events of the new connection.
    """
    run(
        BEGINNING
        + """
def work():
    conn.connect(wait=True)
    conn.disconnect()
    assert inbox.ends == 1, inbox.ends
ended_well(child(work))
goes_on(1)
conn.disconnect()
assert inbox.ends == 1, inbox.ends
""",
        *at(beating_broker),
    )


def test_a_child_forked_while_a_thread_connects_may_connect(free_port):
    run(
        BEGINNING.partition("conn = connected(")[0]
        + """
import logging
from stomp.broker import Broker
tried = threading.Event()
class Waiting(logging.Handler):
    def emit(self, record):
        tried.set()
logger = logging.getLogger("stomp.py")
logger.addHandler(Waiting())
logger.setLevel(logging.DEBUG)
conn = stomp.Connection12([(sys.argv[1], int(sys.argv[2]))], reconnect_attempts_max=-1, reconnect_sleep_initial=60)
def keep_trying():
    try:
        conn.connect()
    except stomp.exception.ConnectFailedException:
        pass
thread = threading.Thread(target=keep_trying)
thread.start()
assert tried.wait(15)
def work():
    with Broker(port=int(sys.argv[2])):
        conn.connect(wait=True)
        conn.disconnect()
ended_well(child(work))
conn.transport.stop()
thread.join(15)
assert not thread.is_alive()
""",
        "127.0.0.1",
        free_port,
    )
