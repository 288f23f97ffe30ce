"""The frame classes of messages and receipts for listeners.

Rule of this file: the object that the session creates is passed to the listeners, without a conversion. So these
classes have the attributes of `stomp.utils.Frame`, too.
"""

from __future__ import annotations

from typing import Any, cast

from stomp.core.frames.frame import Frame as CoreFrame
from stomp.core.session.events import ListenerMessage, Receipt
from stomp.utils import Frame


def _attributes(frame: Any) -> dict[str, Any]:
    # For `vars(frame)`: these four attributes are stored in slots, not in a dictionary.
    own_attributes: dict[str, Any] = Frame.__dict__["__dict__"].__get__(frame)
    slots = {"cmd": frame.cmd, "headers": frame.headers, "original_headers": frame.original_headers}
    return {**slots, "body": frame.body, **own_attributes}


class _FrameMixin:
    """The attributes of `stomp.utils.Frame`, for a frame of a session that has `original_headers`, too."""

    __slots__ = ()
    body: Any
    headers: Any
    original_headers: Any
    cmd: Any = vars(CoreFrame)["command"]  # the same slot under the name of the listener API

    # Frames of a session are compared by value; frames for listeners by identity, as in stomp.py.
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
    """A MESSAGE with its body as bytes.

    Attributes:
        cmd: "MESSAGE".
        headers: a dict; `on_before_message` may change it.
        body: bytes.
        original_headers: the headers as received, without later changes by listeners.
    """

    __slots__ = ()
    __dict__ = cast(Any, property(_attributes))  # per class: a class with slots does not inherit it

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
    """A MESSAGE with its body as text (UTF-8; invalid bytes are replaced)."""

    __slots__ = ()
    body_as_text = True


class ReceiptFrame(_FrameMixin, Receipt, Frame):  # type: ignore[misc]
    """A RECEIPT.

    Attributes:
        cmd: "RECEIPT".
        headers: a dict; listeners may change it.
        body: text or bytes, as for a MESSAGE.
        original_headers: the headers as received; set by `BaseTransport` before it calls the listeners.
    """

    __slots__ = ("original_headers",)
    __dict__ = cast(Any, property(_attributes))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.ticket = None
        super().__setstate__(state)
