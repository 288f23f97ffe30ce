"""What an ERROR of a broker says, and which error of ours that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.errors import AuthenticationFailed, BrokerError

if TYPE_CHECKING:
    from stomp.core.frame import Frame

#: Words by which brokers say that a login was refused; the protocol has no code for it.
_LOGIN_WORDS = ("login", "credential", "password", "authenti", "access_refused", "access refused")


def words_of(frame: Frame) -> str:
    """What an ERROR frame says, in one line: its ``message`` header and the beginning of its body.

    >>> from stomp.core.frame import Frame, Headers
    >>> words_of(Frame("ERROR", Headers(message="Bad CONNECT"), b"Access refused for user 'guest'"))
    "Bad CONNECT: Access refused for user 'guest'"
    """
    message = frame.headers.get("message", "").strip()
    # Java brokers send a stack trace; its first line has the words.
    lines = frame.body[:2000].decode(errors="replace").strip().splitlines()
    detail = lines[0].strip() if lines else ""
    parts = [part for part in (message, detail) if part]
    if len(parts) == 2 and (message in detail or detail in message):
        parts = [max(parts, key=len)]
    return ": ".join(parts)[:500] or "no reason given"


def refusal(frame: Frame) -> BrokerError:
    """The error for an ERROR frame in the place of CONNECTED."""
    words = words_of(frame)
    low = words.lower()
    if "virtual host" in low or "vhost" in low:
        hint = "set the virtual host: RabbitMQ's default one is '/'"
        return BrokerError(f"the broker refused the connection: {words}", frame=frame, hint=hint)
    if any(word in low for word in _LOGIN_WORDS):
        return AuthenticationFailed(
            f"the broker refused the login: {words}", frame=frame, hint="check login and passcode"
        )
    return BrokerError(f"the broker refused the connection: {words}", frame=frame)
