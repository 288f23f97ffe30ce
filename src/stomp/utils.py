"""What listeners get to see: the `Frame` of the listener API, and small helpers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from stomp.core.observe import redacted


class Frame:
    """One STOMP frame, as listeners get it.

    Attributes:
        cmd: "MESSAGE", "SEND" ..., or None for a heart-beat.
        headers: a dict; `on_before_message` and `on_send` may change it.
        body: str, or bytes where decoding is off.
        original_headers: the headers as they came, whatever a listener did to `headers` since.
    """

    def __init__(self, cmd: str | None = None, headers: Any = None, body: Any = None) -> None:
        self.cmd = cmd
        self.headers: dict[str, Any] = headers if headers is not None else {}
        self.original_headers = self.headers.copy()
        self.body = body

    def __str__(self) -> str:
        return f"{{cmd={self.cmd},headers=[{clean_headers(self.headers)}],body={self.body!s}}}"


#: What `on_send` is told when a heart-beat goes out.
HEARTBEAT_FRAME = Frame(None)


def get_uuid() -> str:
    """A new random id, as text."""
    return str(uuid.uuid4())


def merge_headers(header_map_list: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """One new dict out of several; later ones win, None is skipped."""
    headers: dict[str, Any] = {}
    for header_map in header_map_list:
        if header_map:
            headers.update(header_map)
    return headers


def clean_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the credentials masked, fit to be printed."""
    return redacted(headers)


def encode(body: object) -> bytes:
    """The bytes of a body: text becomes UTF-8.

    Raises:
        TypeError: it is neither text nor bytes.
    """
    if isinstance(body, str):
        return body.encode("utf-8", errors="replace")
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    if not body:
        return b""
    raise TypeError(f"message should be a string or bytes, found {type(body)}")
