"""Parser of the head of a frame: command line and header lines (STOMP 1.2, "STOMP Frames", "Augmented BNF").

Rules of this file:

- A head is parsed as a whole, so the result does not depend on where the input is split.
- A strict parser rejects every violation. A lenient parser rejects only those that leave the end of the frame in doubt.
  ``docs/reference/leniency.md`` lists what it does for each rule. It reports each rule once.
"""

from __future__ import annotations

import re

from stomp.core.errors import LimitExceeded, RemoteProtocolError
from stomp.core.frames.body_buffer import BodyBuffer
from stomp.core.frames.foreign_protocols import EXAMINED_BYTES
from stomp.core.frames.frame import Headers
from stomp.core.frames.limits import STRICT, TRIM, Leniency, Limits
from stomp.core.frames.versions import UNESCAPED, Version

#: Patterns of a command line without its LF: for versions that end lines with LF only, for those that also allow CR LF,
#: and for a lenient parser, which allows blanks after the command. No command has more than 40 letters.
_LF_LINE = re.compile(rb"[A-Za-z]{1,40}")
_CRLF_LINE = re.compile(rb"[A-Za-z]{1,40}\r?")
_LENIENT_LINE = re.compile(rb"[A-Za-z]{1,40}[ \t]{0,20}\r?")
#: A number in the formats that Java and C++ programs may produce.
_ODD_LENGTH = re.compile(r"[ \t\r]*\+?([0-9]+)[ \t\r]*")
#: The maximum number of characters of a header value in a note.
_SHOWN = 60


class Head:
    """A parsed head, and the buffer of its body.

    Attributes:
        command: the command.
        headers: the headers.
        length: the number in content-length; None if the body ends at the first NUL.
        size: the size of the head in bytes.
        body: the buffer of an incomplete body of known length; else None.
        lines: the header lines, from which a `HeadTemplate` can be made.
        fault: the error to raise after the frame was delivered, or None: see `Heads.salvage`.
    """

    __slots__ = ("body", "command", "fault", "headers", "length", "lines", "size")

    def __init__(self, command: str, headers: Headers, length: int | None, size: int) -> None:
        self.command: str = command
        self.headers: Headers = headers
        self.length: int | None = length
        self.size: int = size
        self.body: BodyBuffer | None = None
        self.lines: list[str] = []
        self.fault: RemoteProtocolError | None = None


