"""Encodes ACK and NACK of STOMP 1.2 without making a `Frame`: there may be one for each message.

The native codec has the same function for the common cases. It returns 0 for all others.
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
    """Settle a delivery: remove it from the unacknowledged deliveries and encode the frame.

    Args:
        command: ACK or NACK.
        name: the ``ack`` header of the MESSAGE; a `str`, not an instance of a subclass.
        subscriptions: the active subscriptions by id.
        subscription: the id of the subscription of the delivery, or None if it is not known.
        out: the list to which the frame is appended.

    Returns:
        The size of the frame in bytes; 0 if nothing was done, because no frame can carry this name.

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
