"""What an ERROR of a broker says, and which error of ours that is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stomp.core.errors import AuthenticationFailed, BrokerError
from stomp.core.observe import one_line

if TYPE_CHECKING:
    from stomp.core.frame import Frame

#: Words by which brokers say that a login was refused; the protocol has no code for it.
_LOGIN_WORDS = ("login", "credential", "password", "authenti", "access_refused", "access refused")


_ESCAPE = re.compile(r"\\([rnc\\])")
_ESCAPED = {"r": "\r", "n": "\n", "c": ":", "\\": "\\"}


def words_of(frame: Frame, *, before_connected: bool = False) -> str:
    """What an ERROR frame says, in one line: its ``message`` header and the beginning of its body.

    Control characters are shown as escapes, and long text is cut; `frame` has what came.

    Args:
        frame: the ERROR frame.
        before_connected: it came in the place of CONNECTED. No version is agreed on then, so nobody has unescaped
            its headers, and brokers escape them nearly always (STOMP 1.2, "Value Encoding").

    >>> from stomp.core.frame import Frame, Headers
    >>> words_of(Frame("ERROR", Headers(message="Bad CONNECT"), b"Access refused for user 'guest'"))
    "Bad CONNECT: Access refused for user 'guest'"
    """
    message = frame.headers.get("message", "")
    if before_connected:
        message = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], message)
    message = message.strip()
    # Java brokers send a stack trace; its first line has the words.
    lines = frame.body[:2000].decode(errors="replace").strip().splitlines()
    detail = lines[0].strip() if lines else ""
    parts = [part for part in (message, detail) if part]
    if len(parts) == 2 and (message in detail or detail in message):
        parts = [max(parts, key=len)]
    return one_line(": ".join(parts)) or "no reason given"


def refusal(frame: Frame) -> BrokerError:
    """The error for an ERROR frame in the place of CONNECTED."""
    words = words_of(frame, before_connected=True)
    low = words.lower()
    if "virtual host" in low or "vhost" in low:
        hint = "set the virtual host: RabbitMQ's default one is '/'"
        return BrokerError(f"the broker refused the connection: {words}", frame=frame, hint=hint)
    if any(word in low for word in _LOGIN_WORDS):
        return AuthenticationFailed(
            f"the broker refused the login: {words}", frame=frame, hint="check login and passcode"
        )
    return BrokerError(f"the broker refused the connection: {words}", frame=frame)
