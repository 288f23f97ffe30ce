"""Heads seen before: brokers send the same header names in the same order, and mostly the same values.

A layout is a command and a list of header names, with the values that never changed so far, compiled into one
pattern. A head that matches it is read in one step, without looking at names again. Nothing is guessed: a head
that does not match in full is read carefully, and teaches its layout what else changes.

Rule of this file: what a peer can make us remember, and compile, is bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from stomp.core.errors import RemoteProtocolError
from stomp.core.frames.commands import CLIENT_COMMANDS
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import UNESCAPED, Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How many layouts are remembered, and how many bytes their heads may have together.
_LAYOUTS = 32
_ROOM = 128 * 1024
#: Heads of more bytes are read carefully: of a value that changes the latest is remembered.
LONGEST: Final = 64 * 1024
#: How often a layout learns of values that change before all of its values are taken to change.
_CHANGES = 4
#: The longest pattern, and from how many bytes on its end is compared instead.
_PATTERN = 4096
_TAIL = 256
_new = Frame.__new__
_NOTHING: Final = re.compile(rb"(?!)").match
#: The commands worth it. Their headers are escaped, which readers of a layout rely on.
_USUAL: Final = CLIENT_COMMANDS - UNESCAPED | {"MESSAGE", "RECEIPT", "ERROR"}


class HeadTemplate:
    """One layout.

    Args:
        command: the command.
        lines: the header lines of the first head that has it, as they are on the wire.
        headers: the headers of that head; each of its names comes once.
        make: the class of frame to make.

    Attributes:
        command: the command.
        headers: every name, in order, with its value, or the latest one where that changes.
        varying: the names of the others.
        make: the class of frame to make.
        slot_defaults: what to set the further slots of `make` to; None if it has to be called. See `Frame`.
        match: matches a head where it begins; the groups are the values that change, as they are on the wire.
        tail: what must follow the match, if that is too long to be compiled: comparing is faster then, too.
    """

    __slots__ = (
        "_changes",
        "_lines",
        "command",
        "headers",
        "make",
        "match",
        "slot_defaults",
        "tail",
        "variable_names",
    )

    def __init__(self, command: str, lines: list[str], headers: Headers, make: type[Frame]) -> None:
        self.command: str = command
        # Others are copied from a plain dictionary at once, and from any other one item by item.
        self.headers: dict[str, str] = dict(headers)
        self.make: type[Frame] = make
        self.slot_defaults: dict[str, Any] | None = slot_defaults_of(make)
        self.variable_names: tuple[str, ...] = ()
        self.tail: bytes = b""
        self.match = (
            _NOTHING  # until it was seen twice, since compiling costs as much as reading dozens of heads
        )
        self._lines: list[str | None] = [*lines]  # None for a value that changes
        self._changes = 0

    def update(self, lines: list[str]) -> None:
        """Another head of this layout was read: the values in which it differs do change."""
        lines_now = [
            line if line == before else None for before, line in zip(self._lines, lines, strict=True)
        ]
        if self._changes and lines_now == self._lines:
            return  # it was something else that did not match
        self._changes += 1
        self._lines = lines_now if self._changes < _CHANGES else [None for _ in lines]
        self._compile()

    def _compile(self) -> None:
        variable_names: list[str] = []
        pieces = [self.command]
        for name, line in zip(self.headers, self._lines, strict=True):
            if line is None:
                variable_names.append(name)
                pieces[-1] += f"\n{name}:"
                pieces.append("")
            else:
                pieces[-1] += f"\n{line}"
        pieces[-1] += "\n\n"
        fixed_parts = [piece.encode() for piece in pieces]
        self.tail = fixed_parts.pop() if len(fixed_parts[-1]) > _TAIL else b""
        # Possessive, so that a head that does not match is given up at once.
        pattern = b"(.*+)".join(map(re.escape, fixed_parts)) + (
            b"(.*+)" if self.tail and variable_names else b""
        )
        self.match = re.compile(pattern).match if len(pattern) < _PATTERN else _NOTHING
        self.variable_names = tuple(variable_names)

    def matches(self, data: bytes, pos: int, stop: int) -> bool:
        """True if the head at `pos` has this layout."""
        found = self.match(data, pos, stop)
        return found is not None and data.startswith(self.tail, found.end())

    def read(self, found: re.Match[bytes], dialect: Dialect) -> Headers | None:
        """The headers of the head that was matched; None if there is something in it that wants care."""
        values = found.groups()
        if values:
            try:
                text = values[0].decode() if len(values) == 1 else b"\0".join(values).decode()
                if "\r" in text:
                    return None
                if "\\" in text:
                    # All at once: no value may hold a NUL, and unescaping makes none.
                    text = dialect.unescape(text)
            except (UnicodeDecodeError, RemoteProtocolError):
                return None  # the careful path tells what it is
            if len(values) == 1:
                if "\0" in text:
                    return None
                self.headers[self.variable_names[0]] = text
            else:
                texts = text.split("\0")
                if len(texts) != len(values):
                    return None
                self.headers.update(zip(self.variable_names, texts, strict=True))
        return Headers(self.headers)

    def frame(self, headers: Headers, body: bytes) -> Frame:
        """A frame of this layout."""
        make, defaults = self.make, self.slot_defaults
        if defaults is None:
            return make(self.command, headers, body)
        # The same as calling it, in half of the time.
        frame: Any = _new(make)
        frame.command = self.command
        frame.headers = headers
        frame.body = body
        for name, value in defaults.items():
            setattr(frame, name, value)
        if make.keeps_original:
            frame.original = headers.copy()
        made: Frame = frame
        return made


class HeadTemplates:
    """The layouts that one decoder has learned.

    Args:
        classes: the `Frame` subclass to make for a command.
        default: the class for all others.
        scanner: the one of the native codec, which is to learn the same ones.

    Attributes:
        latest: the layout to try first.
    """

    def __init__(self, classes: Mapping[str, type[Frame]], default: type[Frame], scanner: Any = None) -> None:
        self._classes = classes
        self._default = default
        self._scanner = scanner
        self._known: dict[tuple[str, ...], HeadTemplate] = {}
        self._room = _ROOM
        # No frame begins with a NUL.
        self.latest: HeadTemplate = HeadTemplate("\0", [], Headers(), default)

    def other(self, data: bytes, pos: int, stop: int) -> HeadTemplate | None:
        """The layout that `latest` should be for the head at `pos`, if one is known that fits."""
        for layout in self._known.values():
            if layout.matches(data, pos, stop):
                self.latest = layout
                return layout
        return None

    def learn(self, command: str, lines: list[str], headers: Headers, size: int) -> None:
        """A head was read carefully; the next one of its kind need not be."""
        if command not in _USUAL:
            return
        names = tuple([line.partition(":")[0] for line in lines])
        # Names that came more than once, or escaped, are not what they look like.
        if names != tuple(headers):
            return
        key = (command, *names)
        layout = self._known.get(key)
        if layout is not None:
            layout.update(lines)
            self.latest = layout
        elif len(self._known) < _LAYOUTS and size <= self._room:
            self._room -= size
            make = self._classes.get(command, self._default)
            self._known[key] = layout = HeadTemplate(command, lines, headers, make)
            if self._scanner is not None:
                head = "\n".join((command, *lines, "", "")).encode()
                self._scanner.learn(head, headers, make, layout.slot_defaults, make.body_as_text)


def slot_defaults_of(make: type[Frame]) -> dict[str, Any] | None:
    """Default values of the slots that `__init__` sets besides command, headers and body.

    Returns:
        None if the class has to be called: the class that defines `__init__` does not define `slot_defaults`.
    """
    maker = next(cls for cls in make.__mro__ if "__init__" in vars(cls))
    defaults: dict[str, Any] | None = vars(maker).get("slot_defaults")
    return defaults
