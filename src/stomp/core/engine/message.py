"""A message as `stomp.Client` and `stomp.AsyncClient` hand it out: read it, then say once what became of it.

Rules of this file: reading never changes a message and never ends a connection; a body from the network is
inflated up to a limit only; whether a message may still be settled is asked where it is settled
(`stomp.core.engine.engine`), of the connection that it came over.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from stomp.core.diagnostics import one_line
from stomp.core.errors import ContentError, StaleDelivery, UsageError
from stomp.core.frames.frame import Headers
from stomp.core.session.events import Message

#: What a body may become when it is inflated, unless told otherwise: as much as may come uninflated.
INFLATED = 128 * 1024 * 1024
#: Of an id and a destination, a repr has no more characters.
_SHOWN = 100
#: The window sizes by which zlib tells its formats apart.
_GZIP, _ZLIB, _RAW = 31, 15, -15


class BaseMessage(Message):
    """What both kinds of messages have in common.

    Attributes:
        command: "MESSAGE".
        headers: the headers, unescaped; a dictionary from name to first value, see `stomp.core.frames.frame.Headers`.
        body: the body as it came over the wire.
        subscription: what it was delivered for: `id`, `destination`, `ack`.
    """

    __slots__ = ("era", "settled")
    slot_defaults: ClassVar[dict[str, Any]] = {"subscription": None, "era": None, "settled": False}

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        # Not by super: there are many of them.
        self.command = command
        self.headers = headers
        self.body = body
        self.subscription = None
        #: The connection it came over (a `stomp.core.engine.broker_connection.BrokerConnection`).
        self.era: Any = None
        #: It was acknowledged or refused.
        self.settled: bool = False

    def __repr__(self) -> str:
        # Neither the body nor what its sender wrote into headers: they may hold what must not reach a log.
        again = " redelivered" if self.redelivered else ""
        name = f"{one_line(self.id, _SHOWN)} {one_line(self.destination, _SHOWN)}"
        return f"<{type(self).__name__} {name} {len(self.body)} bytes{again}>"

    def __copy__(self) -> Self:
        twin = type(self)(self.command, self.headers, self.body)
        twin.subscription, twin.era, twin.settled = self.subscription, self.era, self.settled
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__copy__()
        twin.headers = Headers.of(self.headers.pairs())
        twin.headers.raw_head = self.raw_head
        return twin

    @property
    def destination(self) -> str:
        """Where it was sent to."""
        return self.headers.get("destination", "")

    @property
    def id(self) -> str:
        """The ``message-id``."""
        return self.headers.get("message-id", "")

    @property
    def redelivered(self) -> bool:
        """True if the broker says that it was delivered before."""
        return self.headers.get("redelivered", "").lower() == "true"

    @property
    def possible_duplicate(self) -> bool:
        """True if its sender says that it may have sent it before (``possible-duplicate``, see `stomp.Client`)."""
        return self.headers.get("possible-duplicate", "").lower() == "true"

    @property
    def content(self) -> bytes:
        """The body without its ``content-encoding`` (gzip or deflate); the body itself if it has none.

        Raises:
            ContentError: it is in another encoding, is damaged, or would become larger than the client's limit.
        """
        coding = self.headers.get("content-encoding", "").strip().lower()
        if coding in ("", "identity"):
            return self.body
        limit = self.era.max_decompressed_size if self.era is not None else INFLATED
        return inflate(self.body, coding, limit)

    @property
    def text(self) -> str:
        """The content as text, in the ``charset`` of its ``content-type``, or UTF-8 (STOMP 1.2, "content-type").

        Raises:
            ContentError: it is no such text.
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
        """Where an answer is to go.

        Raises:
            UsageError: no answer is wanted.
        """
        place = self.headers.get("reply-to", "")
        if not place:
            raise UsageError("this message has no reply-to header", hint="nobody waits for an answer")
        return place

    @property
    def correlation_id(self) -> str:
        """The ``correlation-id``; the id of the message if it has none."""
        return self.headers.get("correlation-id") or self.id

    def json(self) -> Any:
        """The content, read as JSON.

        Raises:
            ContentError: it is no JSON.
        """
        import json

        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as err:
            raise ContentError(f"the body is not JSON: {err}", hint="read .content") from None


def owner_of(message: BaseMessage) -> Any:
    """The client that a message came to.

    Raises:
        StaleDelivery: it belongs to no connection.
        UsageError: it is no message.
    """
    if not isinstance(message, BaseMessage):
        raise UsageError(
            f"an object of type {type(message).__name__} is not a message", hint="pass a message"
        )
    if message.era is None:
        raise StaleDelivery(
            "this message belongs to no connection: it is a copy that was pickled, or was made by hand",
            hint="settle the one that the client returned",
        )
    return message.era.owner


def charset_of(content_type: str) -> str:
    """The charset of a media type; UTF-8 if it names none.

    >>> charset_of('text/plain; charset="iso-8859-1"'), charset_of("application/json")
    ('iso-8859-1', 'utf-8')
    """
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or "utf-8"
    return "utf-8"


def inflate(body: bytes, coding: str, limit: int) -> bytes:
    """Undo a ``content-encoding``.

    >>> inflate(deflated(b"abc" * 100, "gzip"), "gzip", limit=300) == b"abc" * 100
    True

    Raises:
        ContentError: the coding is not known, the body is damaged, or it would become larger than `limit`.
    """
    # Imported where it is used: few bodies are compressed.
    import zlib

    ways: tuple[int, ...]
    if coding in ("gzip", "x-gzip"):
        ways = (_GZIP,)
    elif coding == "deflate":
        ways = (_ZLIB, _RAW)  # RFC 9110, section 8.4.1.2: some send it without the zlib wrapper
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
                f"the inflated body is larger than {limit} bytes", hint="read .body, or raise the limit"
            )
        if not unpacker.eof:
            raise ContentError(f"the {coding} body is cut off")
        return data
    raise ContentError(f"the body is not {coding}, though content-encoding says so", hint="read .body")


def deflated(body: bytes, coding: str) -> bytes:
    """A body in this ``content-encoding``: "gzip" or "deflate".

    Raises:
        UsageError: the coding is not known.
    """
    if coding not in ("gzip", "deflate"):
        raise UsageError(f"compress is {coding[:40]!r}", hint="use gzip or deflate")
    import zlib

    packer = zlib.compressobj(wbits=_GZIP if coding == "gzip" else _ZLIB)
    return packer.compress(body) + packer.flush()
