"""stomp.client.threads.idle_poller"""

import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stomp.client.threads import idle_poller as module
from stomp.client.threads.idle_poller import Watch, may_watch
from tests.listening import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="needs epoll")


class Ear:
    """Reads what comes, and forgets itself at the end."""

    def __init__(self, watch):
        self.watch = watch
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.heard = []
        self.glances = threading.Semaphore(0)

    def __enter__(self):
        self.watch.add(self.ours.fileno(), self)
        return self

    def __exit__(self, *_):
        self.watch.forget(self.ours.fileno())
        self.ours.close()
        self.theirs.close()

    def glance(self):
        data = self.ours.recv(1)
        self.heard.append(data)
        if not data:
            self.watch.forget(self.ours.fileno())
        self.glances.release()


def threads_of_watches():
    return [thread for thread in threading.enumerate() if thread.name == "stomp-watch"]


@pytest.fixture
def watch():
    yield Watch()
    wait_until(lambda: not threads_of_watches())


def test_what_comes_is_told_until_all_is_read(watch):
    with Ear(watch) as ear, Ear(watch) as other:
        other.theirs.sendall(b"x")
        ear.theirs.sendall(b"abc")
        ear.theirs.close()
        wait_until(lambda: ear.heard == [b"a", b"b", b"c", b""])
        wait_until(lambda: other.heard == [b"x"])


def test_what_is_forgotten_is_left_alone(watch):
    with Ear(watch) as ear, Ear(watch) as other:
        watch.forget(ear.ours.fileno())
        watch.forget(ear.ours.fileno())
        ear.theirs.sendall(b"a")
        other.theirs.sendall(b"b")
        assert other.glances.acquire(timeout=PATIENCE)
        assert (ear.heard, other.heard) == ([], [b"b"])
        watch.add(ear.ours.fileno(), ear)
        assert ear.glances.acquire(timeout=PATIENCE)
        assert ear.heard == [b"a"]


def test_the_thread_and_its_descriptors_go_soon_after_the_last_socket(watch):
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Ear(watch) as ear:
            ear.theirs.sendall(b"a")
            assert ear.glances.acquire(timeout=PATIENCE)
            assert len(threads_of_watches()) == 1
        wait_until(lambda: not threads_of_watches())
        wait_until(lambda: len(os.listdir("/proc/self/fd")) == descriptors)


def test_a_closed_socket_cannot_be_watched(watch):
    with Ear(watch) as ear:
        with socket.socket() as sock:
            fd = sock.fileno()
        with pytest.raises(OSError, match="Bad file descriptor"):
            watch.add(fd, ear)
        ear.theirs.sendall(b"a")
        assert ear.glances.acquire(timeout=PATIENCE)


def test_a_socket_that_somebody_else_closed_is_forgotten_without_a_word(watch):
    with Ear(watch) as ear:
        fd = ear.ours.detach()
        os.close(fd)
        watch.forget(fd)
        ear.ours = socket.socket()


FORKED = """
import os, socket, sys, threading
from stomp.client.threads.idle_poller import WATCH

class Ear:
    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.heard = threading.Event()
        WATCH.add(self.ours.fileno(), self)
    def glance(self):
        self.ours.recv(1)
        self.heard.set()

def works(ear):
    ear.theirs.sendall(b"a")
    return ear.heard.wait(20)

ear = Ear()
child = os.fork()
if not child:
    os._exit(0 if works(Ear()) and not ear.heard.is_set() else 1)
assert os.waitpid(child, 0)[1] == 0
assert works(ear)
print("both")
"""


def test_a_forked_child_has_a_watch_of_its_own():
    source = str(Path(module.__file__).parents[3])
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": source}
    )
    assert (done.stdout, done.stderr) == ("both\n", "")


def test_there_is_no_watch_for_green_threads(monkeypatch):
    assert may_watch()
    monkeypatch.setattr(threading, "Lock", list)
    assert not may_watch()


# PyPy has no eventfd.
@pytest.mark.parametrize(("owner", "name"), [(select, "epoll"), (os, "eventfd"), (sys, "platform")])
def test_there_is_no_watch_without_epoll_and_eventfd(monkeypatch, owner, name):
    if owner is not sys:
        monkeypatch.delattr(owner, name)
    else:
        monkeypatch.setattr(owner, name, "darwin")
    assert not may_watch()
