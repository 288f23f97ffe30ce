"""Who may use the page: checks of Host, origin and login, before a request gets to the application.

Rules of this file:

- A request whose ``Host`` is another name than those of this machine is refused: a page of that name may have pointed
  it at this machine (DNS rebinding). An IP address cannot be pointed elsewhere.
- A browser says which page a request comes from, in ``Origin`` and ``Sec-Fetch-Site``. A request that changes
  something, or reads data, is refused if that is another page. Programs send neither header.
- With users, the API and the metrics need a login: Basic, or the cookie of a session. With ``user_from_certificate``,
  the client certificate of HTTPS is a login. Without users it is the only one, so that an application mounted
  elsewhere, which knows no certificate, refuses all.
- Nothing that a client sent can be run by a browser: no script but the page's file, no frame, no guessing of types.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from stomp.broker.http.access import UNLIMITED, Access, access_of
from stomp.broker.logins import common_name, has_login
from stomp.broker.origin import is_ip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from stomp.broker.settings import Settings

#: Key of a scope: the verified client certificate, as `ssl.SSLSocket.getpeercert` returns it, or None.
CERTIFICATE = "stomp.certificate"
#: Key of a scope: the `Access` of its user. Without logins it is missing.
_ACCESS = "stomp.access"
COOKIE = "stomp_session"
#: Seconds that a session lasts, and the maximum number of sessions.
SESSION_SECONDS = 12 * 3600
MAX_SESSIONS = 1000

_SAFE = frozenset(["GET", "HEAD"])
_LOCAL = frozenset(["localhost", "127.0.0.1", "::1"])
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
        self._open: dict[str, tuple[float, str]] = {}  # the end of each, and its user

    def open(self, user: str) -> str:
        """A new session of a user; returns its secret."""
        if len(self._open) >= MAX_SESSIONS:
            del self._open[next(iter(self._open))]
        token = secrets.token_urlsafe(32)
        self._open[token] = self._clock() + SESSION_SECONDS, user
        return token

    def close(self, token: str) -> None:
        """End a session."""
        self._open.pop(token, None)

    def user(self, token: str) -> str | None:
        """The user of an open session; None if there is no such session."""
        end, user = self._open.get(token, (0.0, ""))
        return user if end > self._clock() else None


class Guard:
    """ASGI middleware: refuses what the rules of this module do not allow, and adds headers to every response.

    Args:
        app: the application.
        hosts: names that are accepted in ``Host``, in addition to those of this machine; "*" accepts all.
        settings: returns the settings of the broker, with its users.
        sessions: the sessions of browsers.
        public: the paths that need no login: they have no data.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        settings: Callable[[], Settings],
        sessions: Sessions,
        public: Iterable[str],
    ) -> None:
        self._app = app
        names = {host.lower() for host in hosts if host}
        self._every_host = "*" in names
        self._names = frozenset({*_LOCAL, socket.gethostname().lower(), *names})
        self._settings = settings
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
        settings = self._settings()
        if settings.users is None and not settings.user_from_certificate:
            return None
        user = self._user(scope, headers, settings)
        if user is not None:
            scope[_ACCESS] = access_of(user, settings.permissions.get(user))
            return None
        if settings.users is None:
            return problem(
                401, "a client certificate is needed: use https, and a certificate with the user's name"
            )
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

    def _user(self, scope: Scope, headers: Headers, settings: Settings) -> str | None:
        """The user of a request; None if it has no valid login."""
        users = settings.users
        if users is not None:
            # A login goes before the certificate: the user has chosen it.
            for token in _tokens(headers):
                if (user := self._sessions.user(token)) is not None:
                    return user
            if "authorization" in headers:
                return _user_of_basic(headers["authorization"], users)
        if settings.user_from_certificate:
            name = common_name(scope.get(CERTIFICATE))
            if name is not None and (users is None or name in users):
                return name
        return None


def _user_of_basic(header: str, users: Mapping[str, str | None]) -> str | None:
    kind, _, given = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return user if colon and has_login(users, user, password) else None


def access_to(request: Request) -> Access:
    """What the user of a request may see and change, as the guard has found."""
    found: Access = request.scope.get(_ACCESS, UNLIMITED)
    return found


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
