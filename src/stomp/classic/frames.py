"""The frames in which listeners get messages and receipts.

Each is made once: what the session reads is what the listener is given, in the shape of `stomp.utils.Frame`.
"""

from __future__ import annotations

from typing import Any, cast

from stomp.core.frames.frame import Frame as CoreFrame
from stomp.core.session.events import ListenerMessage, Receipt
from stomp.utils import Frame


def _attributes(frame: Any) -> dict[str, Any]:
    # For those who look at `vars(frame)`: these four are not kept there.
    own: dict[str, Any] = Frame.__dict__["__dict__"].__get__(frame)
    known = {"cmd": frame.cmd, "headers": frame.headers, "original_headers": frame.original_headers}
    return {**known, "body": frame.body, **own}


class _FrameMixin:
    """The shape of `stomp.utils.Frame`, for a frame of a session that has `original_headers` besides."""

    __slots__ = ()
    body: Any
    headers: Any
    original_headers: Any
    cmd: Any = vars(CoreFrame)["command"]  # the same place, by the name that listeners know

    # Equal are those of the session that look alike; for a listener each is one of its own.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    __str__ = Frame.__str__

    def __reduce__(self) -> tuple[Any, ...]:
        return object.__new__, (type(self),), vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class BytesMessageFrame(_FrameMixin, ListenerMessage, Frame):  # type: ignore[misc]  # it can be hashed
    """A MESSAGE, its body as bytes.

    Attributes:
        cmd: "MESSAGE".
        headers: a dict; `on_before_message` may change it.
        body: bytes.
        original_headers: the headers as they came, whatever a listener did to `headers` since.
    """

    __slots__ = ()
    __dict__ = cast(Any, property(_attributes))  # of its own: a class with slots does not inherit it

    @property
    def original_headers(self) -> dict[str, Any]:
        return self.as_they_came()

    @original_headers.setter
    def original_headers(self, headers: dict[str, Any]) -> None:
        self.original = headers

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.subscription = None
        super().__setstate__(state)


class TextMessageFrame(BytesMessageFrame):
    """A MESSAGE, its body as text (UTF-8; what is no text is replaced)."""

    __slots__ = ()
    body_as_text = True


class ReceiptFrame(_FrameMixin, Receipt, Frame):  # type: ignore[misc]
    """A RECEIPT.

    Attributes:
        cmd: "RECEIPT".
        headers: a dict; listeners may change it.
        body: as that of a MESSAGE.
        original_headers: the headers as they came; whoever tells the listeners sets them.
    """

    __slots__ = ("original_headers",)
    __dict__ = cast(Any, property(_attributes))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.ticket = None
        super().__setstate__(state)
