"""Bytes to frames (STOMP 1.2, "STOMP Frames", "Augmented BNF").

Rules of this file:

- Bytes may be cut anywhere; the work is linear in their number.
- Every size that comes from the network is compared with `Limits` before memory is spent on it.
- The fast path only ever does what the careful path would have done; at the first surprise it hands over.
- Decoding is strict. Each exception made for brokers that break the rules is a member of `Leniency`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from stomp.core import codec
from stomp.core.body import Bodies, Body
from stomp.core.dialect import UNESCAPED, Dialect
from stomp.core.errors import LimitExceeded, RemoteProtocolError
from stomp.core.events import Shown
from stomp.core.foreign import LOOKED_AT
from stomp.core.frame import Frame, Headers
from stomp.core.layout import LONGEST, RUN, Layouts
from stomp.core.limits import STRICT, Leniency, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Eol:
    """One end-of-line between frames: a heart-beat (STOMP 1.2, "Heart-beating"). There is one, `EOL`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EOL"


EOL: Final = Eol()

_EOLS = re.compile(rb"(?:\r?\n)+")


def _skip_eols(data: bytes, pos: int) -> int:
    eols = _EOLS.match(data, pos)
    return eols.end() if eols else pos


def _plain_headers(lines: list[str]) -> Headers | None:
    """The headers in lines without a backslash or CR, at the speed of a copy; None where they want a careful look."""
    try:
        headers = Headers([line.split(":", 1) for line in lines])
    except ValueError:  # a line has no colon
        return None
    return headers if len(headers) == len(lines) and "" not in headers else None


#: No command is longer than this many bytes.
_COMMAND = 40
_BLANK_LINE = re.compile(rb"\n\r?\n")
_NUL = "NUL byte in the head of a frame, which ends with an empty line"


#: From this many missing bytes on, reading straight into the body saves more than the call for it costs.
_LARGE = 128 * 1024
#: Longer frames gain nothing by `Decoder.whole`.
_PLAIN = 4 * 1024
#: Up to this many bytes, a frame that was cut is put together and read as one, which is less work.
_SHORT = 32 * 1024


class _Head:
    """A parsed head whose body is still arriving: into `body` if its length is known."""

    __slots__ = ("body", "command", "headers", "length", "size")

    def __init__(self, command: str, headers: Headers, length: int | None, size: int) -> None:
        self.command = command
        self.headers = headers
        self.length = length
        self.size = size
        self.body: Body | None = None


