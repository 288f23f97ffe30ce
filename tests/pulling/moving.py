"""Moves numbered messages from a producer to a consumer, while their connections are cut.

The producer sends again what was not confirmed, the consumer acknowledges each message. Whatever is cut: nothing is
lost, and what comes twice says so.
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
#: The connections of a client with very little patience between its attempts, and no end of them.
RESTLESS = {
    "backoff": Backoff(0.005, 0.0, 1.0, 0.01),
    "attempts": -1,
    "reattempts": -1,
    "max_losses": -1,
    "timeout": 60.0,
}
PATIENCE = 120.0


def plan(seed: int) -> Iterable[Cut]:
    """At every frame boundary, and in frames, near the beginning of a connection; then anywhere."""
    boundaries = frame_cuts(itertools.chain(range(1, 25), range(25, 400, 25)))
    return itertools.chain(boundaries, random_cuts(seed, count=60, most=200_000, least=200))


def move(client: Any, place: Place, addresses: tuple[str, int], seed: int = 1) -> dict[str, int]:
    """Move them; what was seen: how many came, how many twice, and how many of these did not say so."""
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
            # Which of two copies comes first is up to the broker: one of them says so.
            "silently": sum(count > 1 for count in plain.values()),
            "cuts": len(before.made) + len(behind.made),
        }
