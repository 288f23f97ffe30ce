"""The description of the HTTP API, as an OpenAPI document."""

from __future__ import annotations

from typing import Any

from stomp._version import __version__
from stomp.broker.http.views import ORDERS, SORTS

_Json = dict[str, Any]

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}
_REAL = {"type": "number"}
_FLAG = {"type": "boolean"}
_HEADERS = {"type": "object", "additionalProperties": _TEXT}
_NUMBERS = {"type": "array", "items": _NUMBER}
_HISTORY = {
    "type": "array",
    "items": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
    "description": "received and delivered messages of each of the last seconds",
}
_OPTIONAL_TEXT = {"type": ["string", "null"]}
_COUNTERS = dict.fromkeys(
    (
        "received",
        "delivered",
        "redelivered",
        "acknowledged",
        "refused",
        "dead_lettered",
        "expired",
        "dropped",
    ),
    _NUMBER,
)
_BODY = {
    "encoding": {"enum": ["json", "text", "base64"]},
    "body": _TEXT,
    "truncated": {**_FLAG, "description": "the body is longer; its URL returns all of it"},
    "size": {**_NUMBER, "description": "bytes of the whole body"},
}


def _object(**properties: object) -> _Json:
    return {"type": "object", "properties": properties}


def _page(name: str) -> _Json:
    return _object(total=_NUMBER, offset=_NUMBER, items={"type": "array", "items": _ref(name)})


