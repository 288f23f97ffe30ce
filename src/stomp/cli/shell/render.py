"""Formats frames for output as stomp.py prints them, with colours on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stomp.cli.framework.terminal import clean
from stomp.cli.messages import body_text
from stomp.core.diagnostics import redacted

if TYPE_CHECKING:
    from stomp.cli.framework.terminal import Terminal

#: The headers of a message that are shown if not verbose.
_BRIEF_HEADERS = ("message-id", "subscription", "ack")


class Renderer:
    """Formats frames as text.

    Args:
        terminal: colours are used if its standard output supports them.
        verbose: show the command and all headers.
        spaced: write an empty line between the headers and the body, independent of `verbose`.
    """

    def __init__(self, terminal: Terminal, *, verbose: bool, spaced: bool) -> None:
        self._terminal = terminal
        self.verbose = verbose
        self._spaced = spaced

    def message(self, headers: Mapping[str, object], body: bytes | str) -> bytes:
        """A MESSAGE frame."""
        lines = ["", "MESSAGE"] if self.verbose else [""]
        return self._frame(lines, headers if self.verbose else self._brief(headers), body)

    def control_frame(self, command: str, headers: Mapping[str, object], body: bytes | str) -> bytes:
        """A CONNECTED, RECEIPT or ERROR frame; empty if not verbose."""
        return self._frame([command], headers, body) if self.verbose else b""

    def sent_frame(self, command: str, headers: Mapping[str, object], body: object) -> str:
        """A sent frame, on one line, with passwords masked."""
        return f"Sending {{cmd={command},headers=[{redacted(headers)}],body={body!s}}}"

    def _frame(self, lines: list[str], headers: Mapping[str, object], body: bytes | str) -> bytes:
        formatted = [self._strong(line) for line in lines]
        formatted += [self._header(name, value) for name, value in headers.items()]
        if self._spaced:
            formatted.append("")
        head = "".join(f"{line}\n" for line in formatted).encode("utf-8", "surrogateescape")
        return head + self._body(body) + b"\n"

    def _brief(self, headers: Mapping[str, object]) -> dict[str, object]:
        # At the prompt there may be several subscriptions. Without a terminal, the lines are those of stomp.py.
        at_prompt = self._spaced and self._terminal.is_terminal(self._terminal.out)
        names = ("destination", *_BRIEF_HEADERS) if at_prompt else _BRIEF_HEADERS
        return {name: headers[name] for name in names if name in headers}

    def _strong(self, line: str) -> str:
        return self._terminal.styled(line, "strong", self._terminal.out)

    def _header(self, name: str, value: object) -> str:
        # STOMP 1.1 can escape a line end in a header. The rest must not look like another header, not even in a pipe.
        name, text = clean(name, lines=False), clean(str(value), lines=False)
        return f"{self._terminal.styled(name, 'name', self._terminal.out)}: {text}"

    def _body(self, body: bytes | str) -> bytes:
        data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body)
        terminal = self._terminal
        if not terminal.is_terminal(terminal.out):
            return data
        text = clean(body_text.cut(data, body_text.TERMINAL_LIMIT))
        if terminal.has_colour(terminal.out):
            text = body_text.coloured(text)
        return text.encode("utf-8", "surrogateescape")
