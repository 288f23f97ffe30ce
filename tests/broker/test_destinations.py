"""Names of destinations: topics, queues, temporary destinations."""

from __future__ import annotations

import pytest

from stomp.broker.destinations import is_temporary, is_topic, owner_of, qualify
from stomp.broker.store import RequestRefused


@pytest.mark.parametrize(
    ("named", "known"),
    [
        ("/queue/a", "/queue/a"),
        ("/temp-queue/a", "/remote-temp-queue/7-a"),
        ("/temp-topic/a/b", "/remote-temp-topic/7-a/b"),
        ("/temp-other/a", "/temp-other/a"),
    ],
)
def test_public_names_are_qualified(named: str, known: str) -> None:
    assert qualify(named, 7) == known
    assert is_temporary(known) == (named != known)
    assert not is_temporary(known) or owner_of(known) == 7


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(RequestRefused, match="empty"):
        qualify("", 7)


@pytest.mark.parametrize("rest", ["", "x-a", "-1-a", "²-a", "9" * 5000 + "-a"])
def test_temporary_destination_without_owner_is_recognised(rest: str) -> None:
    assert owner_of(f"/remote-temp-queue/{rest}") == -1


def test_topics_are_recognised() -> None:
    assert is_topic("/topic/a")
    assert is_topic(qualify("/temp-topic/a", 7))
    assert not is_topic("/queue/topic/a")
