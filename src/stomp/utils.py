"""The `Frame` of the listener API, and the helper functions of stomp.py's module of this name.

A star import of this module also exports the modules that it imports and the constants, as in stomp.py: test suites
rely on that.
"""

from __future__ import annotations

import contextlib
import copy as copy
import functools
import operator
import os
import queue as queue
import re
import socket
import threading as threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stomp.classic.pollable_queue import PollableQueue as PollableQueue
from stomp.client.options import start_daemon
from stomp.constants import CMD_ABORT as CMD_ABORT
from stomp.constants import CMD_ACK as CMD_ACK
from stomp.constants import CMD_BEGIN as CMD_BEGIN
from stomp.constants import CMD_COMMIT as CMD_COMMIT
from stomp.constants import CMD_CONNECT as CMD_CONNECT
from stomp.constants import CMD_DISCONNECT as CMD_DISCONNECT
from stomp.constants import CMD_NACK as CMD_NACK
from stomp.constants import CMD_SEND as CMD_SEND
from stomp.constants import CMD_STOMP as CMD_STOMP
from stomp.constants import CMD_SUBSCRIBE as CMD_SUBSCRIBE
from stomp.constants import CMD_UNSUBSCRIBE as CMD_UNSUBSCRIBE
from stomp.constants import HDR_ACCEPT_VERSION as HDR_ACCEPT_VERSION
from stomp.constants import HDR_ACK as HDR_ACK
from stomp.constants import HDR_CONTENT_LENGTH as HDR_CONTENT_LENGTH
from stomp.constants import HDR_CONTENT_TYPE as HDR_CONTENT_TYPE
from stomp.constants import HDR_DESTINATION as HDR_DESTINATION
from stomp.constants import HDR_HEARTBEAT as HDR_HEARTBEAT
from stomp.constants import HDR_HOST as HDR_HOST
from stomp.constants import HDR_ID as HDR_ID
from stomp.constants import HDR_LOGIN as HDR_LOGIN
from stomp.constants import HDR_MESSAGE_ID as HDR_MESSAGE_ID
from stomp.constants import HDR_PASSCODE as HDR_PASSCODE
from stomp.constants import HDR_RECEIPT as HDR_RECEIPT
from stomp.constants import HDR_SUBSCRIPTION as HDR_SUBSCRIPTION
from stomp.constants import HDR_TRANSACTION as HDR_TRANSACTION
from stomp.core.diagnostics import MASK, redacted
from stomp.core.errors import FrameError
from stomp.core.frames.frame import bytes_of, text_of

NULL = b"\0"
ENC_NULL = NULL
ENC_NEWLINE = b"\n"

HEADER_LINE_RE = re.compile("(?P<key>[^:]+)[:](?P<value>.*)")
PREAMBLE_END_RE = re.compile(b"\n\n|\r\n\r\n")
LINE_END_RE = re.compile("\n|\r\n")
#: A passcode in a line of text: up to the end of the line, a blank or a quote.
PASSCODE_RE = re.compile(r"passcode:\s*(?:(?!\\[nr])[^\s'\"])+")

_HEADER_ESCAPES = {"\r": "\\r", "\n": "\\n", ":": "\\c", "\\": "\\\\"}
_HEADER_UNESCAPES = {code: char for char, code in _HEADER_ESCAPES.items()}


# ------------------------------------------------------------------------------------- frames


class Frame:
    """One STOMP frame, as passed to listeners.

    Attributes:
        cmd: "MESSAGE", "SEND" ..., or None for a heart-beat.
        headers: a dict; `on_before_message` and `on_send` may change it.
        body: str, or bytes if decoding is off.
        original_headers: a copy of the headers, without later changes by listeners.
    """

    def __init__(self, cmd: str | None = None, headers: Any = None, body: Any = None) -> None:
        self.cmd = cmd
        self.headers: dict[str, Any] = headers if headers is not None else {}
        self.original_headers = self.headers.copy()
        self.body = body

    #: The command, under the name that the frames of a session have for it.
    command: str = property(operator.attrgetter("cmd"))  # type: ignore[assignment]

    @property
    def raw_head(self) -> bytes | None:
        """The head as received, if it is not valid UTF-8 and bytes of it were replaced; else None."""
        return getattr(self.headers, "raw_head", None)

    def __str__(self) -> str:
        return f"{{cmd={self.cmd},headers=[{clean_headers(self.headers)}],body={self.body!s}}}"


#: The frame that `on_send` gets for a heart-beat.
HEARTBEAT_FRAME = Frame(None)


def convert_frame(frame: Frame, body_encoding: str | None = None) -> list[bytes]:
    """Encode a frame as a list of bytes. The headers have to be escaped already.

    Args:
        frame: the frame; one without a command is a heart-beat.
        body_encoding: the encoding of a text body; None: UTF-8.

    Raises:
        FrameError: a header contains a newline or NUL, and would be parsed differently.
        TypeError: the body is neither text nor bytes.
    """
    if not frame.cmd:
        return [ENC_NEWLINE]
    body = encode(frame.body, body_encoding or "utf-8") if frame.body else b""
    headers = dict(frame.headers)
    if body and headers.get(HDR_CONTENT_LENGTH) is not None:
        headers[HDR_CONTENT_LENGTH] = len(body)
    pieces = [str.encode(frame.cmd), ENC_NEWLINE]
    for name in sorted(headers, key=text_of):
        value = headers[name]
        for item in value if isinstance(value, tuple) else () if value is None else (value,):
            line = f"{text_of(name)}:{text_of(item)}"
            if any(char in line for char in "\n\r\0"):
                raise FrameError(
                    f"the header {text_of(name)[:60]!r} of {frame.cmd} holds a line end or a NUL"
                )
            pieces.append(line.encode() + ENC_NEWLINE)
    pieces.append(ENC_NEWLINE)
    if body:
        pieces.append(body)
    pieces.append(ENC_NULL)
    return pieces


