"""Who may use the page: checks of Host, origin and login, before a request gets to the application.

Rules of this file:

- A request whose ``Host`` is another name than those of this machine is refused: a page of that name may have pointed
  it at this machine (DNS rebinding). An IP address cannot be pointed elsewhere.
- A browser says which page a request comes from, in ``Origin`` and ``Sec-Fetch-Site``. A request that changes
  something, or reads data, is refused if that is another page. Programs send neither header.
- With users, the API and the metrics need a login: Basic, or the cookie of a session.
- Nothing that a client sent can be run by a browser: no script but the page's file, no frame, no guessing of types.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from stomp.broker.origin import is_ip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "stomp_session"
#: Seconds that a session lasts, and the maximum number of sessions.
SESSION_SECONDS = 12 * 3600
MAX_SESSIONS = 1000

_SAFE = frozenset(["GET", "HEAD"])
_LOCAL = frozenset(["localhost", "127.0.0.1", "::1"])
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Sessions:
    """The logins of browsers.

    Args:
        clock: a clock in seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}

    def open(self) -> str:
        """A new session; returns its secret."""
        if len(self._ends) >= MAX_SESSIONS:
            del self._ends[next(iter(self._ends))]
        token = secrets.token_urlsafe(32)
        self._ends[token] = self._clock() + SESSION_SECONDS
        return token

    def close(self, token: str) -> None:
        """End a session."""
        self._ends.pop(token, None)

    def has(self, token: str) -> bool:
        """True if the session is open."""
        return self._ends.get(token, 0.0) > self._clock()


def has_login(users: Mapping[str, str | None], user: str, password: str) -> bool:
    """True for a known user with the right password.

    The password is compared for an unknown user, too, so that the time does not show whether a user exists.
    """
    expected = users.get(user)
    given = password.encode("utf-8", "surrogateescape")
    same = hmac.compare_digest((expected or "").encode("utf-8", "surrogateescape"), given)
    return same and expected is not None


class Guard:
    """ASGI middleware: refuses what the rules of this module do not allow, and adds headers to every response.

    Args:
        app: the application.
        hosts: names that are accepted in ``Host``, in addition to those of this machine; "*" accepts all.
        users: returns the passwords by user; None if there are no logins.
        sessions: the sessions of browsers.
        public: the paths that need no login: they have no data.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        users: Callable[[], Mapping[str, str | None] | None],
        sessions: Sessions,
        public: Iterable[str],
    ) -> None:
        self._app = app
        names = {host.lower() for host in hosts if host}
        self._every_host = "*" in names
        self._names = frozenset({*_LOCAL, socket.gethostname().lower(), *names})
        self._users = users
        self._sessions = sessions
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _refused(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return problem(403, "the Host of the request is not a name of this machine; use localhost")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        is_public = path in self._public and scope["method"] in _SAFE
        if not is_public and not _is_same_origin(scope, headers, hosts[0]):
            return problem(403, "a page of another origin may not use the broker")
        if is_public or path == "/api/v1/login":
            return None
        users = self._users()
        if users is None or self._is_logged_in(headers, users):
            return None
        response = problem(401, "a login is needed")
        if "sec-fetch-mode" not in headers:
            # A browser would show its own dialog instead of the page's form.
            response.headers["WWW-Authenticate"] = 'Basic realm="stomp broker", charset="UTF-8"'
        return response

    def _is_own(self, host: str) -> bool:
        name = _name_of(f"//{host}")
        if name is None:
            return False
        return self._every_host or name in self._names or is_ip(name)

    def _is_logged_in(self, headers: Headers, users: Mapping[str, str | None]) -> bool:
        if any(self._sessions.has(token) for token in _tokens(headers)):
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            user, colon, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return False
        return bool(colon) and has_login(users, user, password)


def problem(status: int, text: str) -> JSONResponse:
    """A response that says what is wrong."""
    return JSONResponse({"error": text}, status)


def token_of(headers: Headers) -> str:
    """The secret of the session of a request, or an empty text."""
    return next(_tokens(headers), "")


def _tokens(headers: Headers) -> Iterator[str]:
    for cookie in headers.get("cookie", "").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == COOKIE:
            yield value


def _is_same_origin(scope: Scope, headers: Headers, host: str) -> bool:
    origins = headers.getlist("origin")
    if len(origins) > 1:
        return False
    if origins and origins[0] != f"{scope['scheme']}://{host}":
        return False
    return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _name_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if not (parts.path or parts.query or parts.username) else None
    except ValueError:
        return None
