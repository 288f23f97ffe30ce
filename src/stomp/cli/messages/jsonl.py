"""Messages as lines of JSON: `stomp dump` and ``listen --json`` write, `stomp replay` and ``send --jsonl`` read them.

    {"time": 1764028800.25, "destination": "/queue/a", "headers": [["type", "x"]], "body": "hello"}

A body in UTF-8 is a string, ``body``; any other body is base64, ``body64``. Headers are a list of pairs in the order
in which they were received, including repeated names. On input they may also be an object, in which a repeated name
has a list of values.

Rules of this file: a record that is written and read again is the same, byte for byte.
"""

from __future__ import annotations

import base64
import json
import time
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import gathered
from stomp.cli.messages.copies import belongs_to_original, copyable
from stomp.core.engine.broker_profiles import GENERIC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stomp.core.engine.message import BaseMessage

#: Headers that belong to one delivery, and not to the message.
DELIVERY_HEADERS = frozenset(["subscription", "message-id", "ack", "redelivered"])
#: Headers that belong to one frame, and not to the message.
FRAME_HEADERS = frozenset(["destination", "content-length", "receipt", "receipt-id", "transaction"])
_KEYS = ("time", "destination", "headers", "body", "body64")


class Record(NamedTuple):
    """A message in a file.

    Attributes:
        destination: the destination; None if the line has none.
        headers: pairs of name and value, in order.
        body: the body as in the frame.
        time: when the message was received, in seconds since 1970; None if the line has no time.
    """

    destination: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    time: float | None = None

    @property
    def is_received(self) -> bool:
        """True for a message that was received from a broker; False for one that was written by hand."""
        return any(name == "message-id" for name, _ in self.headers)

    def options(self, *, destination: str | None = None) -> dict[str, Any]:
        """The arguments of ``send`` for a copy. `stomp.cli.messages.copies` defines the headers that it does not have.

        Args:
            destination: the destination of the copy; None for that of the original.
        """
        # ActiveMQ and Artemis treat a message without content-length as text, and send text without content-length.
        text = not any(name == "content-length" for name, _ in self.headers)
        return {
            "destination": destination if destination is not None else self.destination,
            "body": self.body,
            "headers": gathered(copyable(self.headers, time.time())),
            "text": text,
        }

    def as_written(self) -> dict[str, Any]:
        """The arguments of ``send`` for a message that was written by hand, without headers invalid in SEND."""
        headers = gathered(pair for pair in self.headers if pair[0] not in DELIVERY_HEADERS | FRAME_HEADERS)
        return {"destination": self.destination, "body": self.body, "headers": headers, "text": False}


def of_message(message: BaseMessage, *, time: float | None = None) -> Record:
    """The record of a received message.

    Args:
        message: the message.
        time: when it was received, in seconds since 1970.
    """
    pairs = list(message.headers.pairs())
    profile = message.connection.profile if message.connection is not None else GENERIC
    if profile.adds_length and _is_text(pairs):
        pairs = [pair for pair in pairs if pair[0] != "content-length"]
    if profile.hides_persistence:
        # The MESSAGE does not show whether it is persistent. A copy must not be lost in a restart, so assume it is.
        pairs.append(("persistent", "true"))
    return Record(message.headers.get("destination", ""), tuple(pairs), message.body, time)


def _is_text(pairs: Iterable[tuple[str, str]]) -> bool:
    """True for a text message of a broker that adds content-length to both texts and bytes.

    These brokers write the content-length before the message-id for bytes, and after it for texts.
    """
    first = next((name for name, _ in pairs if name in ("content-length", "message-id")), "")
    return first != "content-length"


def line(record: Record, *, bare: bool = False) -> str:
    r"""The record as one line of JSON, with its newline.

    Args:
        record: the record to write.
        bare: leave out the time and the headers that a copy does not have, and sort headers by name, because RabbitMQ
            changes their order. The same message, and a copy of it, always have the same line then.

    >>> line(Record("/queue/a", (("type", "x"),), b"\xff"))
    '{"destination": "/queue/a", "headers": [["type", "x"]], "body64": "/w=="}\n'
    """
    headers = _bare(record.headers) if bare else record.headers
    return (
        json.dumps(fields_of(record._replace(time=None) if bare else record, headers), ensure_ascii=False)
        + "\n"
    )


def fields_of(record: Record, headers: object) -> dict[str, Any]:
    """The fields of the line of a record, with these headers."""
    fields: dict[str, Any] = {}
    if record.time is not None:
        fields["time"] = round(record.time, 6)
    fields["destination"] = record.destination
    fields["headers"] = headers
    try:
        fields["body"] = record.body.decode()
    except UnicodeDecodeError:
        fields["body64"] = base64.b64encode(record.body).decode()
    return fields


def _bare(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    # Without content-length it is a text, see `Record.options`.
    remaining = [pair for pair in headers if pair[0] == "content-length" or not belongs_to_original(pair[0])]
    # The sort is stable: the values of a repeated name keep their order.
    return sorted(remaining, key=itemgetter(0))


def read(text: bytes | str, line_name: str) -> Record:
    """Parse a line.

    Args:
        text: the line.
        line_name: the name of the line in errors, as "line 3 of a.jsonl".

    Raises:
        CommandError: the line is not JSON, or not a record.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as err:
        reason = getattr(err, "msg", None) or "it is not UTF-8"
        raise CommandError(f"{line_name} is not JSON: {reason}") from None
    if not isinstance(fields, dict):
        raise CommandError(f"{line_name} is not a JSON object", hint=_EXAMPLE)
    fields = cast("dict[str, Any]", fields)
    unknown = [key for key in fields if key not in _KEYS]
    if unknown:
        raise CommandError(f"{line_name} has the unknown field {unknown[0]!r}", hint=_EXAMPLE)
    destination, time = fields.get("destination"), fields.get("time")
    if destination is not None and not isinstance(destination, str):
        raise CommandError(f"{line_name}: the destination is not a string")
    if time is not None and (isinstance(time, bool) or not isinstance(time, int | float)):
        raise CommandError(f"{line_name}: the time is not a number of seconds")
    return Record(destination, _headers(fields.get("headers", {}), line_name), _body(fields, line_name), time)


_EXAMPLE = 'example: {"destination": "/queue/a", "headers": {"type": "x"}, "body": "hello"}'


def _headers(fields: Any, line_name: str) -> tuple[tuple[str, str], ...]:
    pairs: Any = _pairs(fields) if isinstance(fields, dict) else fields
    try:
        pairs_read = tuple((name, _text(value)) for name, value in pairs)
        if all(isinstance(name, str) and name for name, _ in pairs_read):
            return pairs_read
    except (TypeError, ValueError):
        pass
    raise CommandError(
        f"{line_name}: the headers are neither an object nor a list of pairs of strings", hint=_EXAMPLE
    )


def _pairs(fields: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """The headers of an object. A repeated header has a list of its values."""
    for name, value in fields.items():
        for each in value if isinstance(value, list) else (value,):
            yield name, each


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        str(value).encode()  # raises for lone surrogates
        return str(value)
    raise TypeError


def _body(fields: dict[str, Any], line_name: str) -> bytes:
    if "body" in fields and "body64" in fields:
        raise CommandError(f"{line_name} has both a body and a body64")
    try:
        if "body64" in fields:
            return base64.b64decode(fields["body64"], validate=True)
        return cast("str", fields.get("body", "")).encode()
    except (AttributeError, TypeError, ValueError):
        name = "body64" if "body64" in fields else "body"
        kind = "base64" if name == "body64" else "a string"
        raise CommandError(f"{line_name}: the {name} is not {kind}") from None
