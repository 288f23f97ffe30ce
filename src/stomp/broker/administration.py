"""What an operator does with queues and subscriptions: move and remove messages, pause, stall.

Rule of this file: only waiting messages are moved and removed. One that is delivered belongs to its consumer until the
consumer has settled it.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from stomp.broker.destinations import qualify
from stomp.broker.model import PendingSend
from stomp.broker.store import RequestRefused, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from stomp.broker.engine import Engine
    from stomp.broker.model import Consumer, Queue
    from stomp.broker.store import StoredMessage

#: The header of a dead letter that has its destination before.
ORIGINAL_DESTINATION = "original-destination"
#: Maximum number of messages that one call moves, so that other connections do not wait for long.
MAX_MOVED = 10_000


def remove(engine: Engine, destination: str, numbers: Collection[int]) -> int:
    """Remove the waiting messages with these numbers from a destination; return how many there were."""
    count = 0
    for queue in engine.queues(destination):
        for message in _chosen(queue, set(numbers), len(numbers)):
            _drop(engine, queue, message)
            count += 1
    _remove_empty(engine, destination)
    return count


def move(
    engine: Engine,
    destination: str,
    target: str | None,
    numbers: Collection[int] | None = None,
    check: Callable[[str], None] = lambda _: None,
) -> int:
    """Move waiting messages, oldest first and at most `MAX_MOVED`; return how many were moved.

    Args:
        engine: the broker.
        destination: where they are.
        target: where they go; None for the header ``original-destination`` of each, which is then removed: a retry of
            dead letters. Messages without this header stay.
        numbers: the numbers of the messages; None for all.
        check: is called with the target of each message, and raises if the user may not send to it.

    Raises:
        RequestRefused: the target is invalid or refused, or the broker is full. Those that were moved before stay
            there.
    """
    if target is not None and qualify(target, 0) == destination:
        raise RequestRefused("the messages are there already", "name another destination")
    count = 0
    needed = ORIGINAL_DESTINATION if target is None else None
    for queue, message in _waiting(engine, destination, numbers, needed):
        headers = dict(message.headers)
        name = headers.pop(ORIGINAL_DESTINATION) if target is None else target
        check(name)
        size = size_of(headers, message.body)
        sending = PendingSend(qualify(name, 0), headers, message.body, size, message.expires)
        engine._sender.publish(sending)
        _drop(engine, queue, message)
        count += 1
    _remove_empty(engine, destination)
    return count


def pause(engine: Engine, destination: str, *, paused: bool) -> None:
    """Deliver no messages of a destination until it is called with ``paused=False``."""
    if paused:
        engine.state.paused.add(destination)
        return
    engine.state.paused.discard(destination)
    for queue in engine.queues(destination):
        engine._dispatcher.dispatch(queue)


def stall(engine: Engine, consumer: Consumer, *, stalled: bool) -> None:
    """Deliver no messages to a subscription until it is called with ``stalled=False``."""
    consumer.window = 0 if stalled else consumer.prefetch
    engine._dispatcher.dispatch_consumer(consumer)


def _waiting(
    engine: Engine, destination: str, numbers: Collection[int] | None, header: str | None
) -> Iterator[tuple[Queue, StoredMessage]]:
    """Waiting messages with these numbers and this header, at most `MAX_MOVED`."""
    chosen = None if numbers is None else set(numbers)
    left = MAX_MOVED
    for queue in engine.queues(destination):
        found = _chosen(queue, chosen, left, header)
        left -= len(found)
        for message in found:
            # A consumer may have got it meanwhile, because of a message that was moved before.
            if message.waiting:
                yield queue, message


def _chosen(
    queue: Queue, numbers: set[int] | None, most: int, header: str | None = None
) -> list[StoredMessage]:
    """Waiting messages in their order. A queue may be huge: it is read once, and not copied."""
    fitting = (
        message
        for message in queue.backlog
        if (numbers is None or message.number in numbers) and (header is None or header in message.headers)
    )
    return heapq.nsmallest(most, fitting, key=lambda message: message.order)


def _drop(engine: Engine, queue: Queue, message: StoredMessage) -> None:
    queue.backlog.drop(message)
    engine._queues.discard(queue, message)


def _remove_empty(engine: Engine, destination: str) -> None:
    for queue in engine.queues(destination):
        engine._queues.remove_if_empty(queue)
