"""The versions of STOMP, 1.0, 1.1 and 1.2, as one table of differences.

| | 1.0 | 1.1 | 1.2 |
|---|---|---|---|
| escapes in headers | none | ``\\n \\c \\\\`` | ``\\n \\c \\\\ \\r`` |
| line end | LF | LF | LF or CR LF |
| SUBSCRIBE needs an ``id`` | no | yes | yes |
| an ACK names the message by | ``message-id`` | ``message-id`` and ``subscription`` | ``id`` |
| NACK | no | yes | yes |
| heart-beats | no | yes | yes |

CONNECT, STOMP and CONNECTED are not escaped in any version, so that a 1.0 peer can read them
(STOMP 1.2, "Value Encoding").
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stomp.core.errors import RemoteProtocolError
from stomp.core.frames.frame import Headers

#: Frames whose headers are never escaped (STOMP 1.2, "Value Encoding" and "CONNECT or STOMP Frame").
UNESCAPED = frozenset({"CONNECT", "STOMP", "CONNECTED"})


@dataclass(frozen=True, repr=False)
class Version:
    """The properties of a protocol version. Use the constants `STOMP10`, `STOMP11`, `STOMP12`.

    Attributes:
        number: "1.0", "1.1" or "1.2".
        escapes: character -> its escape sequence; the backslash first, so that they can be replaced in this order.
        unsafe: the characters that a header cannot represent.
        crlf: lines may end with CR LF as well as LF.
        heartbeats: the version has heart-beats.
        nack: the version has NACK.
        ack_header: the header of ACK and NACK that has the id of the message.
        subscription_id: SUBSCRIBE requires an ``id``.
        codes: the characters that may follow a backslash.
    """

    number: str
    escapes: dict[str, str]
    unsafe: str
    crlf: bool
    heartbeats: bool
    nack: bool
    ack_header: str
    subscription_id: bool
    codes: str = field(init=False, compare=False)
    _originals: dict[str, str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_originals", {code[1]: char for char, code in self.escapes.items()})
        object.__setattr__(self, "codes", "".join(self._originals))

    def __repr__(self) -> str:
        return f"<STOMP {self.number}>"

    def escape(self, text: str) -> str:
        """Escape one header name or value.

        >>> STOMP12.escape("a:b")
        'a\\\\cb'
        """
        # Few texts need escaping, and searching for each character is much faster than `translate`.
        if ":" in text or "\\" in text or "\n" in text or "\r" in text:
            # Several times faster than `translate`.
            for char, code in self.escapes.items():
                text = text.replace(char, code)
        return text

    def carries(self, text: str) -> bool:
        """True if a header value can represent this text.

        >>> STOMP11.carries("a\\rb"), STOMP12.carries("a\\rb")
        (False, True)
        """
        return not any(char in text for char in self.unsafe)

    def unescape(self, text: str, *, keep_undefined: bool = False) -> str:
        """Unescape one header name or value.

        Raises:
            RemoteProtocolError: the version does not define an escape sequence, unless `keep_undefined`
                (STOMP 1.2, "Value Encoding": undefined sequences are a fatal protocol error).
        """
        if not self._originals or "\\" not in text:
            return text
        if text.count("\\") == text.count("\\c"):
            # Fast path for the most frequent case: message ids of brokers contain colons and no other escapes.
            return text.replace("\\c", ":")
        first, *rest = text.split("\\")
        parts = [first]
        pieces = iter(rest)
        for piece in pieces:
            if not piece:
                # Two backslashes are an escaped backslash; the text after them is plain.
                following = next(pieces, None)
                if following is not None:
                    parts.append("\\" + following)
                    continue
            elif (original := self._originals.get(piece[0])) is not None:
                parts.append(original + piece[1:])
                continue
            if not keep_undefined:
                raise RemoteProtocolError(
                    f"undefined escape sequence \\{piece[:1]} in a header of STOMP {self.number}"
                )
            parts.append("\\" + piece)
        return "".join(parts)

    def is_escaped(self, text: str) -> bool:
        """True if each backslash in a text begins an escape sequence of this version.

        >>> STOMP12.is_escaped("a\\\\cb"), STOMP12.is_escaped("a\\\\tb")
        (True, False)
        """
        if not self.escapes or text.count("\\") == text.count("\\c"):
            return True  # by far the most frequent case: message ids of brokers contain colons
        # Two backslashes are one escape sequence; then the other sequences can be counted.
        text = text.replace("\\\\", "")
        return text.count("\\") == sum(text.count(code) for code in self.escapes.values())

    def unescaped(self, headers: Headers) -> Headers:
        """Return headers with all values unescaped.

        Raises:
            RemoteProtocolError: see `unescape`.
        """
        if not any("\\" in value for value in headers.values()):
            return headers
        return Headers((name, self.unescape(value)) for name, value in headers.items())


STOMP10 = Version(
    "1.0",
    escapes={},
    unsafe="\n\r\0",
    crlf=False,
    heartbeats=False,
    nack=False,
    ack_header="message-id",
    subscription_id=False,
)
STOMP11 = Version(
    "1.1",
    escapes={"\\": "\\\\", "\n": "\\n", ":": "\\c"},
    # STOMP 1.1 cannot escape a CR, and brokers strip a CR at the end of a line.
    unsafe="\r\0",
    crlf=False,
    heartbeats=True,
    nack=True,
    ack_header="message-id",
    subscription_id=True,
)
STOMP12 = Version(
    "1.2",
    escapes={"\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r"},
    unsafe="\0",
    crlf=True,
    heartbeats=True,
    nack=True,
    ack_header="id",
    subscription_id=True,
)

#: Version number -> version, oldest first.
VERSIONS = {version.number: version for version in (STOMP10, STOMP11, STOMP12)}
