"""What destinations are called: topics, queues, and the temporary ones that belong to a connection."""

from __future__ import annotations

from stomp.broker.store import RequestRefused

#: What the owner calls its temporary destinations, and what everybody else does.
_TEMPORARY = {"/temp-queue/": "/remote-temp-queue/", "/temp-topic/": "/remote-temp-topic/"}
_REMOTE = tuple(_TEMPORARY.values())
_TOPICS = ("/topic/", "/remote-temp-topic/")


def public(destination: str, number: int) -> str:
    """What everybody calls a destination that the connection of this number named.

    >>> public("/queue/a", 7), public("/temp-queue/a", 7)
    ('/queue/a', '/remote-temp-queue/7-a')

    Raises:
        Refusal: it is empty.
    """
    if not destination:
        raise RequestRefused("the destination is empty")
    if destination.startswith("/temp-"):
        for mine, everybodys in _TEMPORARY.items():
            if destination.startswith(mine):
                return f"{everybodys}{number}-{destination.removeprefix(mine)}"
    return destination


def is_topic(name: str) -> bool:
    """True if every subscription gets a copy."""
    return name.startswith(_TOPICS)


def is_temporary(name: str) -> bool:
    """True if it belongs to a connection."""
    return name.startswith(_REMOTE)


def owner_of(name: str) -> int:
    """The number of the connection that a temporary destination belongs to; -1 if it can be nobody's."""
    number = name.split("/", 2)[2].partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else -1
