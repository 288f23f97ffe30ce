"""Moves numbered messages from a producer to a consumer, while their connections are cut.

The producer resends messages that were not confirmed; the consumer acknowledges each message. Wherever a connection is
cut, no message may be lost, and a message that is delivered twice must be marked as a possible duplicate.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from typing import Any

from stomp.core.engine.failover import Backoff
from stomp.testing.fault_plans import Cut, frame_cuts, random_cuts
from stomp.testing.relay import Relay
from tests.pulling.places import Place
from tests.pulling.suite import through

COUNT = 10_000
#: Settings of a client that reconnects with short waits and without a limit of attempts.
RESTLESS = {
    "backoff": Backoff(0.005, 0.0, 1.0, 0.01),
    "attempts": -1,
    "reattempts": -1,
    "max_losses": -1,
    "timeout": 60.0,
}
PATIENCE = 120.0


def plan(seed: int) -> Iterable[Cut]:
    """A fault plan: cuts at and within the first frames of a connection, then cuts at random positions."""
    boundaries = frame_cuts(itertools.chain(range(1, 25), range(25, 400, 25)))
    return itertools.chain(boundaries, random_cuts(seed, count=60, maximum=200_000, minimum=200))


def move(client: Any, place: Place, addresses: tuple[str, int], seed: int = 1) -> dict[str, int]:
    """Move the messages; return the numbers of received messages, duplicates, and duplicates without a mark."""
    queue = place.queue()
    with Relay(*addresses) as before, Relay(*addresses) as behind:
        before.follow(plan(seed))
        behind.follow(plan(seed + 1))
        producer = client(url=through(before, place), on_unknown="resend", window=200, **RESTLESS)
        consumer = client(url=through(behind, place), **RESTLESS)
        seen: dict[int, int] = {}
        plain: dict[int, int] = {}

        def consume() -> None:
            wanted = {"ack": "client-individual", "prefetch": 50, "headers": place.queue_headers}
            with consumer.subscribe(queue, **wanted) as subscription:
                for message in subscription:
                    with message:
                        number = int(message.text)
                        seen[number] = seen.get(number, 0) + 1
                        if not (message.redelivered or message.possible_duplicate):
                            plain[number] = plain.get(number, 0) + 1
                    if len(seen) == COUNT:
                        return

        taking = threading.Thread(target=consume, daemon=True)
        taking.start()
        sent = [
            producer.send_async(queue, str(number), headers=place.queue_headers) for number in range(COUNT)
        ]
        for confirmation in sent:
            confirmation.result(timeout=PATIENCE)
        taking.join(PATIENCE)
        assert not taking.is_alive(), f"{len(seen)} of {COUNT} have come"
        return {
            "seen": len(seen),
            "twice": sum(count > 1 for count in seen.values()),
            # The broker decides which of two copies is delivered first: one of them is marked.
            "silently": sum(count > 1 for count in plain.values()),
            "cuts": len(before.executed) + len(behind.executed),
        }
