"""`Queue.page`: some messages of a queue, in the order of delivery, without a copy of all."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.broker.engine import Engine
from stomp.broker.model import Queue
from stomp.broker.store import Policy, StoredMessage
from tests.broker.party import party

#: Number of messages of a huge queue.
HUGE = 20_000


def message(order: int) -> StoredMessage:
    found = StoredMessage(order, "/queue/a", {}, b"x", 1)
    found.order = order
    return found


def test_a_page_has_the_messages_behind_one_that_has_expired() -> None:
    queue = Queue("/queue/a")
    for order in (3, 0, 1, 2):  # all but the first are returned messages
        queue.backlog.add(one := message(order))
        if order == 1:
            queue.backlog.drop(one)
    assert [each.order for each in queue.page(0, 2)] == [0, 2]


@given(
    places=st.lists(st.sampled_from(["add", "back", "defer", "gone"]), max_size=40),
    shuffled=st.randoms(use_true_random=False),
    offset=st.integers(0, 45),
    limit=st.integers(0, 45),
    newest_first=st.booleans(),
)
def test_a_page_is_a_part_of_the_sorted_messages(
    places: list[str], shuffled, offset: int, limit: int, newest_first: bool
) -> None:
    queue, expected = Queue("/queue/a"), []
    numbered = list(enumerate(places))
    shuffled.shuffle(numbered)
    for order, place in numbered:
        one = message(order)
        if place == "defer":
            queue.backlog.defer(one)
        elif place == "back":
            queue.backlog.put_back(one)
        else:
            queue.backlog.add(one)
        if place == "gone":
            queue.backlog.drop(one)
        else:
            expected.append(order)
    expected.sort(reverse=newest_first)
    found = [each.order for each in queue.page(offset, limit, newest_first=newest_first)]
    assert found == expected[offset : offset + limit]
    assert sorted(each.order for each in queue) == sorted(expected)


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_page_has_unacknowledged_messages_in_their_place(newest_first: bool) -> None:
    engine = Engine()
    one, two = party(engine), party(engine)
    for each in (one, two):
        each.subscribe("/queue/a", "1", ack="client-individual", prefetch_count="2")
    for number in range(8):
        one.send("/queue/a", str(number))
    (queue,) = engine.queues("/queue/a")
    assert queue.unsettled == 4
    bodies = [str(number).encode() for number in range(8)]
    expected = bodies[::-1] if newest_first else bodies
    found = [each.body for each in queue.page(1, 6, newest_first=newest_first)]
    assert found == expected[1:7]


@pytest.fixture(scope="module", params=["waiting", "set aside", "unacknowledged"])
def huge(request: pytest.FixtureRequest) -> Queue:
    """A queue with many messages."""
    engine = Engine(Policy(max_bytes=2**30, max_queue_bytes=2**30, chunk=2**30))
    if request.param == "set aside":  # no consumer wants them
        party(engine).subscribe("/queue/a", "1", selector="colour = 'red'")
    elif request.param == "unacknowledged":
        party(engine).subscribe("/queue/a", "1", ack="client", prefetch_count="65535")
    for _ in range(HUGE):
        engine.put("/queue/a", b"x", {})
    (queue,) = engine.queues("/queue/a")
    return queue


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_page_of_a_huge_queue_copies_only_itself(huge: Queue, newest_first: bool) -> None:
    tracemalloc.start()
    try:
        found = huge.page(100, 50, newest_first=newest_first)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    numbers = [each.number for each in found]
    assert len(numbers) == 50
    assert numbers == sorted(numbers, reverse=newest_first)
    # A list of all messages would have 160 kB.
    assert peak < 60_000
