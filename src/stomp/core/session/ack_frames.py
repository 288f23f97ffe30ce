"""ACK and NACK as STOMP 1.2 writes them, in few steps: there may be one for each message.

The native codec has the same function, which does what is frequent and returns 0 for all else.
"""

from __future__ import annotations

from stomp.core.frames import native as native_codec
from stomp.core.frames.versions import STOMP12
from stomp.core.session.ledger import Subscription, settle

if native_codec.native is not None:
    native_codec.native.prepare(Subscription)


def answer(
    command: str,
    name: str,
    subscriptions: dict[str, Subscription],
    subscription: str | None,
    out: list[bytes],
) -> int:
    """Take a delivery off the list of what is not settled, and write the frame that settles it.

    Args:
        command: ACK or NACK.
        name: what 1.2 calls the delivery: its ``ack`` header; a `str` and no subclass of it.
        subscriptions: those in force, by id.
        subscription: the id of the one that it came for, if that is known.
        out: where to put the frame.

    Returns:
        How many bytes the frame has; 0 where nothing was done, as no frame can carry this name.

    >>> out = []
    >>> answer("ACK", "a:1", {}, None, out), out
    (14, [b'ACK\\nid:a\\\\c1\\n\\n\\x00'])
    """
    if "\0" in name:
        return 0
    try:
        frame = f"{command}\nid:{STOMP12.escape(name)}\n\n\0".encode()
    except UnicodeEncodeError:
        return 0
    settle(subscriptions, name, subscription)
    out.append(frame)
    return len(frame)
