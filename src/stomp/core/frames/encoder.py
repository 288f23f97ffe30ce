"""The encoder: frames to bytes (STOMP 1.2, "STOMP Frames", "Value Encoding").

Rule of this file: a value can never inject a header or a frame. A value that the version cannot represent raises
`FrameError`.
"""

from __future__ import annotations

from collections.abc import Mapping

from stomp.core.errors import FrameError, RemoteProtocolError
from stomp.core.frames import native as native_codec
from stomp.core.frames.commands import CLIENT_COMMANDS
from stomp.core.frames.frame import Frame, Headers, OutgoingFrame, headers_of, text_of
from stomp.core.frames.versions import UNESCAPED, Version

NUL = b"\0"

#: The commands of clients and servers.
_COMMANDS = CLIENT_COMMANDS | {"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"}
#: Bodies of at least this many bytes are not copied into one buffer with their head. Below it a copy is cheaper
#: (measured).
LARGE_BODY = 32 * 1024


def encode(frame: Frame, version: Version) -> bytes:
    """Encode a frame.

    Raises:
        FrameError: the version cannot represent a header, the body has a NUL but there is no ``content-length``, or
            the ``content-length`` is not the size of the body.

    >>> from stomp.core.frames.versions import STOMP12
    >>> from stomp.core.frames.frame import Headers
    >>> encode(Frame("SEND", Headers(destination="/queue/a"), b"hi"), STOMP12)
    b'SEND\\ndestination:/queue/a\\n\\nhi\\x00'
    """
    return b"".join(encode_parts(frame, version))


def encode_parts(frame: OutgoingFrame, version: Version, *, escaped: bool = False) -> list[bytes]:
    """Like `encode`, but return parts to write in order, so that a large body is not copied.

    Args:
        frame: the frame. Headers and body of other types than `Frame` has are converted.
        version: the version.
        escaped: the headers are already escaped, so they are only checked. A ``content-length`` is replaced by the size
            of the body: in the listener API, an `on_send` may have changed the body.

    Raises:
        FrameError: see `encode`.
    """
    native = native_codec.native
    if native is None:
        parts = encode_plain(frame.command, frame.headers, frame.body, version if escaped else None)
    else:
        codes = version.codes if escaped else None
        parts = native.encode_plain(frame.command, frame.headers, frame.body, codes, Headers)
    return encode_general(core_frame(frame), version, escaped=escaped) if parts is None else parts


def encode_plain(
    command: str, headers: Mapping[str, object], body: str | bytes, escaped: Version | None = None
) -> list[bytes] | None:
    """Encode a frame if that is simple: the headers need no escaping or conversion, and nothing is wrong.

    This is the common case, and a few scans at C speed detect it.

    Args:
        command: a command of a client.
        headers: the headers; values may be `int`.
        body: the body; a `str` is sent as UTF-8.
        escaped: the version whose escape sequences the values may contain; None if they are not escaped yet.

    Returns:
        The parts to write; None if the frame is not simple: call `encode_general`. The native codec has the same
        function.
    """
    text = ""
    for name, value in headers.items():
        # A subclass of str may override `__format__`, and `__hash__`: then a look-up by name does not find it.
        if type(name) is not str or (type(value) is not str and type(value) is not int):
            return None
        text += f"{name}:{value}\n"
    # Then there is one colon and one newline per header, and none of the other special characters.
    count = len(headers)
    if (
        text.count(":") != count
        or text.count("\n") != count
        or "\r" in text
        or "\0" in text
        or (
            "\\" in text
            and (escaped is None or not (text.count("\\") == text.count("\\c") or escaped.is_escaped(text)))
        )
        or "" in headers
        or command not in _COMMANDS
        or type(command) is not str
        or (type(headers) is not dict and (type(headers) is not Headers or headers.repeated))
    ):
        return None
    if type(body) is str:
        body = body.encode("utf-8", "replace")
    elif type(body) is not bytes:
        return None
    length = headers.get("content-length")
    if 0 in body if length is None else length != len(body) and length != str(len(body)):
        return None
    try:
        head = f"{command}\n{text}\n".encode()
    except UnicodeEncodeError:
        return None
    if len(body) < LARGE_BODY:
        return [b"".join((head, body, NUL))]
    return [head, body, NUL]