def parse_frame(frame: bytes) -> Frame | None:
    """Parse one frame. Its body is everything after the empty line.

    Returns:
        The frame; None for empty input. For a single newline, a frame with the `cmd` "heartbeat".
    """
    if frame == ENC_NEWLINE:
        return Frame("heartbeat")
    start = re.match(rb"[\r\n]*", frame)
    frame = frame[start.end() :] if start else frame
    if not frame:
        return None
    end = PREAMBLE_END_RE.search(frame)
    head, body = (frame[: end.start()], frame[end.end() :]) if end else (frame, b"")
    lines = head.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return Frame(lines[0], parse_headers(lines, 1), body)


def parse_headers(lines: list[str], offset: int = 0) -> dict[str, str]:
    """Parse and unescape the headers in these lines, from index `offset` on. The first of repeated ones counts."""
    headers: dict[str, str] = {}
    for line in lines[offset:]:
        name, colon, value = line.partition(":")
        if name and colon:
            headers.setdefault(_unescape(name), _unescape(value))
    return headers


def _unescape(text: str) -> str:
    return re.sub(r"\\.", _unescape_header, text) if "\\" in text else text


def _unescape_header(matchobj: re.Match[str]) -> str:
    # An undefined escape sequence is kept.
    return _HEADER_UNESCAPES.get(matchobj.group(0), matchobj.group(0))


def merge_headers(header_map_list: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Merge dictionaries into a new one. Later ones override earlier ones; None is skipped."""
    headers: dict[str, Any] = {}
    for header_map in header_map_list:
        if header_map:
            headers.update(header_map)
    return headers


def clean_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Copy headers with the credentials masked, for printing."""
    return redacted(headers)


def clean_lines(lines: Any) -> str:
    """Convert lines to text with passcodes masked."""
    return PASSCODE_RE.sub(f"passcode:{MASK}", str(lines))


def calculate_heartbeats(
    shb: tuple[int | str, int | str], chb: tuple[int | str, int | str]
) -> tuple[int, int]:
    """Negotiate heart-beats from the server's and the client's values: (what the client sends, what it receives)."""
    (server_sends, server_wants), (client_sends, client_wants) = map(int, shb), map(int, chb)
    return (
        max(client_sends, server_wants) if client_sends and server_wants else 0,
        max(client_wants, server_sends) if client_wants and server_sends else 0,
    )


# ------------------------------------------------------------------------------------- text and bytes


def encode(char_data: object, encoding: str = "utf-8") -> bytes:
    """Encode a body. Text is encoded as UTF-8; bytes are returned as they are.

    Raises:
        TypeError: the body is neither text nor bytes.
    """
    if isinstance(char_data, str):
        return str.encode(char_data, encoding, errors="replace")
    data = bytes_of(char_data)
    if data is None:
        raise TypeError(f"message should be a string or bytes, found {type(char_data)}")
    return data


def decode(byte_data: bytes | None, encoding: str = "utf-8") -> str | None:
    """Decode bytes. Invalid bytes are replaced. None stays None."""
    return None if byte_data is None else byte_data.decode(encoding, errors="replace")


def pack(pieces: Iterable[bytes] = ()) -> bytes:
    """Join bytes."""
    return b"".join(pieces)


def join(chars: Iterable[bytes] = ()) -> str:
    """Join bytes, and decode them as UTF-8."""
    return b"".join(chars).decode("utf-8", errors="replace")


def length(s: str | bytes | None) -> int:
    """The length; 0 for None."""
    return len(s) if s is not None else 0


def is_eol_default(c: bytes) -> bool:
    """True for a newline."""
    return c == ENC_NEWLINE


# ------------------------------------------------------------------------------------- the rest


def get_uuid() -> str:
    """A new random id, as text."""
    return str(uuid.uuid4())


def get_errno(e: BaseException) -> Any:
    """The errno of an OSError; the first argument of other exceptions."""
    number = getattr(e, "errno", None)
    return number if number is not None else e.args[0]


def default_create_thread(callback: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread."""
    return start_daemon(callback)


def is_localhost(host_and_port: tuple[str, Any]) -> int:
    """1 for an address of this machine, 2 for any other; a sort key."""
    return 1 if host_and_port[0] in _localhost_names() else 2


@functools.cache
def _localhost_names() -> list[str]:
    """The names of this machine. Makes DNS look-ups, so it is called only when needed."""
    names = ["localhost", "127.0.0.1"]
    if os.environ.get("STOMP_SKIP_HOSTNAME_SCAN") is None:
        own = socket.gethostname()
        with contextlib.suppress(OSError, UnicodeError):
            names.append(socket.gethostbyname(own))
        names += [own, socket.getfqdn(own)]
    return names


if TYPE_CHECKING:
    LOCALHOST_NAMES: list[str]
else:  # type checkers would accept every name

    def __getattr__(name: str) -> Any:
        if name == "LOCALHOST_NAMES":
            return _localhost_names()
        raise AttributeError(f"module 'stomp.utils' has no attribute {name!r}")
