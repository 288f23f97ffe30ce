"""The frames in which listeners get messages.

A message is made once: what the session reads is what the listener is given, in the shape of `stomp.utils.Frame`.
"""

from __future__ import annotations

from typing import Any

from stomp.core.events import Shown
from stomp.core.frame import Frame as CoreFrame
from stomp.utils import Frame


class Received(Shown, Frame):
    """A MESSAGE, its body as bytes.

    Attributes:
        cmd: "MESSAGE".
        headers: a dict; `on_before_message` may change it.
        body: bytes.
        original_headers: the headers as they came, whatever a listener did to `headers` since.
    """

    __slots__ = ()
    body: Any
    headers: Any
    cmd: Any = vars(CoreFrame)["command"]  # the same place, by the name that listeners know

    # Equal are those of the session that look alike; for a listener each is one of its own.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    __str__ = Frame.__str__

    @property
    def original_headers(self) -> dict[str, Any]:
        if type(self.original) is tuple:
            names, *values = self.original
            self.original = dict(zip(names, values, strict=True))
        headers: dict[str, Any] = self.original
        return headers

    @original_headers.setter
    def original_headers(self, headers: dict[str, Any]) -> None:
        self.original = headers

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        # For those who look at `vars(frame)`: these four are not kept there.
        own: dict[str, Any] = Frame.__dict__["__dict__"].__get__(self)
        known = {"cmd": self.command, "headers": self.headers, "original_headers": self.original_headers}
        return {**known, "body": self.body, **own}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.subscription = None
        for name, value in state.items():
            setattr(self, name, value)


class ReceivedText(Received):
    """A MESSAGE, its body as text (UTF-8; what is no text is replaced)."""

    __slots__ = ()
    text = True
