"""Bodies on a terminal: long ones are cut, JSON has colours."""

from __future__ import annotations

import json

#: Maximum length in bytes of a body on a terminal, if the user gives no other.
TERMINAL_LIMIT = 10_000
#: Maximum length of a JSON body in characters that is coloured.
_MAX_COLOURED = 64 * 1024


def cut(body: bytes, limit: int | None, hint: str = "stomp listen --raw writes whole bodies") -> bytes:
    """The body; if it is longer than `limit` bytes, its beginning and a line that says how much is missing.

    Args:
        body: the body.
        limit: the maximum; None or 0 for none.
        hint: how to get the whole body.

    >>> cut(b"abcdef", 4)
    b'abcd\\n... 2 more bytes; stomp listen --raw writes whole bodies'
    """
    if not limit or len(body) <= limit:
        return body
    # A character of UTF-8 is not cut: its further bytes are 0x80 to 0xBF.
    while limit and 0x80 <= body[limit] < 0xC0:
        limit -= 1
    return body[:limit] + f"\n... {len(body) - limit} more bytes; {hint}".encode()


def coloured(text: str) -> str:
    """JSON with colours and without other changes; other text, or without the package `rich`, unchanged."""
    if not _is_json(text):
        return text
    try:
        from io import StringIO

        from rich.console import Console
        from rich.highlighter import JSONHighlighter
        from rich.text import Text
    except ImportError:
        return text
    console = Console(file=StringIO(), force_terminal=True, color_system="standard", soft_wrap=True)
    with console.capture() as captured:
        console.print(JSONHighlighter()(Text(text)), end="", soft_wrap=True)
    return captured.get()


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "[") or len(text) > _MAX_COLOURED:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
