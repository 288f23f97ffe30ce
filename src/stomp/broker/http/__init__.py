"""The page of the embedded broker, its HTTP API, and its metrics. It needs the extra ``page``.

`application` makes an ASGI application, to mount in another one. `Page` serves it on the broker's event loop.

Rule of this package: only its modules import starlette, uvicorn and prometheus_client.
"""

from stomp.broker.http.application import application
from stomp.broker.http.serving import Page

__all__ = ["Page", "application"]
