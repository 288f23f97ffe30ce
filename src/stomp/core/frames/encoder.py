"""Frames to bytes (STOMP 1.2, "STOMP Frames", "Value Encoding").

Rule of this file: a value never becomes structure. What a version cannot carry raises `FrameError`.
"""

from __future__ import annotations

from typing import Any

from stomp.core.errors import FrameError, RemoteProtocolError
from stomp.core.frames.commands import CLIENT_COMMANDS
from stomp.core.frames.frame import Frame, Headers, text_of
from stomp.core.frames.versions import UNESCAPED, Dialect

NUL = b"\0"

#: Bodies from this size on are not copied into one buffer with their head (measured: joining is cheaper below).
LARGE_BODY = 32 * 1024
#: So many heads of messages are kept,
_HEADS = 1000
#: and the lines that tell the lengths of bodies up to this one.
_LENGTHS = 2048


def encode(frame: Frame, dialect: Dialect) -> bytes:
    """Turn a frame into bytes.

    Raises:
        FrameError: for what this version cannot carry, for a body with a NUL but no ``content-length``,
            and for a ``content-length`` that is not the body's.

    >>> from stomp.core.frames.versions import STOMP12
    >>> from stomp.core.frames.frame import Headers
    >>> encode(Frame("SEND", Headers(destination="/queue/a"), b"hi"), STOMP12)
    b'SEND\\ndestination:/queue/a\\n\\nhi\\x00'
    """
    return b"".join(encode_parts(frame, dialect))


def encode_parts(frame: Frame, dialect: Dialect, *, escaped: bool = False) -> list[bytes]:
    """Like `encode`, but in parts to write one after the other, so that a large body is not copied.

    Args:
        frame: the frame.
        dialect: the version to write.
        escaped: the headers are in their escaped form already; they are only checked.
    """
    body = frame.body
    _check_length(frame.headers.get("content-length"), body)
    head = _encode_head(frame, dialect, escaped=escaped)
    if not body:
        return [head + NUL]
    if len(body) < LARGE_BODY:
        return [head + body + NUL]
    return [head, body, NUL]


def plain_parts(command: str, headers: dict[str, Any], body: bytes) -> list[bytes] | None:
    """`encode_parts` for a frame that no version writes differently; None if that is not known of this one.

    Args:
        command: a command of a client, but not CONNECT or STOMP.
        headers: without ``content-length``; that is added if there is a body.
        body: the body.
    """
    text = ""
    for name, value in headers.items():
        if type(value) is not str or type(name) is not str:
            return None  # it may have a text of its own: see `stomp.core.frames.frame.text_of`
        text += f"{name}:{value}\n"
    if not needs_no_escaping(text, len(headers)) or "" in headers or "content-length" in headers:
        return None
    try:
        if not body:
            return [f"{command}\n{text}\n\0".encode()]
        head = f"{command}\n{text}content-length:{len(body)}\n\n".encode()
    except UnicodeEncodeError:
        return None
    if len(body) < LARGE_BODY:
        return [head + body + NUL]
    return [head, body, NUL]


def needs_no_escaping(text: str, count: int) -> bool:
    """True for the lines of so many headers in which nothing needs escaping.

    They have as many colons and newlines as headers, and none of the other special characters. This is the common
    case, found by a few scans at C speed.
    """
    return (
        text.count(":") == count
        and text.count("\n") == count
        and "\\" not in text
        and "\r" not in text
        and "\0" not in text
    )


