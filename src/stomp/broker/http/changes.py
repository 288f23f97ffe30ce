"""The requests that change something: send, delete, move, and the faults."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from stomp.broker import administration
from stomp.broker.http import views
from stomp.broker.http.guard import access_to, problem
from stomp.broker.http.parameters import BadRequest, Fields, Query, read_json
from stomp.broker.request_headers import message_headers
from stomp.core.frames.frame import headers_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from stomp.broker.http.access import Access
    from stomp.broker.http.monitor import Monitor
    from stomp.broker.server import Server

    Ask = Callable[[Callable[[Server, Monitor], Any]], Awaitable[Any]]

#: Bytes of a request without a body of a message.
_SMALL = 1024 * 1024
#: Seconds that a delay may have.
_LONGEST_DELAY = 60.0
#: Destinations that can be paused.
_MAX_PAUSED = 1000


class Changes:
    """The handlers of these requests.

    Args:
        ask: calls a function on the event loop of the broker.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    # ------------------------------------------------------------------------------------- messages

    async def send(self, request: Request) -> Response:
        """POST /messages"""
        limits, policy = await self._ask(lambda server, _: (server.settings.limits, server.settings.policy))
        # A body in base64, or with an escape for each character, is longer.
        values = await read_json(request, 6 * limits.body + 6 * limits.head)
        fields = Fields(values, ("destination", "headers", "body", "encoding"))
        destination, headers = fields.text("destination"), fields.headers("headers")
        data = _decoded(fields.text("body", ""), fields.text("encoding", "text"))
        if len(destination) > policy.max_destination:
            raise BadRequest(f"a destination may have {policy.max_destination} characters at most")
        if len(data) > limits.body:
            raise BadRequest(f"a body may have {limits.body} bytes at most", 413)
        size = sum(len(name.encode()) + len(value.encode()) + 2 for name, value in headers.items())
        if size > limits.head or len(headers) > limits.headers:
            raise BadRequest(f"the headers may have {limits.head} bytes at most", 413)
        named = message_headers(headers_of(headers))
        access_to(request).check_write(destination)
        await self._ask(lambda server, _: server.put(destination, data, named))
        return JSONResponse({}, 201)

    async def remove(self, request: Request) -> Response:
        """DELETE /messages"""
        query = Query(request)
        name, numbers = query.needed("destination"), query.numbers("number")
        access = access_to(request)

        def question(server: Server, _: Monitor) -> int:
            access.check_read(server, name)
            if numbers is None:
                return server.engine.purge(name)
            return administration.remove(server.engine, name, set(numbers))

        return JSONResponse({"deleted": await self._ask(question)})

    async def move(self, request: Request) -> Response:
        """POST /messages/move"""
        fields = Fields(await read_json(request, _SMALL), ("destination", "to", "numbers"))
        access = access_to(request)
        return await self._move(
            access, fields.text("destination"), fields.text("to"), fields.numbers("numbers")
        )

    async def retry(self, request: Request) -> Response:
        """POST /messages/retry"""
        fields = Fields(await read_json(request, _SMALL), ("destination", "numbers"))
        dead_letters = await self._ask(lambda server, _: server.settings.policy.dead_letter_queue)
        access = access_to(request)
        return await self._move(
            access, fields.text("destination", dead_letters), None, fields.numbers("numbers")
        )

    async def _move(
        self, access: Access, name: str, target: str | None, numbers: list[int] | None
    ) -> Response:
        def question(server: Server, _: Monitor) -> views.Json:
            access.check_read(server, name)
            moved = administration.move(server.engine, name, target, numbers, access.check_write)
            return {"moved": moved, "left": server.engine.depth(name)}

        return JSONResponse(await self._ask(question))

    # ------------------------------------------------------------------------------------- faults

    async def drop_connection(self, request: Request) -> Response:
        """DELETE /connections/{number}"""
        number, access = int(request.path_params["number"]), access_to(request)

        def question(server: Server, _: Monitor) -> bool:
            connection = server.open_connections.get(number)
            if connection is None or connection.closing or not access.sees_connection(connection.info()):
                return False
            connection.close(abort=True)
            return True

        if not await self._ask(question):
            return problem(404, f"there is no connection {number}")
        return JSONResponse({})

    async def set_faults(self, request: Request) -> Response:
        """PATCH /faults"""
        access_to(request).check_unlimited()
        known = ("refuse_logins", "errors_on_send", "error_destination", "delay")
        fields = Fields(await read_json(request, _SMALL), known)
        changed: dict[str, Any] = {}
        if "refuse_logins" in fields:
            changed["refuse_logins"] = fields.flag("refuse_logins")
        if "errors_on_send" in fields:
            changed["errors_on_send"] = int(fields.number("errors_on_send", least=0, most=1_000_000))
        if "error_destination" in fields:
            changed["error_destination"] = fields.text("error_destination") or None
        if "delay" in fields:
            changed["delay"] = fields.number("delay", least=0, most=_LONGEST_DELAY)

        def question(server: Server, _: Monitor) -> views.Json:
            for name, value in changed.items():
                setattr(server.faults, name, value)
            return views.faults(server)

        return JSONResponse(await self._ask(question))

    async def pause(self, request: Request) -> Response:
        """POST /faults/pause"""
        access_to(request).check_unlimited()
        fields = Fields(await read_json(request, _SMALL), ("destination", "paused"))
        name, paused = fields.text("destination"), fields.flag("paused")

        def question(server: Server, _: Monitor) -> views.Json:
            if len(name) > server.settings.policy.max_destination:
                raise BadRequest("the destination is too long")
            if paused and len(server.engine.state.paused) >= _MAX_PAUSED:
                raise BadRequest(f"{_MAX_PAUSED} destinations are paused already", 409)
            administration.pause(server.engine, name, paused=paused)
            return views.faults(server)

        return JSONResponse(await self._ask(question))

    async def stall(self, request: Request) -> Response:
        """POST /faults/stall"""
        fields = Fields(await read_json(request, _SMALL), ("connection", "subscription", "stalled"))
        number, key = int(fields.number("connection", least=0, most=2**53)), fields.text("subscription")
        stalled, access = fields.flag("stalled"), access_to(request)

        def question(server: Server, _: Monitor) -> views.Json | None:
            connection = server.open_connections.get(number)
            if connection is None or not access.sees_connection(connection.info()):
                return None
            return views.faults(server, access) if server.stall(number, key, stalled=stalled) else None

        found = await self._ask(question)
        if found is None:
            return problem(404, f"connection {number} has no subscription {key!r:.80}")
        return JSONResponse(found)


def _decoded(body: str, encoding: str) -> bytes:
    if encoding == "text":
        return body.encode()
    if encoding != "base64":
        raise BadRequest("encoding must be text or base64")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as err:
        raise BadRequest("the body is not valid base64") from err
