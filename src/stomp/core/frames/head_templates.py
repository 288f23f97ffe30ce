"""Templates of heads: brokers send the same header names in the same order, and mostly the same values.

A template is a command and a list of header names, with the values that have been constant so far, compiled into one
pattern. A head that matches it is parsed in one step. A head that does not match completely is read by the general path
of the decoder, and then updates its template: values that differ become variable.

Rule of this file: the number and size of templates that a peer can make us store and compile is limited.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from stomp.core.errors import RemoteProtocolError
from stomp.core.frames.commands import CLIENT_COMMANDS
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import UNESCAPED, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The maximum number of templates, and the maximum total size of their heads in bytes.
_MAX_TEMPLATES = 32
_MAX_BYTES = 128 * 1024
#: The maximum size in bytes of a head that is read by a template. It is limited because a template stores the latest
#: value of each variable.
LONGEST: Final = 64 * 1024
#: After this number of updates all values of a template become variable.
_CHANGES = 4
#: The maximum size of a pattern in bytes; a longer fixed suffix than `_TAIL` is compared instead of compiled.
_PATTERN = 4096
_TAIL = 256
_new = Frame.__new__
_NOTHING: Final = re.compile(rb"(?!)").match
#: The commands for which templates are made. Their headers are escaped, which `HeadTemplate.read` relies on.
_USUAL: Final = CLIENT_COMMANDS - UNESCAPED | {"MESSAGE", "RECEIPT", "ERROR"}


class HeadTemplate:
    """A template of heads with the same command and header names.

    Args:
        command: the command.
        lines: the header lines of the first such head, as on the wire.
        headers: the headers of that head, without repeated names.
        make: the class of the frames.

    Attributes:
        command: the command.
        headers: all names in order, with the constant value or the latest value of each.
        variable_names: the names of the headers whose values change.
        make: the class of the frames.
        slot_defaults: default values of the further slots of `make`; None if it has to be called. See `Frame`.
        match: matches a head at its beginning; the groups are the variable values, as on the wire.
        fixed_suffix: a long fixed suffix that must follow the match. Comparing it is faster than compiling it.
    """

    __slots__ = (
        "_changes",
        "_lines",
        "command",
        "fixed_suffix",
        "headers",
        "make",
        "match",
        "slot_defaults",
        "variable_names",
    )

    def __init__(self, command: str, lines: list[str], headers: Headers, make: type[Frame]) -> None:
        self.command: str = command
        # A plain dict: copying it is faster than copying a subclass, which is done item by item.
        self.headers: dict[str, str] = dict(headers)
        self.make: type[Frame] = make
        self.slot_defaults: dict[str, Any] | None = slot_defaults_of(make)
        self.variable_names: tuple[str, ...] = ()
        self.fixed_suffix: bytes = b""
        self.match = (
            _NOTHING  # compiled by the first `update`: compiling costs as much as parsing dozens of heads
        )
        self._lines: list[str | None] = [*lines]  # None for a variable value
        self._changes = 0

    def update(self, lines: list[str]) -> None:
        """Make the values variable in which another head of this template differs."""
        lines_now = [
            line if line == before else None for before, line in zip(self._lines, lines, strict=True)
        ]
        if self._changes and lines_now == self._lines:
            return  # the values match: the head did not match for another reason
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
        self.fixed_suffix = fixed_parts.pop() if len(fixed_parts[-1]) > _TAIL else b""
        # Possessive quantifiers: a head that does not match fails without backtracking.
        pattern = b"(.*+)".join(map(re.escape, fixed_parts)) + (
            b"(.*+)" if self.fixed_suffix and variable_names else b""
        )
        self.match = re.compile(pattern).match if len(pattern) < _PATTERN else _NOTHING
        self.variable_names = tuple(variable_names)

    def matches(self, data: bytes, pos: int, stop: int) -> bool:
        """True if the head at `pos` matches."""
        found = self.match(data, pos, stop)
        return found is not None and data.startswith(self.fixed_suffix, found.end())

    def read(self, found: re.Match[bytes], version: Version) -> Headers | None:
        """Return the headers of the matched head; None if the general path has to read it (CR, NUL, invalid UTF-8)."""
        values = found.groups()
        if values:
            try:
                text = values[0].decode() if len(values) == 1 else b"\0".join(values).decode()
                if "\r" in text:
                    return None
                if "\\" in text:
                    # All values at once, separated by NULs: no value may contain a NUL, and unescaping makes none.
                    text = version.unescape(text)
            except (UnicodeDecodeError, RemoteProtocolError):
                return None  # the general path raises the error, or tolerates it
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
        """Make a frame of this template."""
        make, defaults = self.make, self.slot_defaults
        if defaults is None:
            return make(self.command, headers, body)
        # The same as calling the class, in half of the time.
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
    """The templates of one decoder.

    Args:
        classes: command -> the subclass of `Frame` to make.
        default: the class for all other commands.
        scanner: the scanner of the native codec, to which the templates are added, too; or None.

    Attributes:
        latest: the template to try first.
    """

    def __init__(self, classes: Mapping[str, type[Frame]], default: type[Frame], scanner: Any = None) -> None:
        self._classes = classes
        self._default = default
        self._scanner = scanner
        self._known: dict[tuple[str, ...], HeadTemplate] = {}
        self._bytes_left = _MAX_BYTES
        self.latest: HeadTemplate = HeadTemplate("", [], Headers(), default)  # which matches nothing

    def find(self, data: bytes, pos: int, stop: int) -> HeadTemplate | None:
        """Find the template that matches the head at `pos`, and make it `latest`; None if there is none."""
        for template in self._known.values():
            if template.matches(data, pos, stop):
                self.latest = template
                return template
        return None

    def add(self, command: str, lines: list[str], headers: Headers, size: int) -> None:
        """Add or update the template for a head that the general path has read."""
        if command not in _USUAL:
            return
        names = tuple([line.partition(":")[0] for line in lines])
        # A repeated or escaped name: the lines do not correspond to the headers.
        if names != tuple(headers):
            return
        key = (command, *names)
        template = self._known.get(key)
        if template is not None:
            template.update(lines)
            self.latest = template
        elif len(self._known) < _MAX_TEMPLATES and size <= self._bytes_left:
            self._bytes_left -= size
            make = self._classes.get(command, self._default)
            self._known[key] = template = HeadTemplate(command, lines, headers, make)
            if self._scanner is not None:
                head = "\n".join((command, *lines, "", "")).encode()
                self._scanner.learn(head, headers, make, template.slot_defaults, make.body_as_text)


def slot_defaults_of(make: type[Frame]) -> dict[str, Any] | None:
    """Default values of the slots that `__init__` sets besides command, headers and body.

    Returns:
        None if the class has to be called: the class that defines `__init__` does not define `slot_defaults`.
    """
    maker = next(cls for cls in make.__mro__ if "__init__" in vars(cls))
    defaults: dict[str, Any] | None = vars(maker).get("slot_defaults")
    return defaults