class HeadCache(dict["str | tuple[str, str]", tuple[bytes, bytes]]):
    """Heads of SEND frames: programs send much that differs in nothing but its body.

    They are kept by destination, or by destination and content type. What is kept is the lines of the head, to which
    those of `LENGTHS` are added, and then the body and a NUL; and the whole frame for a body that is empty.

    >>> from stomp.core.frames.versions import STOMP12
    >>> HeadCache(STOMP12)["/queue/a"]
    (b'SEND\\ndestination:/queue/a\\n', b'SEND\\ndestination:/queue/a\\n\\n\\x00')

    Raises:
        FrameError: for what cannot be encoded, see `encode`.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def __missing__(self, key: str | tuple[str, str]) -> tuple[bytes, bytes]:
        if isinstance(key, str):
            headers = Headers(destination=key)
        else:
            headers = Headers({"destination": key[0], "content-type": key[1]})
        head = _encode_head(Frame("SEND", headers), self._dialect, escaped=False)
        if len(self) >= _HEADS:
            self.clear()
        self[key] = kept = head[:-1], head + NUL
        return kept


class _Lengths(dict[int, bytes]):
    """The last line of a head, and the empty one: by the size of the body. Those of short bodies are kept.

    >>> _Lengths()[2]
    b'content-length:2\\n\\n'
    """

    def __missing__(self, size: int) -> bytes:
        line = b"content-length:%d\n\n" % size
        if size < _LENGTHS:
            self[size] = line
        return line


LENGTHS = _Lengths()


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


def _encode_head(frame: Frame, dialect: Dialect, *, escaped: bool) -> bytes:
    headers = frame.headers
    try:
        # By join, which takes a text as it is: formatting would ask its class for one.
        text = "\n".join(map(":".join, headers.items())) + "\n"
    except TypeError:  # a hook has added a number
        text = ""
    if not text or not needs_no_escaping(text, len(headers)) or headers.repeated or "" in headers:
        text = _encode_head_escaped(frame, dialect, escaped=escaped)
    command = text_of(frame.command)
    if command not in CLIENT_COMMANDS and not (command.isascii() and command.isalpha()):
        raise FrameError(f"{command[:40]!r} is not a STOMP command")
    try:
        return f"{command}\n{text}\n".encode()
    except UnicodeEncodeError as err:
        raise FrameError("a header holds a character that UTF-8 cannot encode (a lone surrogate)") from err


def _encode_head_escaped(frame: Frame, dialect: Dialect, *, escaped: bool) -> str:
    command = text_of(frame.command)
    plain = command in UNESCAPED
    unsafe_value = "\n\r\0" if plain or escaped else dialect.unsafe
    # A name that may not be escaped cannot hold a colon either: the first colon ends it.
    unsafe_name = unsafe_value + ":" if plain or escaped or not dialect.escapes else unsafe_value
    if len(frame.headers.all("content-length")) > 1:
        raise FrameError(f"{command} has more than one content-length: brokers differ in which one counts")
    lines: list[str] = []
    for name, value in frame.headers.pairs():
        name, value = text_of(name), text_of(value)
        _refuse(command, name, "name", name, unsafe_name, dialect)
        _refuse(command, name, "value", value, unsafe_value, dialect)
        if not name:
            raise FrameError(f"{command} has a header with an empty name")
        if escaped and not plain:
            _check_escapes(command, name, value, dialect)
        elif not plain:
            name, value = dialect.escape(name), dialect.escape(value)
        lines.append(f"{name}:{value}\n")
    return "".join(lines)


def _check_escapes(command: str, name: str, value: str, dialect: Dialect) -> None:
    try:
        dialect.unescape(name)
        dialect.unescape(value)
    except RemoteProtocolError:
        raise FrameError(
            f"the header {name[:60]!r} of {command} holds a backslash that is no escape of STOMP {dialect.version}",
            hint="write a backslash as two",
        ) from None


_CHARACTERS = {"\n": "a newline", "\r": "a carriage return", "\0": "a NUL", ":": "a colon"}


def _refuse(command: str, name: str, part: str, text: str, unsafe: str, dialect: Dialect) -> None:
    for char in unsafe:
        if char in text:
            # The name is quoted by repr, the value is not told at all: it may be a passcode.
            raise FrameError(
                f"the {part} of header {name[:60]!r} of {command} holds {_CHARACTERS[char]}, "
                f"which STOMP {dialect.version} cannot carry there",
                hint="remove it, or put it into the body",
            )