def core_frame(frame: OutgoingFrame) -> Frame:
    """Convert a frame whose headers or body may be of other types: see `headers_of`."""
    headers, body = frame.headers, frame.body
    return Frame(
        text_of(frame.command),
        headers if isinstance(headers, Headers) else headers_of(headers),
        str.encode(body, "utf-8", "replace") if isinstance(body, str) else bytes.__bytes__(body),
    )


def encode_general(frame: Frame, version: Version, *, escaped: bool = False) -> list[bytes]:
    """Encode any frame: see `encode_parts`.

    Raises:
        FrameError: see `encode`.
    """
    body = frame.body
    if escaped and "content-length" in frame.headers:
        frame.headers["content-length"] = str(len(body))
    _check_length(frame.headers.get("content-length"), body)
    head = _encode_head(frame, version, escaped=escaped)
    if len(body) < LARGE_BODY:
        return [head + body + NUL]
    return [head, body, NUL]


def _check_length(length: str | None, body: bytes) -> None:
    if length is None:
        # STOMP 1.2, "Body": without content-length the first NUL ends the frame.
        if 0 in body:
            raise FrameError(
                "the body holds a NUL byte and there is no content-length header",
                hint="add content-length, or leave adding it to the library",
            )
    elif text_of(length) != str(len(body)):
        raise FrameError(
            f"content-length says {text_of(length)[:20]!r} but the body has {len(body)} bytes",
            hint="leave the content-length header to the library",
        )


def _encode_head(frame: Frame, version: Version, *, escaped: bool) -> bytes:
    text = _encode_headers(frame, version, escaped=escaped)
    command = text_of(frame.command)
    if command not in _COMMANDS and not (command.isascii() and command.isalpha()):
        raise FrameError(f"{command[:40]!r} is not a STOMP command")
    try:
        return f"{command}\n{text}\n".encode()
    except UnicodeEncodeError as err:
        raise FrameError("a header holds a character that UTF-8 cannot encode (a lone surrogate)") from err


def _encode_headers(frame: Frame, version: Version, *, escaped: bool) -> str:
    command = text_of(frame.command)
    plain = command in UNESCAPED
    unsafe_value = "\n\r\0" if plain or escaped else version.unsafe
    # A name that cannot be escaped must not contain a colon, because the first colon ends it.
    unsafe_name = unsafe_value + ":" if plain or escaped or not version.escapes else unsafe_value
    if len(frame.headers.all("content-length")) > 1:
        raise FrameError(f"{command} has more than one content-length: brokers differ in which one counts")
    lines: list[str] = []
    for name, value in frame.headers.pairs():
        name, value = text_of(name), text_of(value)
        _refuse(command, name, "name", name, unsafe_name, version)
        _refuse(command, name, "value", value, unsafe_value, version)
        if not name:
            raise FrameError(f"{command} has a header with an empty name")
        if escaped and not plain:
            _check_escapes(command, name, value, version)
        elif not plain:
            name, value = version.escape(name), version.escape(value)
        lines.append(f"{name}:{value}\n")
    return "".join(lines)


def _check_escapes(command: str, name: str, value: str, version: Version) -> None:
    try:
        version.unescape(name)
        version.unescape(value)
    except RemoteProtocolError:
        raise FrameError(
            f"the header {name[:60]!r} of {command} holds a backslash that is no escape of STOMP {version.number}",
            hint="write a backslash as two",
        ) from None


_CHARACTERS = {"\n": "a newline", "\r": "a carriage return", "\0": "a NUL", ":": "a colon"}


def _refuse(command: str, name: str, part: str, text: str, unsafe: str, version: Version) -> None:
    for char in unsafe:
        if char in text:
            # The name is shown by repr; the value is not shown at all, because it may be a passcode.
            raise FrameError(
                f"the {part} of header {name[:60]!r} of {command} holds {_CHARACTERS[char]}, "
                f"which STOMP {version.number} cannot carry there",
                hint="remove it, or put it into the body",
            )
