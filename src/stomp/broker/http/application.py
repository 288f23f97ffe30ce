"""The ASGI application of a broker: the page, the HTTP API and the metrics."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stomp.broker.http import live, views
from stomp.broker.http.changes import Changes
from stomp.broker.http.guard import COOKIE, SESSION_SECONDS, Guard, Sessions, access_to, problem, token_of
from stomp.broker.http.metrics import CONTENT_TYPE, metrics
from stomp.broker.http.monitor import Monitor
from stomp.broker.http.openapi import document
from stomp.broker.http.parameters import BadRequest, Fields, Query, read_json
from stomp.broker.logins import has_login
from stomp.broker.permissions import AccessRefused
from stomp.broker.store import RequestRefused
from stomp.core.errors import NotConnected, StompError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from stomp.broker.broker import Broker
    from stomp.broker.server import Server

API = "/api/v1"
#: The files of the page, and their types.
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/favicon.ico": ("icon.svg", "image/svg+xml"),  # a browser that shows the metrics asks for it
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
        for name in ("page", "api", "bodies", "dom", "plots")
    },
}
#: Seconds that the answer to a wrong password takes.
_REFUSAL_DELAY = 0.5
#: Seconds that a question to a broker in another thread may take.
_TIMEOUT = 10.0


def application(broker: Broker, *, hosts: Iterable[str] = ()) -> ASGIApp:
    """The page, the HTTP API and the metrics of a broker, as an ASGI application to mount in another one.

    >>> from stomp.broker import Broker
    >>> app = application(Broker(), hosts=["app.example"])

    Args:
        broker: the broker; it may be started later, also in a thread.
        hosts: names that are accepted in the header ``Host``, in addition to localhost, IP addresses and the name of
            this machine; "*" accepts all.
    """
    return BrokerApplication(broker, hosts=hosts).asgi


class BrokerApplication:
    """The application of one broker.

    Args:
        broker: the broker.
        hosts: see `application`.

    Attributes:
        asgi: the ASGI application.
    """

    def __init__(self, broker: Broker, *, hosts: Iterable[str] = ()) -> None:
        self._broker = broker
        self._sessions = Sessions()
        self._monitored: tuple[Server, Monitor] | None = None
        self._changes = Changes(self._ask)
        self._states = live.States(self._ask)
        self._streams = 0
        self._stopping = False
        folder = files("stomp.broker.http") / "static"
        self._files = {path: (folder / name).read_bytes() for path, (name, _) in _FILES.items()}
        self._app = Starlette(
            routes=self._routes(),
            exception_handlers={
                HTTPException: _on_http_error,
                BadRequest: _on_bad_request,
                AccessRefused: _on_access_refused,
                RequestRefused: _on_refused,
                NotConnected: _on_stopped,
            },
        )
        self.asgi: ASGIApp = Guard(
            self._app,
            hosts=hosts,
            settings=lambda: self._broker._settings,
            sessions=self._sessions,
            public=_FILES,
        )

    def start(self) -> None:
        """Begin to count; called on the event loop of the broker. Without it, the first request does so."""
        server = self._broker._server
        if server is not None:
            self._monitor(server)

    def stop(self) -> None:
        """End the live streams."""
        self._stopping = True

    def _routes(self) -> list[Route]:
        changes = self._changes
        table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/overview", self._overview),
            ("GET", "/destinations", self._destinations),
            ("GET", "/connections", self._connections),
            ("DELETE", "/connections/{number:int}", changes.drop_connection),
            ("GET", "/messages", self._messages),
            ("POST", "/messages", changes.send),
            ("DELETE", "/messages", changes.remove),
            ("GET", "/messages/{number:int}/body", self._body),
            ("POST", "/messages/move", changes.move),
            ("POST", "/messages/retry", changes.retry),
            ("GET", "/frames", self._frames),
            ("GET", "/events", self._events),
            ("GET", "/faults", self._faults),
            ("PATCH", "/faults", changes.set_faults),
            ("POST", "/faults/pause", changes.pause),
            ("POST", "/faults/stall", changes.stall),
            ("POST", "/login", self._login),
            ("POST", "/logout", self._logout),
            ("GET", "/openapi.json", self._openapi),
        ]
        routes = [Route(API + path, handler, methods=[method]) for method, path, handler in table]
        routes += [Route(path, self._file, methods=["GET"]) for path in _FILES]
        return [*routes, Route("/metrics", self._metrics, methods=["GET"])]

    # ------------------------------------------------------------------------------------- the broker

    def _monitor(self, server: Server) -> Monitor:
        if self._monitored is None or self._monitored[0] is not server:
            self._monitored = server, Monitor(server)
            self._monitored[1].start()
        return self._monitored[1]

    async def _ask(self, question: Callable[[Server, Monitor], Any]) -> Any:
        """Call a function on the event loop of the broker, and return its result."""
        server, loop = self._broker._server, self._broker._loop
        if server is None or loop is None:
            raise NotConnected("the broker is stopped", hint="start it first")

        def on_its_loop() -> Any:
            result = question(server, self._monitor(server))
            server.flush()
            return result

        if loop is asyncio.get_running_loop():
            return on_its_loop()

        async def in_its_thread() -> Any:
            return on_its_loop()

        asked = asyncio.run_coroutine_threadsafe(in_its_thread(), loop)
        return await asyncio.wait_for(asyncio.wrap_future(asked), _TIMEOUT)

    # ------------------------------------------------------------------------------------- reading

    async def _overview(self, request: Request) -> Response:
        access = access_to(request)

        def question(server: Server, monitor: Monitor) -> views.Json:
            return {**views.overview(server, monitor, access), "history": views.history(monitor)}

        return JSONResponse(await self._ask(question))

    async def _destinations(self, request: Request) -> Response:
        query = Query(request)
        access = access_to(request)
        match, sort = query.text("match"), query.choice("sort", views.SORTS)
        offset, limit = query.number("offset"), query.number("limit", 100, least=1, most=1000)
        return JSONResponse(
            await self._ask(
                lambda server, monitor: views.destinations(
                    server, monitor, access, match=match, sort=sort, offset=offset, limit=limit
                )
            )
        )

    async def _connections(self, request: Request) -> Response:
        query, access = Query(request), access_to(request)
        offset, limit = query.number("offset"), query.number("limit", 100, least=1, most=1000)
        return JSONResponse(
            await self._ask(lambda server, _: views.connections(server, access, offset=offset, limit=limit))
        )

    async def _messages(self, request: Request) -> Response:
        query, access = Query(request), access_to(request)
        name = query.needed("destination")
        offset, limit = query.number("offset"), query.number("limit", 50, least=1, most=200)
        newest_first, text = query.choice("order", views.ORDERS) == "newest", query.text("text")

        def question(server: Server, _: Monitor) -> views.Json:
            access.check_read(server, name)
            return views.messages(
                server, name, offset=offset, limit=limit, newest_first=newest_first, text=text
            )

        return JSONResponse(await self._ask(question))

    async def _body(self, request: Request) -> Response:
        name, number = Query(request).needed("destination"), int(request.path_params["number"])
        access = access_to(request)

        def question(server: Server, _: Monitor) -> bytes | None:
            access.check_read(server, name)
            found = views.message_numbered(server, name, number)
            return None if found is None else found.body

        body = await self._ask(question)
        if body is None:
            return problem(404, "there is no such message any more")
        # Always a file to save, never a page to show: the body comes from a client.
        headers = {"Content-Disposition": f'attachment; filename="message-{number}"'}
        return Response(body, media_type="application/octet-stream", headers=headers)

    async def _faults(self, request: Request) -> Response:
        access = access_to(request)
        return JSONResponse(await self._ask(lambda server, _: views.faults(server, access)))

    async def _frames(self, request: Request) -> Response:
        query, access = Query(request), access_to(request)
        wanted, since = _filter(query), query.number("since")
        limit = query.number("limit", 100, least=1, most=1000)
        frames, missed, number = await self._ask(
            lambda _, monitor: live.frames_since(monitor, access, since, wanted, limit)
        )
        items = [views.frame(each) for each in frames]
        return JSONResponse({"missed": missed, "last": number, "items": items})

    async def _events(self, request: Request) -> Response:
        query, access = Query(request), access_to(request)
        wanted = _filter(query)
        match, sort = query.text("match"), query.choice("sort", views.SORTS)
        offset, limit = query.number("offset"), query.number("limit", 100, least=1, most=200)
        opened = query.text("open")
        if self._streams >= live.MAX_STREAMS:
            return problem(503, f"there are {live.MAX_STREAMS} live streams already")

        def state(server: Server, monitor: Monitor) -> views.Json:
            return views.state(
                server, monitor, access, match=match, sort=sort, offset=offset, limit=limit, opened=opened
            )

        async def current() -> bytes | None:
            return await self._states.get((access.user, match, sort, offset, limit, opened), state)

        async def events() -> AsyncIterator[bytes]:
            self._streams += 1
            try:
                async for each in live.stream(self._ask, access, wanted, current, lambda: self._stopping):
                    yield each
            except NotConnected:
                return  # the broker was stopped
            finally:
                self._streams -= 1

        return StreamingResponse(
            events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def _metrics(self, request: Request) -> Response:
        access = access_to(request)
        text = await self._ask(lambda server, monitor: metrics(server, monitor, access))
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(document(request.scope.get("root_path", "")))

    async def _file(self, request: Request) -> Response:
        path = request.url.path.removeprefix(request.scope.get("root_path", "")) or "/"
        _, media_type = _FILES[path]
        return Response(self._files[path], headers={"Content-Type": media_type, "Cache-Control": "no-cache"})

    # ------------------------------------------------------------------------------------- logins

    async def _login(self, request: Request) -> Response:
        fields = Fields(await read_json(request, 64 * 1024), ("user", "password"))
        users, user = self._broker._settings.users, fields.text("user")
        if users is None:
            return problem(409, "the broker has no logins")
        if not has_login(users, user, fields.text("password")):
            await asyncio.sleep(_REFUSAL_DELAY)
            return problem(401, "the user or the password is wrong")
        response = JSONResponse({"user": user})
        response.set_cookie(
            COOKIE,
            self._sessions.open(user),
            max_age=SESSION_SECONDS,
            path=request.scope.get("root_path", "") or "/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        self._sessions.close(token_of(request.headers))
        response = JSONResponse({})
        response.delete_cookie(COOKIE, path=request.scope.get("root_path", "") or "/")
        return response


def _filter(query: Query) -> live.FrameFilter:
    commands = frozenset(filter(None, query.text("commands").split(",")))
    connection = query.number("connection") or None
    return live.FrameFilter(commands, connection, query.text("destination"), query.text("text"))


async def _on_access_refused(request: Request, error: Exception) -> Response:
    return problem(403, f"{_text_of(error)}: {getattr(error, 'detail', '')}")


def _text_of(error: Exception) -> str:
    return str(error) if isinstance(error, StompError | BadRequest) else type(error).__name__


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail)


async def _on_bad_request(request: Request, error: Exception) -> Response:
    return problem(getattr(error, "status", 400), _text_of(error))


async def _on_refused(request: Request, error: Exception) -> Response:
    detail = getattr(error, "detail", "")
    return problem(409, f"{_text_of(error)}: {detail}" if detail else _text_of(error))


async def _on_stopped(request: Request, error: Exception) -> Response:
    return problem(503, _text_of(error))
