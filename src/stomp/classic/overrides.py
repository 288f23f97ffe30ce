"""The straight way of a frame: from a verb of the listener API to its link, if nobody is to see it on the way.

A program may have put something of its own in the place of the transport or of a method, in an object or in a class;
then it gets all frames through `send_frame` and `Transport.transmit`, as it does if a listener has an `on_send`. It may
do so at any time, so this is asked for each frame: that is why the native codec has the same function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stomp.core.frames import native as native_codec

if TYPE_CHECKING:
    from stomp.client.threads.link import Link


def look(protocol: Any, ours: tuple[Any, Any, Any]) -> Link | None:
    """See `straight`."""
    send_frame, escape_headers, transmit = ours
    transport: Any = protocol.transport
    # Not by `__dict__`: an object that was asked for it once has slow attributes from then on (CPython 3.11).
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


#: The link of a protocol; None if there is none, or somebody has put something in the place of one of the functions
#: that are given: `send_frame` and `_escape_headers` of the protocol, and `transmit` of its transport.
straight: Any = look if native_codec.native is None else native_codec.native.straight
