"""The forms of a send: what programs write, from `send(destination, body)` to headers, JSON and `on_send` listeners.

Each client sends the same headers and body in each form, in the way that its users would write it. The form of the
README (`text`) is the headline of the reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.servers import body_of

Body = bytes | str
#: The headers of the message with this number.
Headers = Callable[[int], dict[str, str]]

#: Number of different texts of the JSON form, sent in turn.
TEXTS = 256


def _none(number: int) -> dict[str, str]:
    return {}


def _three(number: int) -> dict[str, str]:
    return {"order-id": "4711", "customer": "Smith & Sons", "region": "north"}


def _correlated(number: int) -> dict[str, str]:
    return {"correlation-id": f"request-{number}", "reply-to": "/queue/answers"}


def _stored(number: int) -> dict[str, str]:
    return {"persistent": "true", "priority": "7"}


@dataclass(frozen=True)
class Form:
    """One form of a send.

    Attributes:
        title: for reports, with a short example of the code.
        headers: makes the headers of a message from its number.
        content_type: the media type, or "".
        options: what the `send` of stompkit's clients takes in place of `headers`.
        text: the body is a `str`.
        observed: a listener with `on_send`, or a hook with `sending`, gets every frame.
    """

    title: str
    headers: Headers = _none
    content_type: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    text: bool = True
    observed: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but a destination and a body."""
        return self.headers is _none and not self.content_type

    def all_headers(self, number: int) -> dict[str, str]:
        """The headers with the content type, for clients that have no argument for it."""
        more = {"content-type": self.content_type} if self.content_type else {}
        return {**self.headers(number), **more}


def encoded(body: Body) -> bytes:
    """The body as bytes: clients that take no `str` leave this to the program."""
    return body if isinstance(body, bytes) else body.encode()


FORMS: dict[str, Form] = {
    "bytes": Form("bytes", text=False),
    "text": Form("str, as in the README"),
    "headers": Form("str, three headers, content type", _three, "text/plain"),
    "json": Form("JSON", content_type="application/json"),
    "correlation": Form("str, a different correlation-id each", _correlated),
    "options": Form("str, persistent, priority", _stored, options={"persistent": True, "priority": 7}),
    "on-send": Form("str, three headers, a listener with on_send", _three, "text/plain", observed=True),
}


def bodies(name: str, size: int) -> Sequence[Body]:
    """The bodies of a form, to be sent in turn; about `size` bytes each.

    They are made before the clock starts: `json.dumps` takes as long with every client.
    """
    body = body_of(size)
    if name == "json":
        text = body_of(max(0, size - 50)).decode()
        return [json.dumps({"order": number, "paid": True, "text": text}) for number in range(TEXTS)]
    return [body.decode() if FORMS[name].text else body]
