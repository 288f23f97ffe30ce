"""A frame: a command, headers, a body (STOMP 1.2, "STOMP Frames").

Rules of this file: headers keep their order; a repeated header keeps all its values and the first one counts
(STOMP 1.2, "Repeated Header Entries"); bodies are bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Headers(dict[str, str]):
    """The headers of a frame: a dictionary from name to first value, in the order they came.

    Where a name came more than once, the dictionary holds its first value and `all` gives every one:

    >>> headers = Headers.of([("foo", "World"), ("foo", "Hello")])
    >>> headers["foo"], headers.all("foo")
    ('World', ['World', 'Hello'])
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        # What has slots can be pickled from protocol 2 on; the others can carry the same.
        return super().__reduce_ex__(max(protocol, 2))

    # With a default, so that asking is cheap; hardly any headers have repeated ones.
    __slots__ = ("__dict__",)
    _later: list[tuple[str, str]] = []  # noqa: RUF012 - never changed, only replaced
    #: The head on the wire, where bytes of it were replaced because they are not UTF-8; else None.
    raw_head: bytes | None = None

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Headers:
        """Make headers from (name, value) pairs, repeated names allowed."""
        headers = cls()
        later: list[tuple[str, str]] = []
        for name, value in pairs:
            if name in headers:
                later.append((name, value))
            else:
                headers[name] = value
        if later:
            headers._later = later
        return headers

    @property
    def repeated(self) -> list[tuple[str, str]]:
        """The (name, value) pairs whose name had come before, in order: those that do not count."""
        return self._later

    def _repeat(self, name: str, values: list[str]) -> None:
        if values:
            self[name] = values[0]
            self._later = [*self.repeated, *((name, value) for value in values[1:])]

    def all(self, name: str) -> list[str]:
        """Every value of a name, the one that counts first. An empty list where there is none."""
        if name not in self:
            return []
        return [self[name], *(value for other, value in self.repeated if other == name)]

    def pairs(self) -> list[tuple[str, str]]:
        """All (name, value) pairs as they go on the wire: the ones that count, then the repeated ones."""
        # A name that was deleted is gone with all its values.
        return [*self.items(), *(pair for pair in self.repeated if pair[0] in self)]


class Frame:
    """One STOMP frame.

    Attributes:
        command: "SEND", "MESSAGE" ...
        headers: the headers, unescaped.
        body: the body, as it is on the wire.

    Two frames are equal when command, headers (repeated ones included) and body are.

    A subclass tells the decoder by class attributes how to make one of it. The decoder knows no subclass by name.

    Attributes of the class:
        slot_defaults: what `__init__` sets the slots of the class to, besides command, headers and body. The decoder
            sets them without the call, where the class that defines `__init__` defines this, too.
        keeps_original: `__init__` keeps a copy of the headers in the slot ``original``.
        body_as_text: the body is wanted as text. A decoder that can gives text; all others give bytes.
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
        """The head as it is on the wire, where bytes of it were replaced because they are not UTF-8; else None.

        That is the command line and the header lines, without the empty line behind them.
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
        # What belongs to a connection stays there.
        return type(self), (self.command, self.headers, self.body)

    def __repr__(self) -> str:
        # Neither values nor bodies: either may hold what must not reach a log.
        # The repr of a text has no control characters.
        command, names = f"{self.command!r:.42}".strip("'"), f"{list(self.headers)!r:.500}"
        return f"<{type(self).__name__} {command} {names} {len(self.body)} bytes>"


def headers_of(*sources: dict[str, Any] | None) -> Headers:
    """Merge header dictionaries into new `Headers`; later ones win, None values drop out.

    Values may be anything with a plain text form: True becomes "true", 5 becomes "5", bytes are read as UTF-8.
    A tuple is a header that is repeated, once for each item.
    The dictionaries given are not changed.
    """
    if len(sources) == 1 and sources[0]:
        # The common case, at the speed of a copy.
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
    """The text of one header value.

    A text is its own text, and a number its own number, whatever its class makes of it: members of enumerations and
    texts of template engines have a `__str__`, `__format__`, `replace` ... of their own.

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
    """The bytes of a body: those of a text are its UTF-8; None for what is neither text nor bytes.

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
