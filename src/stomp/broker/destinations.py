"""Names of destinations: topics, queues, and temporary destinations, which belong to a connection."""

from __future__ import annotations

from stomp.broker.store import RequestRefused

#: Prefix of a temporary destination in frames of its owner -> prefix in the frames of all other connections.
_TEMPORARY = {"/temp-queue/": "/remote-temp-queue/", "/temp-topic/": "/remote-temp-topic/"}
_REMOTE = tuple(_TEMPORARY.values())
_TOPICS = ("/topic/", "/remote-temp-topic/")


def qualify(destination: str, number: int) -> str:
    """The name that all connections use for a destination named by the connection with this number.

    >>> qualify("/queue/a", 7), qualify("/temp-queue/a", 7)
    ('/queue/a', '/remote-temp-queue/7-a')

    Raises:
        RequestRefused: the name is empty.
    """
    if not destination:
        raise RequestRefused("the destination is empty")
    if destination.startswith("/temp-"):
        for own, remote in _TEMPORARY.items():
            if destination.startswith(own):
                return f"{remote}{number}-{destination.removeprefix(own)}"
    return destination


def is_topic(name: str) -> bool:
    """True for a topic: every subscription gets a copy."""
    return name.startswith(_TOPICS)


def is_temporary(name: str) -> bool:
    """True for a destination that belongs to a connection."""
    return name.startswith(_REMOTE)


def owner_of(name: str) -> int:
    """The number of the connection that owns a temporary destination; -1 if the name contains no valid number."""
    number = name.split("/", 2)[2].partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else -1
