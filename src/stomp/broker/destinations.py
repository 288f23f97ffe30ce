"""Names of destinations: topics, queues, exchanges, and temporary destinations, which belong to a connection.

Rules of this file:

- A destination has one name inside the broker. Other spellings of RabbitMQ are converted by `qualify`:
  ``/amq/queue/NAME`` is ``/queue/NAME``, and ``/exchange/amq.topic/KEY`` is ``/topic/KEY``.
- ``/exchange/NAME/KEY`` is a topic. ``amq.direct`` has no wildcards; ``amq.fanout`` and ``amq.headers`` ignore the key.
- ``/temp-queue/NAME`` is ``/remote-temp-queue/NUMBER-NAME`` inside the broker; ``/reply-queue/amq.gen-NUMBER-NAME`` is
  RabbitMQ's name for the same.
"""

from __future__ import annotations

from stomp.broker.store import Policy, RequestRefused

#: Prefix of a temporary destination in frames of its owner -> prefix in the frames of all other connections.
_TEMPORARY = {"/temp-queue/": "/remote-temp-queue/", "/temp-topic/": "/remote-temp-topic/"}
_OWN_NAMES = {remote: own for own, remote in _TEMPORARY.items()}
_REMOTE = tuple(_TEMPORARY.values())
_REPLY = "/reply-queue/"
_GENERATED = "amq.gen-"
_TOPICS = ("/topic/", "/remote-temp-topic/", "/exchange/")
#: Other spellings of a destination -> the name inside the broker.
_ALIASES = {"/amq/queue/": "/queue/", "/exchange/amq.topic/": "/topic/"}
#: How the topics of advisories begin (ActiveMQ), and those of them that `stomp.broker.advisories` has.
ADVISORIES = "/topic/ActiveMQ.Advisory."
_IMITATED = tuple(ADVISORIES + each for each in ("Connection", "Consumer.", ">", "*"))
#: Exchanges that ignore the key.
_WITHOUT_KEY = ("/exchange/amq.fanout", "/exchange/amq.headers")
_DIRECT = "/exchange/amq.direct/"


def qualify(destination: str, number: int) -> str:
    """The name inside the broker of a destination named by the connection with this number.

    >>> qualify("/queue/a", 7), qualify("/temp-queue/a", 7), qualify("/amq/queue/a", 7)
    ('/queue/a', '/remote-temp-queue/7-a', '/queue/a')

    Raises:
        RequestRefused: the name is empty.
    """
    if not destination:
        raise RequestRefused("the destination is empty")
    if destination.startswith("/temp-"):
        for own, remote in _TEMPORARY.items():
            if destination.startswith(own):
                return f"{remote}{number}-{destination.removeprefix(own)}"
    elif destination.startswith(_REPLY):
        return f"/remote-temp-queue/{destination.removeprefix(_REPLY).removeprefix(_GENERATED)}"
    elif destination.startswith(("/amq/", "/exchange/")):
        for alias, name in _ALIASES.items():
            if destination.startswith(alias):
                return name + destination.removeprefix(alias)
    return destination


def qualify_limited(destination: str, number: int, policy: Policy) -> str:
    """As `qualify`, for a destination that a client names.

    Raises:
        RequestRefused: the name is empty or too long.
    """
    if len(destination) > policy.max_destination:
        raise RequestRefused(f"a destination may have {policy.max_destination} characters at most")
    return qualify(destination, number)


def own_name(name: str, number: int) -> str:
    """The name of a temporary destination in the frames of the connection that owns it; other names are unchanged.

    >>> own_name("/remote-temp-queue/7-a", 7), own_name("/remote-temp-queue/7-a", 8)
    ('/temp-queue/a', '/remote-temp-queue/7-a')
    """
    for remote, own in _OWN_NAMES.items():
        prefix = f"{remote}{number}-"
        if name.startswith(prefix):
            return own + name.removeprefix(prefix)
    return name


def reply_name(name: str) -> str:
    """RabbitMQ's name of a temporary queue, for the other connections.

    >>> reply_name("/remote-temp-queue/7-a")
    '/reply-queue/amq.gen-7-a'
    """
    return name.replace("/remote-temp-queue/", _REPLY + _GENERATED, 1)


def topic_of(name: str) -> str:
    """The topic that a message to this destination belongs to: exchanges that ignore the key are one topic.

    >>> topic_of("/exchange/amq.fanout/key"), topic_of("/topic/a")
    ('/exchange/amq.fanout', '/topic/a')
    """
    for exchange in _WITHOUT_KEY:
        if name == exchange or name.startswith(exchange + "/"):
            return exchange
    return name


def has_wildcards(name: str) -> bool:
    """True if wildcards have a meaning in the destination of a subscription to this topic."""
    return not name.startswith(_DIRECT)


def declares(destination: str) -> bool:
    """True if a frame with this destination declares its queue, with the arguments in its headers (RabbitMQ).

    >>> declares("/queue/a"), declares("/amq/queue/a")
    (True, False)
    """
    return not destination.startswith("/amq/queue/")


def is_unknown_advisory(name: str) -> bool:
    """True for a topic of advisories of ActiveMQ that the broker does not send.

    >>> (
    ...     is_unknown_advisory("/topic/ActiveMQ.Advisory.Queue"),
    ...     is_unknown_advisory("/topic/ActiveMQ.Advisory.Connection"),
    ... )
    (True, False)
    """
    return name.startswith(ADVISORIES) and not name.startswith(_IMITATED)


def parts_of(destination: str) -> list[str]:
    """The destinations of a composite one (ActiveMQ), without repetitions.

    >>> parts_of("/queue/a,/topic/b"), parts_of("/queue/a,b")
    (['/queue/a', '/topic/b'], ['/queue/a,b'])
    """
    return list(dict.fromkeys(destination.split(","))) if ",/" in destination else [destination]


def is_topic(name: str) -> bool:
    """True for a topic: every subscription gets a copy."""
    return name.startswith(_TOPICS)


def is_temporary(name: str) -> bool:
    """True for a destination that belongs to a connection."""
    return name.startswith(_REMOTE)


def owner_of(name: str) -> int:
    """The number of the connection that owns a temporary destination; -1 if the name contains no valid number."""
    number, hyphen, _ = name.split("/", 2)[2].partition("-")
    return int(number) if hyphen and number.isascii() and number.isdigit() and len(number) < 19 else -1


def implicit_key(name: str) -> str:
    """The key of the subscription that a SEND with this ``reply-to`` makes. No SUBSCRIBE can have an id with a NUL."""
    return f"\0{name}"
