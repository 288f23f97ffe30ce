"""What an ERROR of a broker says, and which error of ours that is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from stomp.core.diagnostics import one_line
from stomp.core.errors import AuthenticationFailed, BrokerError, ConnectionLost
from stomp.core.frames.versions import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.frames.frame import Frame

#: Words by which brokers say that a login was refused; the protocol has no code for it.
_LOGIN_WORDS = ("login", "credential", "password", "authenti", "access_refused", "access refused")


#: STOMP 1.2, "Value Encoding": CONNECT has no escapes, so that 1.0 brokers can read it. RabbitMQ reads them all the
#: same: it closes the connection at an undefined one, and refuses the login that others make of it.
_BACKSLASH = (
    "some brokers, as RabbitMQ, read a backslash in login and passcode as an escape: write two for each"
)
#: From so many seconds without a byte of ours on, a broker may have ended the connection for that: Artemis and HornetQ
#: do so after 60.
_QUIET = 30.0
_NO_BEATS = (
    "nothing had been sent for a while, and brokers and firewalls end such connections: "
    "ask for heart-beats, as by heartbeat=(10000, 10000), in stomp.Connection heartbeats="
)

_ESCAPE = re.compile(r"\\([rnc\\])")
_ESCAPED = {"r": "\r", "n": "\n", "c": ":", "\\": "\\"}


def error_text(frame: Frame, *, before_connected: bool = False) -> str:
    """What an ERROR frame says, in one line: its ``message`` header and the beginning of its body.

    Control characters are shown as escapes, and long text is cut; `frame` has what came.

    Args:
        frame: the ERROR frame.
        before_connected: it came in the place of CONNECTED. No version is agreed on then, so nobody has unescaped
            its headers, and brokers escape them nearly always (STOMP 1.2, "Value Encoding").

    >>> from stomp.core.frames.frame import Frame, Headers
    >>> error_text(Frame("ERROR", Headers(message="Bad CONNECT"), b"Access refused for user 'guest'"))
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


class ConnectRequest(NamedTuple):
    """What a client asked for by CONNECT, as far as errors are about it.

    Attributes:
        versions: what it offered.
        host: the virtual host, None if it named none.
        backslash: there is one in its login or passcode.
    """

    versions: tuple[str, ...] = ()
    host: str | None = None
    backslash: bool = False

    @property
    def offered(self) -> str:
        """The versions in words."""
        return ",".join(self.versions)


_NOTHING = ConnectRequest()


def request_of(headers: Mapping[str, str], versions: tuple[str, ...]) -> ConnectRequest:
    """What a CONNECT frame asks for."""
    backslash = any("\\" in headers.get(name, "") for name in ("login", "passcode"))
    return ConnectRequest(versions, headers.get("host"), backslash)


def connect_error_from(frame: Frame, request: ConnectRequest = _NOTHING) -> BrokerError:
    """The error for an ERROR frame in the place of CONNECTED.

    Args:
        frame: the ERROR frame.
        request: what it is the answer to.
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
    """The error for a stream that ended.

    Args:
        why: it ended.
        said: the last ERROR frame, if there was one.
        request: what CONNECT asked for.
        connected: there was a CONNECTED.
        quiet: for so many seconds we had sent nothing, and were not to send heart-beats.
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
    if not offered or not any(version in DIALECTS for version in spoken) or set(spoken) & set(offered):
        return ""
    return (
        f"offered was {','.join(offered)}, and the broker speaks {','.join(spoken)[:80]}: offer one of these"
    )
