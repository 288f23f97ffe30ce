"""The formats of `stomp listen`: readable, raw, JSON, or a format of the user."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import gathered
from stomp.cli.framework.terminal import clean
from stomp.cli.messages import body_text, jsonl

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.cli.framework.terminal import Terminal
    from stomp.core.engine.message import BaseMessage

    #: Formats a message. The number is that of the message, from 1.
    Format = Callable[[BaseMessage, int], bytes]

#: The tokens of --format, for help.
TOKENS = """\
Tokens of --format:
  %b         the body             %d         the destination
  %i         the message-id       %l         the length of the body in bytes
  %h{NAME}   a header             %H         all headers, a line each
  %t         the time, ISO 8601   %T         the time, seconds since 1970
  %c         the count, from 1    %j         the message as JSON
  %%         a percent sign       \\n \\t \\r \\0 \\\\ \\xHH   as in C
"""
_TOKEN = re.compile(r"%h\{([^}]*)\}|%(.)|\\x([0-9a-fA-F]{2})|\\(.)|([^%\\]+)|(.)", re.DOTALL)
_ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}


def readable(terminal: Terminal, *, body: bool, pretty: bool = False, limit: int | None = None) -> Format:
    """A format for people: the headers, one per line, then an empty line, the body and an empty line.

    Args:
        terminal: the body is cleaned, and JSON has colours, if its standard output is a terminal. The headers are
            always cleaned.
        body: False leaves out the body.
        pretty: indent a body that is JSON.
        limit: the maximum length of a body in bytes, see `body_text.cut`; 0 for none, None for the default: on a
            terminal `body_text.TERMINAL_LIMIT`.
    """
    on_terminal, has_colour = terminal.is_terminal(terminal.out), terminal.has_colour(terminal.out)
    if limit is None and on_terminal:
        limit = body_text.TERMINAL_LIMIT

    def write(message: BaseMessage, number: int) -> bytes:
        lines = [
            # A line end in a value is escaped: otherwise the rest would look like another header.
            f"{terminal.styled(clean(name, lines=False), 'name', terminal.out)}: {clean(value, lines=False)}\n"
            for name, value in message.headers.pairs()
        ]
        content = message.body
        if pretty and (parsed := _parsed(content)) is not _NOT_JSON:
            content = json.dumps(parsed, indent=2, ensure_ascii=False).encode()
        content = body_text.cut(content, limit, "--shorten 0 writes whole bodies")
        if on_terminal:
            text = clean(content)
            content = _bytes(body_text.coloured(text) if has_colour else text)
        return _bytes("".join(lines)) + (b"\n" + content + b"\n" if body else b"") + b"\n"

    return write


def raw(message: BaseMessage, number: int) -> bytes:
    """The body only."""
    return message.body


def as_json(message: BaseMessage, number: int) -> bytes:
    """A line of JSON, see `stomp.cli.messages.jsonl`."""
    return _bytes(jsonl.line(jsonl.of_message(message, time=time.time())))


def as_object(
    message: BaseMessage, number: int, *, body: bool = True, parse: bool = False, pretty: bool = False
) -> bytes:
    """JSON with the headers as an object: a repeated header has a list of its values.

    Args:
        message: the message.
        number: the number of the message.
        body: False leaves out the body.
        parse: a body that is JSON is the value of "json" instead of text.
        pretty: with indentation, over several lines.
    """
    record = jsonl.of_message(message, time=time.time())
    # JSON writes a tuple, which is a repeated header here, as a list.
    fields = jsonl.fields_of(record, gathered(record.headers))
    if parse and (parsed := _parsed(record.body)) is not _NOT_JSON:
        fields.pop("body", None)
        fields["json"] = parsed
    if not body:
        for key in ("body", "body64", "json"):
            fields.pop(key, None)
    return _bytes(json.dumps(fields, ensure_ascii=False, indent=2 if pretty else None) + "\n")


_NOT_JSON = object()


def _parsed(body: bytes) -> object:
    """The value of a body that is JSON, else `_NOT_JSON`."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def compiled(text: str) -> Format:
    """Compile the argument of --format.

    Raises:
        CommandError: the format has an unknown token.
    """
    parts = [_part(match) for match in _TOKEN.finditer(text)]

    def write(message: BaseMessage, number: int) -> bytes:
        return b"".join(part if isinstance(part, bytes) else part(message, number) for part in parts)

    return write


def _part(match: re.Match[str]) -> bytes | Format:
    name, letter, code, escape, text, other = match.groups()
    if name is not None:
        return lambda message, number: _bytes(message.headers.get(name, ""))
    if letter == "%":
        return b"%"
    if letter is not None and letter in _LETTERS:
        return _LETTERS[letter]
    if code is not None:
        return bytes.fromhex(code)
    if escape is not None and escape in _ESCAPES:
        return _ESCAPES[escape]
    if text is not None:
        return _bytes(text)
    token = f"%{letter}" if letter is not None else f"\\{escape}" if escape is not None else other
    raise CommandError(f"--format has no {token!r}", hint="see stomp listen --help; %% is a percent sign")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


_LETTERS: dict[str, Format] = {
    "b": raw,
    "d": lambda message, number: _bytes(message.destination),
    "i": lambda message, number: _bytes(message.id),
    "l": lambda message, number: b"%d" % len(message.body),
    "H": lambda message, number: _bytes(
        "".join(f"{name}:{clean(value, lines=False)}\n" for name, value in message.headers.pairs())
    ),
    "t": lambda message, number: time.strftime("%Y-%m-%dT%H:%M:%S%z").encode(),
    "T": lambda message, number: f"{time.time():.6f}".encode(),
    "c": lambda message, number: b"%d" % number,
    "j": lambda message, number: as_json(message, number).rstrip(b"\n"),
}
