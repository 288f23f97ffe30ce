"""Detects overridden methods: whether a frame of the listener API may be passed to its link directly.

Rules of this file: if a program has replaced the transport or one of the methods on the way, in an object or in a
class, or a listener has an `on_send`, all frames go through `send_frame` and `Transport.transmit`. A program may do so
at any time, so this is checked for each frame, and the native codec has the same function for speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stomp.core.frames import native as native_codec

if TYPE_CHECKING:
    from stomp.client.threads.link import Link


def look(protocol: Any, ours: tuple[Any, Any, Any]) -> Link | None:
    """The link of a protocol, or None: see `straight`."""
    send_frame, escape_headers, transmit = ours
    transport: Any = protocol.transport
    # Not with `__dict__`: reading it once makes the attributes of the object slow from then on (CPython 3.11).
    try:
        if (
            transport is not protocol._direct
            or protocol.send_frame.__func__ is not send_frame
            or protocol._escape_headers.__func__ is not escape_headers
            or transport.transmit.__func__ is not transmit
        ):
            return None
    except AttributeError:  # a function, or a mock
        return None
    unwatching = transport.registry.unwatching
    if unwatching is None:
        return None
    for listener, idle in unwatching:
        if getattr(listener, "on_send", None) != idle:
            return None
    link: Link | None = transport._link
    return link


#: Returns the link of a protocol. None if there is none, if a listener has an `on_send`, or if one of the functions
#: that are passed was replaced: `send_frame` and `_escape_headers` of the protocol, and `transmit` of its transport.
straight: Any = look if native_codec.native is None else native_codec.native.straight
