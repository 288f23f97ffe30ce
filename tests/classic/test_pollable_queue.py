"""The queue of stomp.py that can be used with `select`."""

import select
import threading

import stomp.utils
from stomp.classic.pollable_queue import PollableQueue


def test_pollable_queue_is_readable_when_filled():
    queue = PollableQueue()
    assert select.select([queue], [], [], 0)[0] == []
    for number in range(100_000):
        queue.put(number)
    assert select.select([queue], [], [], 0)[0] == [queue]
    assert [queue.get() for _ in range(100_000)] == list(range(100_000))
    assert select.select([queue], [], [], 0)[0] == []
    threading.Timer(0.01, lambda: queue.put("late")).start()
    assert queue.get() == "late"
    queue.shutdown()


def test_queue_has_its_name_in_utils():
    assert stomp.utils.PollableQueue is PollableQueue
