"""Heads seen before: brokers send the same header names in the same order, message after message.

A layout is a command and a list of header names, compiled into one pattern. A head that matches it is read in
one step, without looking at names again. Nothing is guessed: a head that does not match in full is read
carefully, and that teaches the layout for the next one.

Rules of this file: a layout is learned when it was seen twice, since compiling costs as much as reading a
hundred heads; what a peer can make us compile and remember is bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stomp.core.commands import CLIENT_COMMANDS
from stomp.core.dialect import UNESCAPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.frame import Frame, Headers

#: How many layouts are learned, and from heads of up to which size.
_LAYOUTS = 64
_SIZE = 4096
#: The commands worth it. Their headers are escaped, which readers of a match rely on.
_USUAL: Final = CLIENT_COMMANDS - UNESCAPED | {"MESSAGE", "RECEIPT", "ERROR"}


class Layout:
    """One layout.

    Attributes:
        command: the command.
        names: the header names, each once.
        match: matches the text of a whole head; its groups are the values, as they are on the wire.
        make: the class of frame to make.
    """

    __slots__ = ("command", "make", "match", "names")

    def __init__(self, command: str, names: tuple[str, ...], make: type[Frame]) -> None:
        # Possessive, so that a head that does not match is given up at once.
        lines = [re.escape(command), *(re.escape(name) + ":(.*+)" for name in names)]
        self.match = re.compile("\n".join(lines)).fullmatch
        self.command = command
        self.names = names
        self.make = make


class Layouts:
    """The layouts that one decoder has learned.

    Args:
        classes: the `Frame` subclass to make for a command.
        default: the class for all others.

    Attributes:
        latest: the layout to try first.
    """

    def __init__(self, classes: Mapping[str, type[Frame]], default: type[Frame]) -> None:
        self._classes = classes
        self._default = default
        self._known: dict[tuple[str, ...], Layout] = {}
        self._by_lines: dict[int, Layout] = {}
        self._seen: dict[int, tuple[str, ...]] = {}
        # No head that is looked at holds a NUL, so this matches nothing.
        self.latest = Layout("\0", (), default)

    def other(self, text: str) -> Layout | None:
        """The layout that `latest` should be for this head, if one is known that may fit."""
        return self._by_lines.get(text.count("\n"))

    def learn(self, command: str, lines: list[str], headers: Headers, size: int) -> None:
        """A head was read carefully; the next one of its kind need not be."""
        if command not in _USUAL or size > _SIZE:
            return
        names = tuple(line.partition(":")[0] for line in lines)
        # Names that came more than once, or escaped, are not what they look like.
        if names != tuple(headers):
            return
        key = (command, *names)
        layout = self._known.get(key)
        if layout is None:
            if self._seen.get(len(lines)) != key:
                if len(self._seen) < _LAYOUTS or len(lines) in self._seen:
                    self._seen[len(lines)] = key
                return
            if len(self._known) >= _LAYOUTS:
                return
            layout = Layout(command, names, self._classes.get(command, self._default))
            self._known[key] = layout
        self._by_lines[len(lines)] = self.latest = layout