class Heads:
    """Parses the heads of one connection.

    Args:
        limits: limits on what a peer can make us store.
        leniency: which violations are tolerated.

    Attributes:
        notes: texts for the log about violations that were tolerated, one per rule. The caller clears it.
    """

    def __init__(self, limits: Limits, leniency: Leniency) -> None:
        self._limits = limits
        self._lenient = leniency is not STRICT
        self._trim = leniency is TRIM
        self._noted: set[str] = set()
        self._latest: list[str] = []  # notes about the current head
        self.notes: list[str] = []

    def check_command(self, data: bytes | bytearray, pos: int, version: Version | None) -> None:
        """Check the command line as soon as bytes of it arrive: a peer of another protocol may wait for an answer.

        Args:
            data: contains the beginning of a head, as far as it has arrived, at `pos`.
            pos: the position in `data`.
            version: the agreed version, or None.

        Raises:
            RemoteProtocolError: it is not STOMP. The message contains the bytes up to the first invalid one, so it does
                not depend on how many have arrived.
            LimitExceeded: see `check_open`.
        """
        # Before a version is agreed on CR LF is allowed, because a CONNECT of 1.2 may have it.
        crlf = version is None or version.crlf
        line = _LENIENT_LINE if self._lenient else _CRLF_LINE if crlf else _LF_LINE
        found = line.match(data, pos)
        end = found.end() if found is not None else pos
        if end == len(data) or (found is not None and data[end] == 10):
            return
        if data[pos:] != b"\r":  # a CR alone may become a heart-beat
            # The limit is checked first: if bytes arrive one by one it is exceeded before the first invalid byte.
            self.check_open(end - pos)
            text = data[pos : end + 1].decode(errors="replace")
            first = bytes(data[pos : pos + EXAMINED_BYTES])
            raise RemoteProtocolError(f"{text!r} is not a STOMP command", received=first)

    def check_open(self, size: int) -> None:
        """Check the size of an incomplete head.

        Raises:
            LimitExceeded: it is larger than the limit, whatever follows.
        """
        # `size` may include up to 2 bytes of the empty line: the result must not depend on where the input is split.
        if size > self._limits.head + 2:
            raise LimitExceeded(f"the head of a frame is longer than {self._limits.head} bytes", limit="head")

    def read(self, raw: bytes, version: Version | None) -> Head:
        """Parse a head without the empty line after it. Call `check_command` first.

        Raises:
            RemoteProtocolError: a violation that is not tolerated.
            LimitExceeded: it is larger than the limits allow.
        """
        self._check_size(raw)
        replaced = False
        try:
            text = raw.decode()
        except UnicodeDecodeError as err:
            if not self._lenient:
                raise RemoteProtocolError(
                    f"a header is not UTF-8: {err.reason} at byte {err.start}"
                ) from None
            text, replaced = raw.decode(errors="replace"), True
        command, *lines = text.split("\n")
        headers = None if self._trim or "\\" in text or "\r" in text else _plain_headers(lines)
        if self._lenient:
            # STOMP 1.2, "Augmented BNF": commands are upper-case. No two of them differ only in case.
            command, lines = self._lenient_lines(command, lines, version)
        if headers is None:
            if version is None or version.crlf:
                command = command.removesuffix("\r")
                lines = [line.removesuffix("\r") for line in lines]
            pairs = [self._pair(line, version if command not in UNESCAPED else None) for line in lines]
            headers = Headers.of([pair for pair in pairs if pair is not None])
        if replaced:
            headers.raw_head = raw
            self._note(
                "a header is not UTF-8: U+FFFD stands for what cannot be decoded; raw_head has the original bytes"
            )
        head = Head(command, headers, None, len(raw))
        head.lines = lines
        try:
            head.length = self._content_length(headers)
            if head.length is not None:
                self.check_declared(head.length, head.size)
        except RemoteProtocolError as err:
            self.salvage(head, err)
        if self._latest:
            which = _name_of(head)
            self.notes += [f"{which}: {text}" for text in self._latest]
            self._latest.clear()
        return head

    def _check_size(self, raw: bytes) -> None:
        limits = self._limits
        if len(raw) > limits.head:
            raise LimitExceeded(f"the head of a frame is longer than {limits.head} bytes", limit="head")
        if raw.count(b"\n") > limits.headers:
            raise LimitExceeded(f"a frame has more than {limits.headers} headers", limit="headers")
        if len(raw) > limits.header_line and max(map(len, raw.split(b"\n"))) > limits.header_line:
            raise LimitExceeded(
                f"a header line is longer than {limits.header_line} bytes", limit="header_line"
            )

    def _lenient_lines(
        self, command: str, lines: list[str], version: Version | None
    ) -> tuple[str, list[str]]:
        if command.isalpha() and command.isupper():
            return command, lines
        if command.endswith("\r") and version is not None and not version.crlf:
            # STOMP 1.0 and 1.1 end lines with LF. If only a header line ends with CR, the CR is part of the value.
            lines = [line.removesuffix("\r") for line in lines]
            self._note("lines end with CR LF, which STOMP {} does not allow", version.number)
        word = command.rstrip().upper()
        if word != command.removesuffix("\r"):
            self._note("the command {!r} was read as {}", command, word)
        return word, lines

    def _pair(self, line: str, version: Version | None) -> tuple[str, str] | None:
        """Return name and value of a header line, unescaped if there is a version; None to ignore the line."""
        name, colon, value = line.partition(":")
        if not colon:
            if not self._lenient:
                raise RemoteProtocolError("a header line has no colon")
            self._note("a header line of {} characters has no colon and was ignored", len(line))
            return None
        if self._trim:
            name, value = name.strip(), value.strip()
        if version is not None and "\\" in line:
            name = self._unescaped(name, version)
            value = self._unescaped(value, version)
        if not name:
            if not self._lenient:
                raise RemoteProtocolError("a header has an empty name")
            self._note("a header has an empty name and was ignored")
            return None
        return name, value

    def _unescaped(self, text: str, version: Version) -> str:
        try:
            return version.unescape(text)
        except RemoteProtocolError as err:
            if not self._lenient:
                raise
            # STOMP 1.2, "Value Encoding", calls it a fatal error, but it leaves no doubt about the end of the frame.
            self._note("{}: it was kept as it is", err.message)
            return version.unescape(text, keep_undefined=True)

    def salvage(self, head: Head, fault: RemoteProtocolError) -> None:
        """Raise `fault` because the end of the frame is in doubt; for an ERROR store it, to be raised after delivery.

        The user needs the text of the ERROR, and it is the last frame anyway (STOMP 1.2, "ERROR"). So a lenient parser
        lets it end at the next NUL.
        """
        if head.command != "ERROR" or not self._lenient:
            raise fault
        head.length, head.fault = None, fault

    def _content_length(self, headers: Headers) -> int | None:
        texts = headers.all("content-length")
        if not texts:
            return None
        if len(texts) > 1 and not self._lenient:
            raise RemoteProtocolError("content-length is given more than once")
        if len(set(texts)) > 1:
            # STOMP 1.2, "Repeated Header Entries": the first one is used. A missing NUL after the body shows if it is
            # wrong.
            self._note("content-length is given more than once: the first one counts")
        return self.length(texts[0])

    def length(self, text: str) -> int:
        """Parse a content-length.

        Raises:
            RemoteProtocolError: it is not a number.
            LimitExceeded: it has more than 18 digits.
        """
        if not (text.isascii() and text.isdigit()):
            odd = _ODD_LENGTH.fullmatch(text) if self._lenient else None
            if odd is None:
                raise RemoteProtocolError(f"content-length {text[:40]!r} is not a number")
            self._note("content-length {!r} is not written as a plain number", text[:40])
            text = odd[1]
        if len(text) > 18:
            raise LimitExceeded("content-length has more than 18 digits", limit="body")
        return int(text)

    def check_declared(self, length: int, head_size: int) -> None:
        """Check the size of a body of known length.

        Raises:
            LimitExceeded: it is larger than the limits allow.
        """
        if length > self._limits.body:
            raise LimitExceeded(f"a body is larger than {self._limits.body} bytes", limit="body")
        self.check_arrived(length, head_size)

    def check_arrived(self, length: int, head_size: int) -> None:
        """Check the size of a body of which `length` bytes have arrived and whose end is unknown.

        If two limits are exceeded, the error names the one that a body of growing size exceeds first. So the error does
        not depend on how many bytes arrive at once.

        Raises:
            LimitExceeded: it is larger than the limits allow.
        """
        limits = self._limits
        if length > limits.body and limits.body <= limits.frame - head_size:
            raise LimitExceeded(f"a body is larger than {limits.body} bytes", limit="body")
        if length > limits.frame - head_size:
            raise LimitExceeded(f"a frame is larger than {limits.frame} bytes", limit="frame")

    def _note(self, text: str, *values: object) -> None:
        """Add a note about a violation, once for each `text`: a broken peer must not fill the log."""
        if text not in self._noted:
            self._noted.add(text)
            self._latest.append(text.format(*values))


def _name_of(head: Head) -> str:
    """Return a description of the frame for the log."""
    for name in ("message-id", "receipt-id"):
        if name in head.headers:
            return f"{head.command[:20]} with {name} {head.headers[name][:_SHOWN]!r}"
    return head.command[:20]


def _plain_headers(lines: list[str]) -> Headers | None:
    """Fast path for lines without a backslash or CR. None if a line has no colon, or a name is empty or repeated."""
    try:
        headers = Headers([line.split(":", 1) for line in lines])
    except ValueError:  # a line has no colon
        return None
    return headers if len(headers) == len(lines) and "" not in headers else None
