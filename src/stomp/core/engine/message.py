"""`BaseMessage`: the base class of the messages that `stomp.Client` and `stomp.AsyncClient` return.

Rules of this file: reading does not change a message and does not end a connection. A body from the network
is decompressed up to a limit only. Whether a message may still be settled is checked when it is settled
(`stomp.core.engine.acknowledge`), against the connection that it arrived on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from stomp.core.diagnostics import one_line
from stomp.core.errors import ContentError, StaleDelivery, UsageError
from stomp.core.frames.frame import Headers
from stomp.core.session.events import MessageFrame

if TYPE_CHECKING:
    from stomp.core.engine.broker_connection import BrokerConnection

#: Default for the largest size of a decompressed body, in bytes; equal to the default of `Limits.body`.
INFLATED = 128 * 1024 * 1024
#: A repr shows at most this many characters of an id or a destination.
_SHOWN = 100
#: The values of `wbits` by which zlib selects a format.
_GZIP, _ZLIB, _RAW = 31, 15, -15


class BaseMessage(MessageFrame):
    """A received message. The subclasses of the two clients add the methods that settle it and reply to it.

    Attributes:
        command: "MESSAGE".
        headers: the headers, unescaped; a dictionary from name to first value, see
            `stomp.core.frames.frame.Headers`.
        body: the body as received.
        subscription: the subscription that it was delivered for, with `id`, `destination` and `ack`.
    """

    __slots__ = ("connection", "settled")
    slot_defaults: ClassVar[dict[str, Any]] = {"subscription": None, "connection": None, "settled": False}

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        # Without super().__init__(): there is one object for each message.
        self.command = command
        self.headers = headers
        self.body = body
        self.subscription = None
        #: The connection that it arrived on (a `stomp.core.engine.broker_connection.BrokerConnection`).
        self.connection: BrokerConnection | None = None
        #: It was acknowledged or rejected.
        self.settled: bool = False

    def __repr__(self) -> str:
        # Without the body and the headers of the sender: they may contain data that must not be logged.
        again = " redelivered" if self.redelivered else ""
        name = f"{one_line(self.id, _SHOWN)} {one_line(self.destination, _SHOWN)}"
        return f"<{type(self).__name__} {name} {len(self.body)} bytes{again}>"

    def __copy__(self) -> Self:
        twin = type(self)(self.command, self.headers, self.body)
        twin.subscription, twin.connection, twin.settled = self.subscription, self.connection, self.settled
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__copy__()
        twin.headers = Headers.of(self.headers.pairs())
        twin.headers.raw_head = self.raw_head
        return twin

    @property
    def destination(self) -> str:
        """The ``destination`` header; "" if there is none."""
        return self.headers.get("destination", "")

    @property
    def id(self) -> str:
        """The ``message-id`` header; "" if there is none."""
        return self.headers.get("message-id", "")

    @property
    def redelivered(self) -> bool:
        """True if the broker has marked it as delivered before (``redelivered``)."""
        return self.headers.get("redelivered", "").lower() == "true"

    @property
    def possible_duplicate(self) -> bool:
        """True if the sender may have sent it before (``possible-duplicate``, see `stomp.Client`)."""
        return self.headers.get("possible-duplicate", "").lower() == "true"

    @property
    def content(self) -> bytes:
        """The body, decompressed if it has a ``content-encoding`` (gzip or deflate).

        Raises:
            ContentError: the encoding is not known, the body is damaged, or it would be larger than
                `max_decompressed_size` of the client.
        """
        coding = self.headers.get("content-encoding", "").strip().lower()
        if coding in ("", "identity"):
            return self.body
        limit = self.connection.max_decompressed_size if self.connection is not None else INFLATED
        return inflate(self.body, coding, limit)

    @property
    def text(self) -> str:
        """The content as text, in the ``charset`` of its ``content-type``, or UTF-8.

        See STOMP 1.2, "content-type".

        Raises:
            ContentError: the charset is not known, the content is not text in it, or see `content`.
        """
        charset = charset_of(self.headers.get("content-type", ""))
        try:
            return self.content.decode(charset)
        except LookupError:
            raise ContentError(f"the charset {charset[:40]!r} is not known", hint="read .content") from None
        except UnicodeError as err:
            where = getattr(err, "start", 0)
            raise ContentError(
                f"the body is not {charset}: wrong at byte {where}", hint="read .content"
            ) from None

    @property
    def reply_to(self) -> str:
        """The destination for replies: the ``reply-to`` header.

        Raises:
            UsageError: the message has no ``reply-to`` header.
        """
        place = self.headers.get("reply-to", "")
        if not place:
            raise UsageError("this message has no reply-to header", hint="no reply is expected")
        return place

    @property
    def correlation_id(self) -> str:
        """The ``correlation-id`` header; the id of the message if there is none."""
        return self.headers.get("correlation-id") or self.id

    def json(self) -> Any:
        """Return the content, parsed as JSON.

        Raises:
            ContentError: the content is not JSON, or see `text`.
        """
        import json

        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as err:
            raise ContentError(f"the body is not JSON: {err}", hint="read .content") from None


def owner_of(message: BaseMessage) -> object:
    """Return the client that received a message.

    Raises:
        StaleDelivery: the message belongs to no connection.
        UsageError: the object is not a message.
    """
    if not isinstance(message, BaseMessage):
        raise UsageError(
            f"an object of type {type(message).__name__} is not a message", hint="pass a message"
        )
    if message.connection is None:
        raise StaleDelivery(
            "this message has no connection: it was unpickled, or created by the program",
            hint="settle the message that the client returned",
        )
    return message.connection.owner


def charset_of(content_type: str) -> str:
    """Return the charset of a media type; "utf-8" if it has none.

    >>> charset_of('text/plain; charset="iso-8859-1"'), charset_of("application/json")
    ('iso-8859-1', 'utf-8')
    """
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or "utf-8"
    return "utf-8"


def inflate(body: bytes, coding: str, limit: int) -> bytes:
    """Decompress a body, up to `limit` bytes.

    >>> inflate(deflated(b"abc" * 100, "gzip"), "gzip", limit=300) == b"abc" * 100
    True

    Raises:
        ContentError: the encoding is not known, the body is damaged, or the result is larger than `limit`.
    """
    # Imported here, because few bodies are compressed.
    import zlib

    ways: tuple[int, ...]
    if coding in ("gzip", "x-gzip"):
        ways = (_GZIP,)
    elif coding == "deflate":
        ways = (_ZLIB, _RAW)  # RFC 9110, section 8.4.1.2: some senders omit the zlib wrapper
    else:
        raise ContentError(f"the content-encoding {coding[:40]!r} is not known", hint="read .body")
    for way in ways:
        unpacker = zlib.decompressobj(way)
        try:
            data = unpacker.decompress(body, limit + 1)
        except zlib.error:
            continue
        if len(data) > limit:
            raise ContentError(
                f"the decompressed body is larger than {limit} bytes", hint="read .body, or raise the limit"
            )
        if not unpacker.eof:
            raise ContentError(f"the {coding} body is truncated")
        return data
    raise ContentError(f"the body is not {coding}, though content-encoding says so", hint="read .body")


def deflated(body: bytes, coding: str) -> bytes:
    """Return the body, compressed for this ``content-encoding``: "gzip" or "deflate".

    Raises:
        UsageError: the encoding is not known.
    """
    if coding not in ("gzip", "deflate"):
        raise UsageError(f"compress is {coding[:40]!r}", hint="use gzip or deflate")
    import zlib

    packer = zlib.compressobj(wbits=_GZIP if coding == "gzip" else _ZLIB)
    return packer.compress(body) + packer.flush()