class Decoder:
    """Turns received bytes into frames, however they are cut.

    Call `feed` with what was read, then `frames` until it returns an empty list. Until `dialect` is set, `frames`
    returns one frame at a time and reads it by the rules common to all versions, because the first frame
    decides how the next ones are to be read.

    Args:
        limits: what a peer may make us hold.
        dialect: the agreed version, or None before there is one.
        lenient: what to forgive.
        classes: the `Frame` subclass to make for a command, where it is not `Frame` itself.

    >>> from stomp.core.dialect import STOMP12
    >>> decoder = Decoder(dialect=STOMP12)
    >>> decoder.feed(b"RECEIPT\\nreceipt-id:1\\n\\n\\0\\n")
    >>> decoder.frames()
    [<Frame RECEIPT ['receipt-id'] 0 bytes>]
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        dialect: Dialect | None = None,
        lenient: Leniency = STRICT,
        classes: Mapping[str, type[Frame]] | None = None,
    ) -> None:
        self.limits: Limits = limits or Limits()
        self.dialect = dialect
        self.lenient = lenient
        self._classes = dict(classes or {})
        native = codec.native
        self._scanner = native.Scanner(Headers) if native is not None and not lenient else None
        self._layouts = Layouts(self._classes, Frame, self._scanner)
        head = min(self.limits.header_line, self.limits.head, LONGEST)
        # What a head, a body, and a body with any such head may have on the fast path: no limit is exceeded by less.
        self._most = head, self.limits.body, min(self.limits.body, self.limits.frame - head)
        # Up to this many bytes, a frame exceeds none at all.
        self._plain = 0 if lenient else min(_PLAIN, head, self.limits.body, self.limits.frame)
        self._data = b""  # fed, and looked at up to
        self._at = 0  # this place
        # The unfinished frame: its head, or once _head is set its body, or if _needed is set all of it.
        self._partial = bytearray()
        self._scanned = 0  # how much of an unfinished head was searched for its end
        self._needed = 0  # how many bytes an unfinished short frame has
        self._head: _Head | None = None
        self._bodies = Bodies()
        self._error: RemoteProtocolError | None = None

    def whole(self, data: bytes) -> Frame | None:
        """The frame that received bytes are, no more and no less, if that is a short one like one before.

        Whatever comes alone mostly is, and this takes a third of the steps. None if it is not so: `feed` them then.
        """
        dialect = self.dialect
        if len(data) > self._plain or dialect is None or not self.idle or data.find(0) < len(data) - 2:
            return None
        if self._scanner is None:
            return self._layouts.latest.whole(data, dialect)
        out: list[Frame] = []
        end = self._scanner.scan(data, 0, out, *self._most, dialect.codes)
        return out[0] if end == len(data) and len(out) == 1 else None

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if self._data:
            data = self._data[self._at :] + data
        self._data, self._at = data, 0

    @property
    def missing(self) -> int:
        """How many bytes of a large body are missing: `fill` may take them. 0 while there is none."""
        body = self._head.body if self._head is not None else None
        return body.left if body is not None and body.left >= _LARGE and not self._data else 0

    def fill(self, read: Callable[[memoryview], int]) -> int:
        """Have `read` put bytes of the body straight into place, in the place of `feed`.

        Args:
            read: is given the room there is, which is more than 0; returns how many bytes it has put there.

        Returns:
            what `read` returned.
        """
        body = self._head.body if self._head is not None else None
        assert body is not None
        with body.room() as room:
            count = read(room)
        body.left -= count
        return count

    @property
    def spare(self) -> bool:
        """True while memory is kept for the next large text."""
        return self._bodies.spare

    def relax(self) -> None:
        """Let go of it."""
        self._bodies.relax()

    @property
    def idle(self) -> bool:
        """True between frames, False while a frame has begun and not ended."""
        return not (self._data or self._partial or self._head)

    def frames(self) -> list[Frame | Eol]:
        """The frames (and EOLs between frames) that are complete now, in order; an empty list when there are none.

        Raises:
            RemoteProtocolError: the bytes are not STOMP. Frames before the offending one were returned first.
            LimitExceeded: the peer sent more than the limits allow.
        """
        if self._error is not None:
            raise self._error
        out: list[Frame | Eol] = []
        data, pos = self._data, self._at
        self._data, self._at = b"", 0
        if not data:
            return out
        try:
            if self._head is not None:
                pos = self._continue_body(self._head, data, out)
                if pos >= 0:
                    self._read(data, pos, out, fresh=False)
            elif self._needed:
                pos = self._continue_short(data, out)
                if pos < len(data):
                    self._read(data, pos, out, fresh=False)
            elif self._partial:
                # A CR alone was the first half of a heart-beat, cut in two.
                fresh = bytes(self._partial[:2]) == b"\r"
                joined = self._continue_head(data, whole=fresh)
                if joined:
                    self._read(joined, 0, out, fresh=fresh)
            else:
                self._read(data, pos, out, fresh=True)
        except RemoteProtocolError as err:
            self._error = err
            if not out:
                raise
        return out

    def _read(self, data: bytes, pos: int, out: list[Frame | Eol], *, fresh: bool) -> None:
        """Decode from a frame boundary at `pos`; what is left over waits in `_partial`."""
        start, pos = pos, _skip_eols(data, pos)
        # EOLs straight behind a frame are padding; those that a read begins with are heart-beats.
        if fresh and pos > start:
            out.extend([EOL] * data.count(b"\n", start, pos))
        if self.dialect is None:
            if pos < len(data):
                pos = _skip_eols(data, self._read_one(data, pos, out))
            if pos < len(data):
                # Not cut off: a peer that packs many frames into one read would have the rest copied for each.
                self._data, self._at = data, pos
            return
        while (pos := _skip_eols(data, pos)) < len(data):
            before = pos
            if not self.lenient:
                pos = self._read_fast(data, pos, out)
            if pos == before:
                pos = self._read_one(data, pos, out)

    def _read_fast(self, data: bytes, pos: int, out: list[Frame | Eol]) -> int:
        """Take frames whose heads have a layout that is known; return where it stopped."""
        dialect = self.dialect
        assert dialect is not None
        head_limit, body_limit, size_limit = self._most
        end = len(data)
        if self._scanner is not None:
            pos = self._scanner.scan(data, pos, out, *self._most, dialect.codes)
            if 0 < self._scanner.needed <= _SHORT:
                return self._keep_short(data, pos, self._scanner.needed)
        layouts = self._layouts
        layout = layouts.latest
        match, tail = layout.match, layout.tail
        told_before, length = "0", 0
        while pos < end:
            if layout.runs and end - pos >= RUN and (behind := layout.run(data, pos, head_limit, out)) > pos:
                pos = behind
                continue
            found = match(data, pos, pos + head_limit + 2)
            if found is None or (tail and not data.startswith(tail, found.end())):
                other = layouts.other(data, pos, pos + head_limit + 2)
                if other is None:
                    return pos
                layout, match, tail = other, other.match, other.tail
                continue
            start = found.end() + len(tail)
            size = start - 2 - pos
            if size > head_limit:
                return pos
            headers = layout.read(found, dialect)
            if headers is None:
                return pos
            told = headers.get("content-length")
            if told is None:
                stop = data.find(0, start, start + body_limit + 1)
                if stop < 0:
                    stop = end
            else:
                if told != told_before:
                    told_before, length = told, self._length(told)
                stop = start + length
            if stop - start > size_limit:
                self._check_body(stop - start, size)
            if stop >= end:
                if told is not None and stop + 1 - pos <= _SHORT:
                    return self._keep_short(data, pos, stop + 1 - pos)
                head = _Head(layout.command, headers, None if told is None else length, size)
                self._keep_body(head, data, start)
                return end
            if data[stop]:
                raise RemoteProtocolError("the frame does not end where its content-length says")
            out.append(layout.frame(headers, data[start:stop]))
            pos = stop + 1
            if pos < end and data[pos] == 10:
                pos += 1  # brokers write LF behind NUL
        return pos

    def _read_one(self, data: bytes, pos: int, out: list[Frame | Eol]) -> int:
        """Decode one frame that starts at `pos`, carefully; return the place behind it, or the end of the data."""
        blank = _BLANK_LINE.search(data, pos, pos + self.limits.head + 3)
        if blank is None:
            self._partial = bytearray(data[pos:])
            self._check_open_head()
            return len(data)
        head = self._parse_head(data[pos : blank.start()])
        start = blank.end()
        if head.length is None:
            end = data.find(0, start, start + self.limits.body + 1)
            if end < 0:
                end = len(data)
                self._keep_body(head, data, start)
                return end
        else:
            end = start + head.length
            if end >= len(data):
                self._keep_body(head, data, start)
                return len(data)
            if data[end]:
                raise RemoteProtocolError("the frame does not end where its content-length says")
        self._finish(head, data[start:end], out)
        return end + 1

    def _continue_head(self, data: bytes, *, whole: bool) -> bytes:
        """Add to an unfinished head; return all of it once its end is in (or `whole`), else nothing."""
        partial = self._partial
        partial += data
        if not whole and not _BLANK_LINE.search(partial, max(0, self._scanned - 2)):
            self._check_open_head()
            return b""
        joined = bytes(partial)
        self._partial = bytearray()
        self._scanned = 0
        return joined

    def _check_open_head(self) -> None:
        """Refuse what will be no head; note how far an unfinished one was searched."""
        if self._partial != b"\r":
            self._check_command(bytes(self._partial[:LOOKED_AT]))
        if self._partial.find(0, self._scanned, self.limits.head + 2) >= 0:
            # Whoever sent it takes the frame for complete, and would be waited for in vain.
            raise RemoteProtocolError(_NUL)
        self._scanned = len(self._partial)
        # The first bytes of the blank line may be in: a head is as long as it is, however it is cut.
        if len(self._partial) > self.limits.head + 2:
            raise LimitExceeded(f"the head of a frame is longer than {self.limits.head} bytes", limit="head")

    def _check_command(self, head: bytes) -> None:
        """Refuse what is not STOMP by its first bytes: a peer of another protocol may wait for our answer."""
        first = head[:LOOKED_AT]
        command = first[: _COMMAND + 2].partition(b"\n")[0]
        if self._crlf:
            command = command.removesuffix(b"\r")
        if not command.isalpha() or len(command) > _COMMAND:
            text = command.decode(errors="replace")
            raise RemoteProtocolError(f"{text!r} is not a STOMP command", received=first)

    @property
    def _crlf(self) -> bool:
        # Before a version is agreed on, CR LF is read as 1.2 would: its CONNECT may come that way.
        return self.dialect is None or self.dialect.crlf or Leniency.CRLF in self.lenient

    def _keep_short(self, data: bytes, pos: int, needed: int) -> int:
        """Keep what there is of a frame of `needed` bytes: it will be read when all of it is in."""
        with memoryview(data) as view, view[pos:] as rest:
            self._partial = bytearray(rest)
        self._needed = needed
        return len(data)

    def _continue_short(self, data: bytes, out: list[Frame | Eol]) -> int:
        """Add to an unfinished short frame, and read it once it is all there; return the place behind its end."""
        partial = self._partial
        pos = self._needed - len(partial)
        with memoryview(data) as view, view[:pos] as part:
            partial += part
        if len(partial) == self._needed:
            # It has begun until it has been read: see `idle`.
            self._read(bytes(partial), 0, out, fresh=False)
            self._partial = bytearray()
            self._needed = 0
        return pos

    def _keep_body(self, head: _Head, data: bytes, start: int) -> None:
        self._check_body(len(data) - start if head.length is None else head.length, head.size)
        self._head = head
        with memoryview(data) as view, view[start:] as body:
            if head.length is None:
                self._partial = bytearray(body)
            else:
                head.body = self._bodies.begin(head.length, text=self._is_text(head))
                head.body.write(body)

    def _is_text(self, head: _Head) -> bool:
        """True where the body is wanted as text: see `Shown`."""
        make = self._classes.get(head.command, Frame)
        return issubclass(make, Shown) and make.text

    def _check_body(self, length: int, head_size: int) -> None:
        if length > self.limits.body:
            raise LimitExceeded(f"a body is larger than {self.limits.body} bytes", limit="body")
        if length + head_size > self.limits.frame:
            raise LimitExceeded(f"a frame is larger than {self.limits.frame} bytes", limit="frame")

    def _continue_body(self, head: _Head, data: bytes, out: list[Frame | Eol]) -> int:
        """Add to an unfinished body; return the place behind its end, or -1 if that has not come."""
        if head.body is None:
            partial = self._partial
            pos = data.find(0)
            if pos < 0:
                partial += data
                self._check_body(len(partial), head.size)
                return -1
            partial += data[:pos]
            self._partial = bytearray()
            body = str(partial, "utf-8", "replace") if self._is_text(head) else bytes(partial)
        else:
            pos = head.body.left
            with memoryview(data) as view, view[:pos] as part:
                head.body.write(part)
            if len(data) <= pos:
                return -1
            if data[pos]:
                raise RemoteProtocolError("the frame does not end where its content-length says")
            body = head.body.content()
        self._head = None
        self._finish(head, body, out)
        return pos + 1

    def _finish(self, head: _Head, body: Any, out: list[Frame | Eol]) -> None:
        self._check_body(len(body), head.size)
        out.append(self._classes.get(head.command, Frame)(head.command, head.headers, body))

    # ------------------------------------------------------------------------------------------ heads

    def _parse_head(self, raw: bytes) -> _Head:
        limits = self.limits
        self._check_command(raw)
        if 0 in raw:
            raise RemoteProtocolError(_NUL)
        if len(raw) > limits.head:
            raise LimitExceeded(f"the head of a frame is longer than {limits.head} bytes", limit="head")
        if raw.count(b"\n") > limits.headers:
            raise LimitExceeded(f"a frame has more than {limits.headers} headers", limit="headers")
        if len(raw) > limits.header_line and max(map(len, raw.split(b"\n"))) > limits.header_line:
            raise LimitExceeded(
                f"a header line is longer than {limits.header_line} bytes", limit="header_line"
            )
        try:
            text = raw.decode()
        except UnicodeDecodeError as err:
            if Leniency.NOT_UTF8 not in self.lenient:
                raise RemoteProtocolError(
                    f"a header is not UTF-8: {err.reason} at byte {err.start}"
                ) from None
            text = raw.decode(errors="replace")
        command, *lines = text.split("\n")
        headers = None if self.lenient or "\\" in text or "\r" in text else _plain_headers(lines)
        if headers is None:
            if self._crlf:
                command = command.removesuffix("\r")
                lines = [line.removesuffix("\r") for line in lines]
            pairs = [self._parse_line(line, escaped=command not in UNESCAPED) for line in lines]
            headers = Headers.of([pair for pair in pairs if pair is not None])
        if self.dialect is not None:  # before there is one, values are not what they will be
            self._layouts.learn(command, lines, headers, len(raw))
        length = self._content_length(headers)
        if length is not None:
            self._check_body(length, len(raw))
        return _Head(command, headers, length, len(raw))

    def _parse_line(self, line: str, *, escaped: bool) -> tuple[str, str] | None:
        name, colon, value = line.partition(":")
        if not colon:
            if Leniency.NO_COLON in self.lenient:
                return None
            raise RemoteProtocolError("a header line has no colon")
        if Leniency.TRIM in self.lenient:
            name, value = name.strip(), value.strip()
        if escaped and self.dialect is not None and "\\" in line:
            keep = Leniency.UNDEFINED_ESCAPE in self.lenient
            name = self.dialect.unescape(name, keep_undefined=keep)
            value = self.dialect.unescape(value, keep_undefined=keep)
        if not name:
            raise RemoteProtocolError("a header has an empty name")
        return name, value

    def _content_length(self, headers: Headers) -> int | None:
        text = headers.get("content-length")
        if text is None:
            return None
        once = len(headers.all("content-length")) == 1
        if not once and Leniency.REPEATED_LENGTH not in self.lenient:
            raise RemoteProtocolError("content-length is given more than once")
        return self._length(text)

    @staticmethod
    def _length(text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise RemoteProtocolError(f"content-length {text[:40]!r} is not a number")
        if len(text) > 18:
            raise LimitExceeded("content-length has more than 18 digits", limit="body")
        return int(text)
