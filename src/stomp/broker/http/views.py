"""The state of a broker as dictionaries for JSON. Called on the event loop of the broker."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stomp._version import __version__
from stomp.broker.destinations import is_temporary, is_topic, qualify
from stomp.broker.http.access import UNLIMITED
from stomp.broker.http.monitor import DestinationCounters
from stomp.broker.store import QUEUE_OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stomp.broker.http.access import Access
    from stomp.broker.http.monitor import Monitor
    from stomp.broker.model import Queue
    from stomp.broker.recording import RecordedFrame
    from stomp.broker.server import Server
    from stomp.broker.settings import ConnectionInfo, ConsumerInfo
    from stomp.broker.store import StoredMessage

Json = dict[str, Any]

#: Bytes of a body that are in a list of messages. The whole body has a URL of its own.
BODY_BYTES = 64 * 1024
#: Bytes of the bodies of one list of messages.
LIST_BYTES = 2 * 1024 * 1024
#: Messages, and bytes of their bodies, in which one request searches.
MAX_SEARCHED = 10_000
SEARCHED_BYTES = 64 * 1024 * 1024
#: Subscriptions that are listed for one connection.
MAX_SUBSCRIPTIONS = 200
#: How destinations can be sorted.
SORTS = ("name", "depth", "consumers", "received", "delivered")

#: The order of messages: that of delivery, or the reverse.
ORDERS = ("oldest", "newest")

_NONE = DestinationCounters()


def overview(
    server: Server, monitor: Monitor, access: Access = UNLIMITED, known: set[str] | None = None
) -> Json:
    """The broker as a whole. A user who may not see everything gets the totals of everything, too.

    Args:
        server: the broker.
        monitor: its counters.
        access: what the user may see.
        known: what `names` returns, if it was called already.
    """
    engine, total = server.engine, monitor.total
    capacity, policy = engine.capacity, engine.policy
    in_rate, out_rate = total.rates
    dead_letters = policy.dead_letter_queue
    return {
        "version": __version__,
        "urls": [endpoint.url for endpoint in server.listen],
        "dialect": server.settings.dialect.name,
        "user": access.user,
        "limited": access.is_limited,
        "started_at": monitor.started_at,
        "connections": len(server.open_connections),
        "destinations": len(names(server, monitor, access) if known is None else known),
        "messages": capacity.messages,
        "unacknowledged": sum(len(client.awaiting) for client in engine.state.clients.values()),
        "dead_letters": engine.depth(dead_letters) if access.can_read(server, dead_letters) else 0,
        "bytes": capacity.bytes + capacity.queues * QUEUE_OVERHEAD,
        "max_messages": policy.max_messages,
        "max_bytes": policy.max_bytes,
        "dead_letter_queue": dead_letters,
        "in_rate": round(in_rate, 1),
        "out_rate": round(out_rate, 1),
        "total": counted(total),
        "faults": faults(server, access),
    }


def history(monitor: Monitor) -> list[list[int]]:
    """Received and delivered messages of each of the last seconds, for a plot."""
    return [list(each) for each in monitor.total.history]


def counted(counters: DestinationCounters) -> Json:
    """The counters of a destination."""
    return {
        "received": counters.received,
        "delivered": counters.delivered,
        "redelivered": counters.redelivered,
        "acknowledged": counters.acknowledged,
        "refused": counters.refused,
        "dead_lettered": counters.dead_lettered,
        "expired": counters.expired,
        "dropped": counters.dropped,
    }


def faults(server: Server, access: Access = UNLIMITED) -> Json:
    """The faults that are on."""
    found = asdict(server.faults)
    destination = found["error_destination"]
    if destination is not None and not access.can_read(server, qualify(destination, 0)):
        found["error_destination"] = None
    found["paused"] = sorted(name for name in server.engine.state.paused if access.can_read(server, name))
    found["stalled"] = []
    for connection, key in server.stalled_subscriptions():
        if access.sees_connection(connection.info()):
            found["stalled"].append({"connection": connection.number, "subscription": key})
    return found


# ------------------------------------------------------------------------------------- destinations


def names(server: Server, monitor: Monitor, access: Access = UNLIMITED) -> set[str]:
    """The destinations that have messages, subscriptions or counters, and that the user may read."""
    state = server.engine.state
    found = {*state.queues, *state.topics.names(), *monitor.counters}
    return {name for name in found if access.can_read(server, name)} if access.is_limited else found


def destination(server: Server, monitor: Monitor, name: str) -> Json:
    """One destination."""
    queues = server.engine.queues(name)
    counters = monitor.counters.get(name, _NONE)
    in_rate, out_rate = counters.rates
    waiting, unacknowledged = (
        sum(len(each.backlog) for each in queues),
        sum(each.unsettled for each in queues),
    )
    kind = "temporary" if is_temporary(name) else "topic" if is_topic(name) else "queue"
    return {
        "name": name,
        "kind": kind,
        "depth": waiting + unacknowledged,
        "waiting": waiting,
        "unacknowledged": unacknowledged,
        "consumers": sum(len(each.consumers) for each in queues),
        "bytes": sum(each.bytes for each in queues),
        "in_rate": round(in_rate, 1),
        "out_rate": round(out_rate, 1),
        **counted(counters),
        "paused": name in server.engine.state.paused,
        "history": [list(each) for each in counters.history],
    }


def _queues(server: Server, name: str) -> Iterable[Queue]:
    """As `Engine.queues`, which looks for expired messages each time: there may be 10,000 names."""
    queue = server.engine.state.queues.get(name)
    if queue is not None:
        return (queue,)
    return server.engine.state.topics.named(name) or () if is_topic(name) else ()


def destinations(
    server: Server,
    monitor: Monitor,
    access: Access = UNLIMITED,
    *,
    match: str = "",
    sort: str = "name",
    offset: int = 0,
    limit: int = 100,
    known: set[str] | None = None,
) -> Json:
    """Some destinations, those whose name contains `match`. For `known` see `overview`."""
    found = [name for name in (names(server, monitor, access) if known is None else known) if match in name]
    found.sort()
    if sort == "depth":
        found.sort(key=lambda name: sum(map(len, _queues(server, name))), reverse=True)
    elif sort == "consumers":
        found.sort(key=lambda name: sum(len(each.consumers) for each in _queues(server, name)), reverse=True)
    elif sort != "name":
        found.sort(key=lambda name: int(getattr(monitor.counters.get(name, _NONE), sort)), reverse=True)
    items = [destination(server, monitor, name) for name in found[offset : offset + limit]]
    return {"total": len(found), "offset": offset, "items": items}


# ------------------------------------------------------------------------------------- connections


def connection(info: ConnectionInfo, subscriptions: Iterable[ConsumerInfo]) -> Json:
    """One connection with its subscriptions."""
    found = asdict(info)
    listed = [asdict(each) for each in subscriptions]
    for each in listed:
        del each["connection"]
    found["heartbeat"] = list(info.heartbeat)
    found["subscription_count"] = info.subscriptions
    found["subscriptions"] = listed
    return found


def connections(server: Server, access: Access = UNLIMITED, *, offset: int = 0, limit: int = 100) -> Json:
    """Some connections, oldest first."""
    open_ones = [
        each
        for each in server.open_connections.values()
        if not each.closing and (not access.is_limited or access.sees_connection(each.info()))
    ]
    items = [
        connection(each.info(), each.subscriptions(MAX_SUBSCRIPTIONS))
        for each in open_ones[offset : offset + limit]
    ]
    return {"total": len(open_ones), "offset": offset, "items": items}


def state(
    server: Server,
    monitor: Monitor,
    access: Access,
    *,
    match: str,
    sort: str,
    offset: int,
    limit: int,
    opened: str,
) -> Json:
    """What a live stream sends again and again; `opened` is a destination whose numbers are wanted, or empty."""
    known = names(server, monitor, access)
    found = destinations(
        server, monitor, access, match=match, sort=sort, offset=offset, limit=limit, known=known
    )
    return {
        "overview": {**overview(server, monitor, access, known), "history": history(monitor)},
        "destinations": found,
        "connections": connections(server, access, limit=limit),
        "open": destination(server, monitor, opened) if opened and access.can_read(server, opened) else None,
    }


# ------------------------------------------------------------------------------------- messages


def message_numbered(server: Server, name: str, number: int) -> StoredMessage | None:
    """A message of a destination; None if it is gone."""
    for queue in server.engine.queues(name):
        for message in queue:
            if message.number == number:
                return message
    return None


def messages(
    server: Server,
    name: str,
    *,
    offset: int = 0,
    limit: int = 50,
    newest_first: bool = False,
    text: str = "",
) -> Json:
    """Some messages of a destination, in the order of delivery: of a topic, one subscription after the other.

    A queue may be huge, so that only what is returned is copied.

    Args:
        server: the broker.
        name: the destination.
        offset: number of messages to leave out.
        limit: maximum number of messages.
        newest_first: begin with the last message.
        text: only messages with this in a header or in the body; of the first `MAX_SEARCHED` ones, and the first
            `SEARCHED_BYTES` of their bodies.
    """
    queues = server.engine.queues(name)
    if text:
        first = _page(queues, 0, MAX_SEARCHED, newest_first=newest_first)
        matching, searched = _search(first, text)
        found, total = matching[offset : offset + limit], len(matching)
    else:
        found, total = _page(queues, offset, limit, newest_first=newest_first), sum(map(len, queues))
        searched = total
    items: list[Json] = []
    left = LIST_BYTES
    for message in found:
        shown = body(message.body, min(left, BODY_BYTES))
        left -= min(left, len(message.body), BODY_BYTES)
        items.append(
            {
                "number": message.number,
                "destination": message.destination,
                "headers": dict(message.headers),
                "size": len(message.body),
                "redelivered": message.redelivered,
                "waiting": message.waiting,
                "refusals": message.refusals,
                "expires": message.expires,
                **shown,
            }
        )
    unsearched = sum(map(len, queues)) - searched
    return {"total": total, "unsearched": unsearched, "offset": offset, "items": items}


def _page(queues: Iterable[Queue], offset: int, limit: int, *, newest_first: bool) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    for queue in queues:
        if len(found) >= limit:
            break
        if offset < len(queue):
            found += queue.page(offset, limit - len(found), newest_first=newest_first)
        offset = max(0, offset - len(queue))
    return found


def _search(messages: Iterable[StoredMessage], text: str) -> tuple[list[StoredMessage], int]:
    """The messages with a text, and how many were read."""
    found: list[StoredMessage] = []
    data, left, searched = text.encode("utf-8", "replace"), SEARCHED_BYTES, 0
    for message in messages:
        left -= len(message.body)
        if left < 0:
            break
        searched += 1
        headers = message.headers.items()
        if data in message.body or any(text in f"{name}:{value}" for name, value in headers):
            found.append(message)
    return found, searched


def body(data: bytes, limit: int) -> Json:
    """A body for JSON: as text if it is UTF-8, otherwise in base64.

    >>> body(b'{"a": 1}', 100)
    {'encoding': 'json', 'body': '{"a": 1}', 'truncated': False}
    """
    part = data[:limit]
    truncated = len(part) < len(data)
    try:
        # A character may be cut in two: the rest of it is left out.
        text = part.decode() if not truncated else _cut(part)
    except UnicodeDecodeError:
        return {"encoding": "base64", "body": base64.b64encode(part).decode(), "truncated": truncated}
    if "\0" in text:
        return {"encoding": "base64", "body": base64.b64encode(part).decode(), "truncated": truncated}
    return {"encoding": "json" if _is_json(text) else "text", "body": text, "truncated": truncated}


def _cut(part: bytes) -> str:
    for end in range(len(part), max(len(part) - 4, 0), -1):
        try:
            return part[:end].decode()
        except UnicodeDecodeError as err:
            if err.start < len(part) - 4:
                raise
    return part.decode()


def _is_json(text: str) -> bool:
    if text[:1] not in "{[" or not text:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


# ------------------------------------------------------------------------------------- frames


def frame(recorded: RecordedFrame) -> Json:
    """A recorded frame."""
    return {
        "number": recorded.number,
        "time": recorded.time,
        "connection": recorded.connection,
        "sent": recorded.sent,
        "command": recorded.command,
        "headers": recorded.headers,
        "size": recorded.size,
        **body(recorded.body, BODY_BYTES),
        "truncated": len(recorded.body) < recorded.size,
    }
