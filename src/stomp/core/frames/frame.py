"""Frames: command, headers and body (STOMP 1.2, "STOMP Frames").

Rules of this file: headers keep their order. A repeated header keeps all its values, and the first one is used
(STOMP 1.2, "Repeated Header Entries"). Bodies are bytes, unless `Frame.body_as_text` requests text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Headers(dict[str, str]):
    """The headers of a frame: a dictionary from name to value, in wire order.

    If a name is repeated, the dictionary has its first value and `all` returns all of them:

    >>> headers = Headers.of([("foo", "World"), ("foo", "Hello")])
    >>> headers["foo"], headers.all("foo")
    ('World', ['World', 'Hello'])
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Objects with slots need at least pickle protocol 2. Its reduce value is valid in older pickles, too.
        return super().__reduce_ex__(max(protocol, 2))

    # A class attribute as default: few headers are repeated, so most instances need no attribute of their own.
    __slots__ = ("__dict__",)
    #: The (name, value) pairs of repeated names except the first of each, in order. STOMP ignores them.
    repeated: list[tuple[str, str]] = []  # noqa: RUF012 - never changed, only replaced
    #: The original bytes of the head if some were replaced because they are not UTF-8; else None.
    raw_head: bytes | None = None

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Headers:
        """Make headers from (name, value) pairs. Names may be repeated."""
        headers = cls()
        later: list[tuple[str, str]] = []
        for name, value in pairs:
            if name in headers:
                later.append((name, value))
            else:
                headers[name] = value
        if later:
            headers.repeated = later
        return headers

    def _repeat(self, name: str, values: list[str]) -> None:
        if values:
            self[name] = values[0]
            self.repeated = [*self.repeated, *((name, value) for value in values[1:])]

    def all(self, name: str) -> list[str]:
        """Return all values of a name, in order; an empty list if there is none."""
        if name not in self:
            return []
        return [self[name], *(value for other, value in self.repeated if other == name)]

    def pairs(self) -> list[tuple[str, str]]:
        """Return all (name, value) pairs as they are encoded: first those of the dictionary, then the repeated ones."""
        # Deleting a name removes its repeated values, too.
        return [*self.items(), *(pair for pair in self.repeated if pair[0] in self)]


class Frame:
    """One STOMP frame.

    Attributes:
        command: "SEND", "MESSAGE" ...
        headers: the headers, unescaped.
        body: the body, as on the wire.

    Two frames are equal if command, headers (repeated ones included) and body are equal.

    Class attributes of a subclass define how the decoder makes its instances. The decoder does not import subclasses.

    Class attributes:
        slot_defaults: default values of the slots that `__init__` sets besides command, headers and body. The decoder
            sets them without calling `__init__` if the class that defines `__init__` defines this attribute, too.
        keeps_original: `__init__` stores a copy of the headers in the slot ``original``.
        body_as_text: the body may be a str. The decoder then makes str or bytes, whichever is cheaper.
    """

    __slots__ = ("body", "command", "headers")
    slot_defaults: ClassVar[dict[str, Any]] = {}
    keeps_original: ClassVar[bool] = False
    body_as_text: ClassVar[bool] = False

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        self.command: str = command
        self.headers: Headers = headers
        self.body: bytes = body

    @property
    def raw_head(self) -> bytes | None:
        """The original bytes of the head if some were replaced because they are not UTF-8; else None.

        They are the command line and the header lines, without the empty line after them.
        """
        return getattr(self.headers, "raw_head", None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return (
            self.command == other.command
            and self.body == other.body
            and self.headers.pairs() == other.headers.pairs()
        )

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        # Attributes of subclasses belong to a connection and are not copied.
        return type(self), (self.command, self.headers, self.body)

    def __repr__(self) -> str:
        # Neither header values nor the body are shown: they may contain data that must not be in a log.
        # The repr of a str has no control characters.
        command, names = f"{self.command!r:.42}".strip("'"), f"{list(self.headers)!r:.500}"
        return f"<{type(self).__name__} {command} {names} {len(self.body)} bytes>"


class OutgoingFrame(Protocol):
    """A frame to send: a `Frame`, or one of the listener API, whose headers and body may be of other types."""

    @property
    def command(self) -> str:
        """ "SEND", "SUBSCRIBE" ..."""
        ...

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers: see `headers_of` for other types than str."""
        ...

    @property
    def body(self) -> Any:
        """bytes, or a str, which is sent as UTF-8."""
        ...


def headers_of(*sources: Mapping[str, Any] | None) -> Headers:
    """Merge dictionaries of headers into new `Headers`. Later dictionaries take precedence; None values are dropped.

    Values are converted by `text_of`: True becomes "true", 5 becomes "5", bytes are decoded as UTF-8. A tuple is a
    repeated header, one for each item. The dictionaries are not changed.
    """
    if len(sources) == 1 and sources[0]:
        # Fast path for the common case: copy the dictionary.
        merged = Headers(sources[0])
        for name, value in merged.items():
            if type(value) is not str or type(name) is not str:
                break
        else:
            return merged
    merged = Headers()
    for source in sources:
        if source:
            for name, value in source.items():
                if type(value) is str and type(name) is str:
                    merged[name] = value
                elif isinstance(value, tuple):
                    merged._repeat(text_of(name), [text_of(item) for item in value])
                elif value is not None:
                    merged[text_of(name)] = text_of(value)
    return merged


def text_of(value: object) -> str:
    """Convert a header value to str.

    For subclasses of str, int, float, bytes and bytearray the method of the base class is used: enum members and the
    str subclasses of template engines override `__str__`, `__format__`, `replace` and others.

    >>> text_of(True), text_of(5), text_of(b"x")
    ('true', '5', 'x')
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, bytes):
        return bytes.decode(value)
    if isinstance(value, bytearray):
        return bytearray.decode(value)
    return str(value)


def bytes_of(body: object) -> bytes | None:
    """Convert a body to bytes, a str as UTF-8. Return None for any other type.

    >>> bytes_of("\xe9"), bytes_of(bytearray(b"x")), bytes_of(5)
    (b'\xc3\xa9', b'x', None)
    """
    if isinstance(body, str):
        return str.encode(body)
    if isinstance(body, bytes):
        return bytes.__bytes__(body)
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    return None
