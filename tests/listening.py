"""Listeners for tests: they record callbacks, and a test can wait for a callback with a timeout."""

from __future__ import annotations

import threading
import time

#: Timeout of all waits in seconds. A test that succeeds never waits that long.
PATIENCE = 20.0


class RecentFrames:
    """Records every callback as (method, detail); `wait_for` waits until a predicate on the records is true."""

    def __init__(self):
        self.notes = []
        self.bodies = []
        self._changed = threading.Condition()

    def note(self, method, detail=None):
        with self._changed:
            self.notes.append((method, detail))
            self._changed.notify_all()

    def wait_for(self, condition, seconds=PATIENCE):
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise AssertionError(f"not within {seconds} s; noted: {self.notes[-20:]}")

    def wait_for_method(self, method, count=1):
        self.wait_for(lambda: self.methods.count(method) >= count)

    def wait_for_bodies(self, count):
        self.wait_for(lambda: len(self.bodies) >= count)

    @property
    def methods(self):
        return [method for method, _ in self.notes]

    def on_connecting(self, host_and_port):
        self.note("on_connecting", host_and_port)

    def on_connected(self, frame):
        self.note("on_connected", frame)

    def on_disconnecting(self):
        self.note("on_disconnecting")

    def on_disconnected(self):
        self.note("on_disconnected")

    def on_heartbeat(self):
        self.note("on_heartbeat")

    def on_heartbeat_timeout(self):
        self.note("on_heartbeat_timeout")

    def on_before_message(self, frame):
        self.note("on_before_message", frame)

    def on_message(self, frame):
        with self._changed:  # body and record are added together for waiting tests
            self.bodies.append(frame.body)
            self.note("on_message", frame)

    def on_receipt(self, frame):
        self.note("on_receipt", frame.headers["receipt-id"])

    def on_error(self, frame):
        self.note("on_error", frame)

    def on_send(self, frame):
        self.note("on_send", frame.cmd)

    def on_receiver_loop_completed(self, frame):
        self.note("on_receiver_loop_completed", frame)


def wait_until(condition, seconds=PATIENCE):
    """Poll a condition that has no callback, such as the end of a thread."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.005)


#: Threads of earlier tests. A test checks only its own threads, so that one failure does not fail all later tests.
OLDER: set[threading.Thread] = set()


def stomp_threads():
    """The running threads of stompkit that this test started."""
    names = ("stomp-receiver", "stomp-timer")
    return [thread for thread in threading.enumerate() if thread.name in names and thread not in OLDER]
