"""Converts ERROR frames of a broker to exceptions, with hints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from stomp.core.diagnostics import one_line
from stomp.core.errors import AuthenticationFailed, BrokerError, ConnectionLost
from stomp.core.frames.versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.frames.frame import Frame

#: Substrings of ERROR texts that mean a refused login. The protocol has no error codes.
_LOGIN_WORDS = ("login", "credential", "password", "authenti", "access_refused", "access refused")


#: STOMP 1.2, "Value Encoding": CONNECT is not escaped, so that 1.0 brokers can read it. RabbitMQ unescapes it
#: nevertheless: it closes the connection at an undefined escape, and refuses the login that results from a defined one.
_BACKSLASH = "some brokers (RabbitMQ) read a backslash in login and passcode as an escape: write two for each"
#: After this number of seconds in which we sent nothing, a broker may have closed the connection for that reason:
#: Artemis and HornetQ do so after 60.
_QUIET = 30.0
_NO_BEATS = (
    "the connection was idle, and brokers and firewalls close idle connections: "
    "request heart-beats, for example heartbeat=(10000, 10000), in stomp.Connection heartbeats="
)

_ESCAPE = re.compile(r"\\([rnc\\])")
_ESCAPED = {"r": "\r", "n": "\n", "c": ":", "\\": "\\"}


def error_text(frame: Frame, *, before_connected: bool = False) -> str:
    """Return the text of an ERROR frame in one line: its ``message`` header and the first line of its body.

    Control characters are shown as escapes, and long text is truncated. The frame has the original.

    Args:
        frame: the ERROR frame.
        before_connected: it was received in place of CONNECTED. There is no agreed version then, so the decoder has
            not unescaped its headers, and nearly all brokers escape them (STOMP 1.2, "Value Encoding").

    >>> from stomp.core.frames.frame import Frame, Headers
    >>> error_text(Frame("ERROR", Headers(message="Bad CONNECT"), b"Access refused for user 'guest'"))
    "Bad CONNECT: Access refused for user 'guest'"
    """
    message = frame.headers.get("message", "")
    if before_connected:
        message = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], message)
    message = message.strip()
    # Java brokers send a stack trace; its first line is the error text.
    lines = frame.body[:2000].decode(errors="replace").strip().splitlines()
    detail = lines[0].strip() if lines else ""
    parts = [part for part in (message, detail) if part]
    if len(parts) == 2 and (message in detail or detail in message):
        parts = [max(parts, key=len)]
    return one_line(": ".join(parts)) or "no reason given"


class ConnectRequest(NamedTuple):
    """The content of a CONNECT frame that hints of errors refer to.

    Attributes:
        versions: the offered versions.
        host: the ``host`` header (virtual host), or None.
        backslash: True if login or passcode contain a backslash.
    """

    versions: tuple[str, ...] = ()
    host: str | None = None
    backslash: bool = False

    @property
    def offered(self) -> str:
        """The offered versions, separated by commas."""
        return ",".join(self.versions)


_NOTHING = ConnectRequest()


def request_of(headers: Mapping[str, str], versions: tuple[str, ...]) -> ConnectRequest:
    """Return the `ConnectRequest` for the headers of a CONNECT frame."""
    backslash = any("\\" in headers.get(name, "") for name in ("login", "passcode"))
    return ConnectRequest(versions, headers.get("host"), backslash)


def connect_error_from(frame: Frame, request: ConnectRequest = _NOTHING) -> BrokerError:
    """Return the exception for an ERROR frame in place of CONNECTED.

    Args:
        frame: the ERROR frame.
        request: the CONNECT frame that it answers.
    """
    words = error_text(frame, before_connected=True)
    low = words.lower()
    if "virtual host" in low or "vhost" in low:
        hint = _host_hint(request.host)
    elif any(word in low for word in _LOGIN_WORDS):
        hint = "check login and passcode" + (f"; {_BACKSLASH}" if request.backslash else "")
        return AuthenticationFailed(f"the broker refused the login: {words}", frame=frame, hint=hint)
    else:
        hint = _versions_hint(frame, request.versions)
    return BrokerError(f"the broker refused the connection: {words}", frame=frame, hint=hint)


def lost(
    why: str, said: Frame | None, request: ConnectRequest, connected: bool, quiet: float
) -> ConnectionLost:
    """Return the exception for a stream that ended.

    Args:
        why: why it ended.
        said: the last ERROR frame, or None.
        request: the CONNECT frame.
        connected: True if CONNECTED was received.
        quiet: the number of seconds in which we sent nothing; 0 if we send heart-beats.
    """
    if said is not None:
        why = f"{why}; its last ERROR said: {error_text(said)}"
    hint = ""
    if not connected and request.backslash:
        hint = _BACKSLASH
    elif connected and quiet >= _QUIET:
        hint = _NO_BEATS
    return ConnectionLost(why, hint=hint)


def _host_hint(host: str | None) -> str:
    sent = "no host header was sent; " if host is None else f"the host header was {host[:80]!r}; "
    if host == "/":
        return f"{sent}set the virtual host to one that the broker has: vhost="
    return f"{sent}set the virtual host: RabbitMQ's default one is '/'"


def _versions_hint(frame: Frame, offered: tuple[str, ...]) -> str:
    # STOMP 1.2, "Protocol Negotiation": the ERROR should list what the server supports.
    spoken = [version.strip() for version in frame.headers.get("version", "").split(",")]
    if not offered or not any(version in VERSIONS for version in spoken) or set(spoken) & set(offered):
        return ""
    return (
        f"offered was {','.join(offered)}, and the broker speaks {','.join(spoken)[:80]}: offer one of these"
    )