def _ref(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


_SCHEMAS: dict[str, _Json] = {
    "Error": _object(error=_TEXT),
    "Counters": _object(**_COUNTERS),
    "Faults": _object(
        refuse_logins=_FLAG,
        errors_on_send=_NUMBER,
        error_destination=_OPTIONAL_TEXT,
        delay={**_REAL, "description": "seconds"},
        paused={"type": "array", "items": _TEXT},
        stalled={"type": "array", "items": _object(connection=_NUMBER, subscription=_TEXT)},
    ),
    "Overview": _object(
        version=_TEXT,
        urls={"type": "array", "items": _TEXT},
        dialect=_TEXT,
        user={**_OPTIONAL_TEXT, "description": "null if the broker accepts every login"},
        limited={**_FLAG, "description": "the user may use some destinations only"},
        started_at=_REAL,
        connections=_NUMBER,
        destinations=_NUMBER,
        messages={**_NUMBER, "description": "waiting and unacknowledged"},
        unacknowledged=_NUMBER,
        dead_letters={**_NUMBER, "description": "messages in the dead-letter queue"},
        bytes=_NUMBER,
        max_messages=_NUMBER,
        max_bytes=_NUMBER,
        dead_letter_queue=_TEXT,
        in_rate=_REAL,
        out_rate=_REAL,
        total=_ref("Counters"),
        faults=_ref("Faults"),
        history=_HISTORY,
    ),
    "Destination": _object(
        name=_TEXT,
        kind={"enum": ["queue", "topic", "temporary"]},
        depth=_NUMBER,
        waiting=_NUMBER,
        unacknowledged=_NUMBER,
        consumers=_NUMBER,
        bytes=_NUMBER,
        in_rate=_REAL,
        out_rate=_REAL,
        **_COUNTERS,
        paused=_FLAG,
        history=_HISTORY,
    ),
    "Subscription": _object(
        key={**_TEXT, "description": "the id of the SUBSCRIBE"},
        destination=_TEXT,
        ack={"enum": ["auto", "client", "client-individual"]},
        prefetch=_NUMBER,
        unacknowledged=_NUMBER,
        waiting=_NUMBER,
        selector=_OPTIONAL_TEXT,
        durable=_FLAG,
        stalled=_FLAG,
    ),
    "Connection": _object(
        number=_NUMBER,
        peer=_TEXT,
        login=_OPTIONAL_TEXT,
        version=_OPTIONAL_TEXT,
        heartbeat={**_NUMBERS, "description": "milliseconds: sent by the broker, expected by it"},
        client_id=_OPTIONAL_TEXT,
        client_name=_OPTIONAL_TEXT,
        connected_at=_REAL,
        frames_received=_NUMBER,
        frames_sent=_NUMBER,
        bytes_received=_NUMBER,
        bytes_sent=_NUMBER,
        unacknowledged=_NUMBER,
        subscription_count=_NUMBER,
        subscriptions={"type": "array", "items": _ref("Subscription")},
    ),
    "Message": _object(
        number={**_NUMBER, "description": "identifies the message"},
        destination=_TEXT,
        headers=_HEADERS,
        redelivered=_FLAG,
        waiting={**_FLAG, "description": "no consumer has it"},
        refusals=_NUMBER,
        expires={"type": ["number", "null"], "description": "seconds since 1970"},
        **_BODY,
    ),
    "Frame": _object(
        number=_NUMBER,
        time={**_REAL, "description": "seconds since 1970"},
        connection=_NUMBER,
        sent={**_FLAG, "description": "the broker sent it"},
        command=_TEXT,
        headers=_HEADERS,
        **_BODY,
    ),
    "Destinations": _page("Destination"),
    "Connections": _page("Connection"),
    "Messages": _object(
        total={**_NUMBER, "description": "messages with the text, or all"},
        unsearched={**_NUMBER, "description": "messages in which the text was not searched"},
        offset=_NUMBER,
        items={"type": "array", "items": _ref("Message")},
    ),
    "Frames": _object(missed=_NUMBER, last=_NUMBER, items={"type": "array", "items": _ref("Frame")}),
}


def _parameter(name: str, text: str, schema: _Json | None = None, *, needed: bool = False) -> _Json:
    return {
        "name": name,
        "in": "query",
        "description": text,
        "required": needed,
        "schema": schema or _TEXT,
    }


_DESTINATION = _parameter("destination", "the destination, like /queue/orders", needed=True)
_PAGED = [
    _parameter("offset", "number of items to leave out", _NUMBER),
    _parameter("limit", "maximum number of items", _NUMBER),
]
_LISTED = [
    _parameter("match", "a part of the name"),
    _parameter("sort", "the order; names ascend, numbers descend", {"enum": list(SORTS)}),
]
_FILTERS = [
    _parameter("commands", "only these commands, separated by commas"),
    _parameter("connection", "only this connection", _NUMBER),
    _parameter("destination", "a part of the header destination"),
    _parameter("text", "a part of a header or of the body"),
]
_NUMBER_IN_PATH = {"name": "number", "in": "path", "required": True, "schema": _NUMBER}


def _operation(
    summary: str,
    answer: _Json | None = None,
    *,
    parameters: list[_Json] | None = None,
    body: _Json | None = None,
    needed: tuple[str, ...] = (),
    status: int = 200,
    media_type: str = "application/json",
) -> _Json:
    content = {media_type: {"schema": answer or {"type": "object"}}}
    error = {"description": "what is wrong", "content": {"application/json": {"schema": _ref("Error")}}}
    found: _Json = {
        "summary": summary,
        "responses": {str(status): {"description": summary, "content": content}, "default": error},
    }
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        schema = {**body, "required": list(needed), "additionalProperties": False}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


_PATHS: dict[str, _Json] = {
    "/overview": {"get": _operation("The broker as a whole", _ref("Overview"))},
    "/destinations": {
        "get": _operation("Destinations", _ref("Destinations"), parameters=[*_LISTED, *_PAGED])
    },
    "/connections": {"get": _operation("Connections", _ref("Connections"), parameters=_PAGED)},
    "/connections/{number}": {
        "delete": _operation("Drop a connection, without an ERROR", parameters=[_NUMBER_IN_PATH])
    },
    "/messages": {
        "get": _operation(
            "Messages of a destination, in the order of delivery",
            _ref("Messages"),
            parameters=[
                _DESTINATION,
                _parameter("order", "oldest or newest first", {"enum": list(ORDERS)}),
                _parameter("text", "a part of a header or of the body; searched in 10,000 messages at most"),
                *_PAGED,
            ],
        ),
        "post": _operation(
            "Send a message",
            body=_object(
                destination=_TEXT,
                headers=_HEADERS,
                body=_TEXT,
                encoding={"enum": ["text", "base64"], "default": "text"},
            ),
            needed=("destination",),
            status=201,
        ),
        "delete": _operation(
            "Delete waiting messages: all of a destination, or those with the given numbers",
            _object(deleted=_NUMBER),
            parameters=[
                _DESTINATION,
                _parameter("number", "the number of a message; may be repeated", _NUMBERS),
            ],
        ),
    },
    "/messages/{number}/body": {
        "get": _operation(
            "The whole body of a message",
            {"type": "string", "format": "binary"},
            parameters=[_NUMBER_IN_PATH, _DESTINATION],
            media_type="application/octet-stream",
        )
    },
    "/messages/move": {
        "post": _operation(
            "Move waiting messages to another destination, 10,000 at most",
            _object(moved=_NUMBER, left=_NUMBER),
            body=_object(destination=_TEXT, to=_TEXT, numbers=_NUMBERS),
            needed=("destination", "to"),
        )
    },
    "/messages/retry": {
        "post": _operation(
            "Send dead letters to their original destination again, 10,000 at most",
            _object(moved=_NUMBER, left=_NUMBER),
            body=_object(destination=_TEXT, numbers=_NUMBERS),
        )
    },
    "/frames": {
        "get": _operation(
            "The last frames of all connections, oldest first",
            _ref("Frames"),
            parameters=[
                *_FILTERS,
                _parameter("since", "only frames with a higher number", _NUMBER),
                _PAGED[1],
            ],
        )
    },
    "/events": {
        "get": _operation(
            "A stream of server-sent events: `state` once a second, `frames` as they are sent and received",
            _TEXT,
            parameters=[
                *_FILTERS,
                *_LISTED,
                *_PAGED,
                _parameter("open", "a destination whose numbers are in each state, as `open`"),
            ],
            media_type="text/event-stream",
        )
    },
    "/faults": {
        "get": _operation("The faults that are on", _ref("Faults")),
        "patch": _operation(
            "Set faults; those that are not named stay as they are",
            _ref("Faults"),
            body=_object(
                refuse_logins=_FLAG,
                errors_on_send={**_NUMBER, "description": "the next SEND frames that get an ERROR"},
                error_destination={**_TEXT, "description": "only a SEND to it; empty for any"},
                delay={
                    **_REAL,
                    "minimum": 0,
                    "maximum": 60,
                    "description": "seconds before frames are handled",
                },
            ),
        ),
    },
    "/faults/pause": {
        "post": _operation(
            "Deliver no messages of a destination, or deliver them again",
            _ref("Faults"),
            body=_object(destination=_TEXT, paused=_FLAG),
            needed=("destination", "paused"),
        )
    },
    "/faults/stall": {
        "post": _operation(
            "Deliver no messages to a subscription, or deliver them again",
            _ref("Faults"),
            body=_object(connection=_NUMBER, subscription=_TEXT, stalled=_FLAG),
            needed=("connection", "subscription", "stalled"),
        )
    },
    "/login": {
        "post": _operation(
            "Log in; the answer sets the cookie of a session",
            _object(user=_TEXT),
            body=_object(user=_TEXT, password=_TEXT),
            needed=("user", "password"),
        )
    },
    "/logout": {"post": _operation("End the session")},
    "/openapi.json": {"get": _operation("This document")},
}


def document(prefix: str = "") -> _Json:
    """The OpenAPI document.

    Args:
        prefix: the path at which the application is mounted.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "stomp broker",
            "version": __version__,
            "description": "The embedded broker of stompkit, for development and tests.",
        },
        "servers": [{"url": f"{prefix}/api/v1"}],
        "security": [{}, {"basic": []}, {"session": []}],
        "paths": _PATHS,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "stomp_session"},
            },
        },
    }
