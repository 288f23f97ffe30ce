"""Serves the page with uvicorn, on the event loop of the broker."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from stomp.broker.endpoints import listen
from stomp.broker.http.application import BrokerApplication
from stomp.broker.http.guard import CERTIFICATE

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Generator, Iterable
    from typing import Self

    from starlette.types import Receive, Scope, Send

    from stomp.broker.broker import Broker

#: Seconds that requests may take when the page is stopped.
_GRACE = 2


class _UvicornServer(uvicorn.Server):
    """Leaves the signals to the program, and ends the live streams before it waits for requests."""

    def __init__(self, config: uvicorn.Config, app: BrokerApplication) -> None:
        super().__init__(config)
        self._broker_app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """See `uvicorn.Server`."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        self._broker_app.stop()
        await super().shutdown(sockets)


class _CertificateProtocol(H11Protocol):
    """Passes the client certificate of a connection to the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        app, certificate = self.app, transport.get_extra_info("peercert")

        async def with_certificate(scope: Scope, receive: Receive, send: Send) -> None:
            scope[CERTIFICATE] = certificate
            await app(scope, receive, send)

        self.app = with_certificate


class Page:
    """The page of a broker, as an asynchronous context manager on the broker's event loop.

    Args:
        broker: the broker; it must run.
        host: the address to listen on; "" for all.
        port: the port; 0 selects a free one.
        hosts: names that are accepted in ``Host``, see `stomp.broker.http.application`.
        ssl_context: the TLS context, for HTTPS.

    Attributes:
        port: the actual port after the start.

    Raises:
        OSError: binding the address failed.
    """

    def __init__(
        self,
        broker: Broker,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        hosts: Iterable[str] = (),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.host: str = host
        self.port: int = port
        self._ssl_context = ssl_context
        self._app = BrokerApplication(broker, hosts=[host, *hosts])
        self._server: _UvicornServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL for a browser on this machine."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        scheme = "http" if self._ssl_context is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    async def __aenter__(self) -> Self:
        try:
            sockets = await listen(self.host, self.port)
        except OSError as err:
            where = f"{self.host}:{self.port}"
            text = f"the page cannot listen on {where}: {err.strerror or err}"
            raise OSError(err.errno or errno.EINVAL, text) from err
        self.port = int(sockets[0].getsockname()[1])
        config = uvicorn.Config(
            self._app.asgi,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http=_CertificateProtocol,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_GRACE,
            limit_concurrency=200,
        )
        config.load()
        config.ssl = self._ssl_context
        self._server = _UvicornServer(config, self._app)
        self._task = asyncio.create_task(self._server.serve(sockets=sockets))
        self._app.start()
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(errno.EINVAL, "the page could not be started")
            await asyncio.sleep(0)
        return self

    async def __aexit__(self, *error: object) -> None:
        server, task = self._server, self._task
        if server is not None and task is not None:
            server.should_exit = True
            await task
