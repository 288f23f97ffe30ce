"""A broker that is killed at any moment loses no confirmed message, and delivers none again after its confirmed ACK."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.broker.restarts import Book, Restarts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


def check(restarts: Restarts, count: int) -> None:
    faults = restarts.run(count, lambda number: print("restart", number + 1, flush=True))
    book = restarts.book
    print(
        f"{count} restarts: {len(book.sent)} sent, {len(book.confirmed)} confirmed, {len(book.settled)} acknowledged, "
        f"{book.redelivered} redelivered"
    )
    assert faults == []
    assert book.confirmed
    assert book.settled
    assert len(book.confirmed) <= len(book.sent)


@pytest.mark.slow(reason="starts a broker process twelve times")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_broker_keeps_what_it_has_confirmed(tmp_path: Path, seed: int) -> None:
    check(Restarts(tmp_path / "store.db", seed), 10)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_killed_broker_keeps_what_it_has_confirmed_for_long(tmp_path: Path) -> None:
    count = int(os.environ.get("STOMP_RESTARTS") or 1000)
    check(Restarts(tmp_path / "store.db", int(os.environ.get("STOMP_SEED") or 1)), count)


def test_the_book_finds_what_it_is_for() -> None:
    book = Book()
    book.sent = {"a", "b", "c", "group x 0", "group x 1", "group x 2"}
    book.confirmed = {"a", "b"}
    book.acknowledged = {"a"}
    book.note_delivery("a", redelivered=False)
    book.settled = {"a"}
    book.note_delivery("a", redelivered=False)
    book.note_delivery("unknown", redelivered=False)
    book.note_delivery("group x 1", redelivered=False)
    assert book.check() == [
        "a was delivered after its confirmed acknowledgement",
        "a was delivered again without redelivered:true",
        "unknown was never sent",
        "b was confirmed, and is lost",
        f"group x has 1 of {3} messages",
    ]
