"""Bytes to frames (STOMP 1.2, "STOMP Frames", "Augmented BNF").

Rules of this file:

- Bytes may be cut anywhere; the work is linear in their number.
- Every size that comes from the network is compared with `Limits` before memory is spent on it.
- Frames, and the error that ends them, do not depend on how the bytes are cut.
- The fast path only does what the general path would have done, and raises nothing: at the first surprise it leaves
  the frame to the general path. What is tolerated of broken frames is decided there, see
  `stomp.core.frames.head_parser`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from stomp.core.errors import RemoteProtocolError
from stomp.core.frames import native as native_codec
from stomp.core.frames.body_buffer import BodyBufferPool
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.head_parser import Head, Heads
from stomp.core.frames.head_templates import LONGEST, HeadTemplates
from stomp.core.frames.limits import STRICT, TRIM, Leniency, Lenient, Limits
from stomp.core.frames.versions import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class HeartbeatMarker:
    """One end-of-line between frames: a heart-beat (STOMP 1.2, "Heart-beating"). There is one, `HEARTBEAT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "HEARTBEAT"


HEARTBEAT: Final = HeartbeatMarker()

#: What may stand between frames (STOMP 1.2, "Augmented BNF"): EOLs, and for a lenient decoder more NULs.
_EOLS = re.compile(rb"(?:\r?\n)+")
_EOLS_AND_NULS = re.compile(rb"(?:\r?\n|\0)+")
_BLANK_LINE = re.compile(rb"\n\r?\n")

_WRONG_LENGTH = "the frame does not end where its content-length says"
#: From this many missing bytes on, reading straight into the body saves more than the call for it costs.
_LARGE = 128 * 1024
#: Up to this many bytes, a frame that was cut is put together and read as one, which is less work.
_SHORT = 32 * 1024


class Decoder:
    """Turns received bytes into frames, however they are cut.

    Call `feed` with what was read, then `frames` until it returns an empty list. Until `dialect` is set, `frames`
    returns one frame at a time and reads it by the rules common to all versions, because the first frame
    decides how the next ones are to be read.

    Args:
        limits: what a peer may make us hold.
        dialect: the agreed version, or None before there is one.
        lenient: how broken rules are taken, see `stomp.core.frames.limits.Leniency`.
        classes: the `Frame` subclass to make for a command, where it is not `Frame` itself.

    Attributes:
        notes: what was tolerated of broken frames, in words, each kind once: for the log. Clear it when it was read.

    >>> from stomp.core.frames.versions import STOMP12
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
        lenient: Lenient = STRICT,
        classes: Mapping[str, type[Frame]] | None = None,
    ) -> None:
        self.limits: Limits = limits or Limits()
        self.dialect = dialect
        self.lenient: Leniency = Leniency.of(lenient)
        self._heads = Heads(self.limits, self.lenient)
        self.notes: list[str] = self._heads.notes
        self._classes = dict(classes or {})
        native = native_codec.native
        self._scanner = native.Scanner(Headers) if native is not None else None
        self._layouts = HeadTemplates(self._classes, Frame, self._scanner)
        head = min(self.limits.header_line, self.limits.head, LONGEST)
        # What a head, a body, and a body with any such head may have on the fast path: no limit is exceeded by less.
        self._most = head, self.limits.body, min(self.limits.body, self.limits.frame - head)
        self._between = _EOLS if self.lenient is STRICT else _EOLS_AND_NULS
        self._data = b""  # fed, and looked at up to
        self._at = 0  # this place
        # The unfinished frame: its head, or once _head is set its body, or if _needed is set all of it.
        self._partial = bytearray()
        self._scanned = 0  # how much of an unfinished head was searched for its end
        self._needed = 0  # how many bytes an unfinished short frame has
        self._head: Head | None = None
        self._bodies = BodyBufferPool()
        self._error: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if self._data:
            data = self._data[self._at :] + data
        self._data, self._at = data, 0

    @property
    def missing(self) -> int:
        """How many bytes of a large body are missing: `read_into` may take them. 0 while there is none."""
        body = self._head.body if self._head is not None else None
        return body.left if body is not None and body.left >= _LARGE and not self._data else 0

    def read_into(self, read: Callable[[memoryview], int]) -> int:
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
        """True between frames, False while a frame has begun and not ended, and after an error."""
        return not (self._data or self._partial or self._head or self._error)

    def unfinished_error(self) -> Frame | None:
        """The ERROR that has begun and not ended, with what has arrived of its body. Call it when no more will come.

        A content-length that is too large would hide what the broker says. None for any other frame, and for a
        strict decoder.
        """
        if self.lenient is STRICT or self._error is not None:
            return None
        if self._needed:
            data, self._needed = bytes(self._partial), 0
            self._read_general(data, 0, [])
        head = self._head
        if head is None or head.command != "ERROR":
            return None
        self._head = None
        body = bytes(self._partial) if head.body is None else head.body.arrived()
        self._partial = bytearray()
        return self._frame(head, body.partition(b"\0")[0])

    def frames(self) -> list[Frame | HeartbeatMarker]:
        """The frames (and EOLs between frames) that are complete now, in order; an empty list when there are none.

        Raises:
            RemoteProtocolError: the bytes are not STOMP. Frames before the offending one were returned first.
            LimitExceeded: the peer sent more than the limits allow.
        """
        if self._error is not None:
            raise self._error
        out: list[Frame | HeartbeatMarker] = []
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
                data, pos = self._resume_partial(data, out)
                if 0 <= pos < len(data):
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

    def _skip(self, data: bytes, pos: int) -> int:
        """The place behind what may stand between frames."""
        # The first bytes of a peer tell whether it speaks STOMP: none of them are skipped.
        found = (_EOLS if self.dialect is None else self._between).match(data, pos)
        return found.end() if found is not None else pos

    def _read(self, data: bytes, pos: int, out: list[Frame | HeartbeatMarker], *, fresh: bool) -> None:
        """Decode from a frame boundary at `pos`; what is left over waits in `_partial`."""
        start, end = pos, len(data)
        if pos < end and data[pos] < 14:
            pos = self._skip(data, pos)
        # EOLs straight behind a frame are padding; those that a read begins with are heart-beats.
        if fresh and pos > start:
            out.extend([HEARTBEAT] * data.count(b"\n", start, pos))
        if self.dialect is None:
            if pos < end and (fresh or not out):  # else the end of a body has just made the one frame
                pos = self._skip(data, self._read_general(data, pos, out))
            if pos < end:
                # Not cut off: a peer that packs many frames into one read would have the rest copied for each.
                self._data, self._at = data, pos
            return
        # White space around a value is part of it for the fast path.
        fast = self.lenient is not TRIM
        while pos < end:
            before = pos
            if fast:
                pos = self._read_by_template(data, pos, out)
            if pos == before:
                pos = self._read_general(data, pos, out)
            if pos < end and data[pos] < 14:
                pos = self._skip(data, pos)

    def _read_by_template(self, data: bytes, pos: int, out: list[Frame | HeartbeatMarker]) -> int:
        """Take frames whose heads have a layout that is known; return where it stopped."""
        dialect = self.dialect
        assert dialect is not None
        head_limit, body_limit, size_limit = self._most
        end = len(data)
        if self._scanner is not None:
            pos = self._scanner.scan(data, pos, out, *self._most, dialect.codes)
            if 0 < self._scanner.needed <= _SHORT:
                return self._buffer_partial(data, pos, self._scanner.needed)
            if pos == end:
                return pos
        layouts = self._layouts
        layout = layouts.latest
        match, tail = layout.match, layout.tail
        length_text, length = "0", 0
        while pos < end:
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
            text = headers.get("content-length")
            if text is None:
                stop = data.find(0, start, start + body_limit + 1)
                if stop < 0:
                    stop = end
            else:
                if text != length_text:
                    if not (text.isascii() and text.isdigit() and len(text) <= 18):
                        return pos
                    length_text, length = text, int(text)
                stop = start + length
            if stop - start > size_limit:
                return pos
            if stop >= end:
                if text is not None and stop + 1 - pos <= _SHORT:
                    return self._buffer_partial(data, pos, stop + 1 - pos)
                head = Head(layout.command, headers, None if text is None else length, size)
                self._keep_body(head, data, start)
                return end
            if data[stop]:
                return pos
            out.append(layout.frame(headers, data[start:stop]))
            pos = stop + 1
            if pos < end and data[pos] == 10:
                pos += 1  # brokers write LF behind NUL
        return pos

    def _read_general(self, data: bytes, pos: int, out: list[Frame | HeartbeatMarker]) -> int:
        """Decode one frame that starts at `pos`, whatever it is; return the place behind it, or the end of the data."""
        most = self.limits.head
        self._heads.check_command(data, pos, self.dialect)
        blank = _BLANK_LINE.search(data, pos, pos + most + 3)
        nul = data.find(0, pos, pos + most + 2 if blank is None else blank.start())
        if nul >= 0:
            self._end_in_head(data[pos:nul], out)
        if blank is None:
            self._partial = bytearray(data[pos:])
            self._scanned = 0
            self._check_open_head()
            return len(data)
        head = self._heads.read(data[pos : blank.start()], self.dialect)
        # Before there is a version, values are not what they will be.
        if head.lines is not None and self.dialect is not None:
            self._layouts.learn(head.command, head.lines, head.headers, head.size)
        start = from_here = end = blank.end()
        if head.length is not None:
            end = start + head.length
            if end >= len(data):
                self._keep_body(head, data, start)
                return len(data)
            if data[end]:
                self._heads.salvage(head, RemoteProtocolError(_WRONG_LENGTH))
                from_here = end
        if head.length is None:
            end = data.find(0, from_here, start + self.limits.body + 1)
            if end < 0:
                self._keep_body(head, data, start)
                return len(data)
        self._finish(head, data[start:end], out)
        return end + 1

    def _end_in_head(self, raw: bytes, out: list[Frame | HeartbeatMarker]) -> NoReturn:
        """There is a NUL behind these bytes of a head. The peer takes the frame for complete, and so will wait."""
        fault = RemoteProtocolError("NUL byte in the head of a frame, which ends with an empty line")
        if self.lenient is STRICT or not raw.startswith((b"ERROR\n", b"ERROR\r\n")):
            raise fault
        head = self._heads.read(raw.rstrip(b"\r\n"), self.dialect)
        out.append(self._frame(head, b""))
        raise fault

    def _continue_head(self, data: bytes, *, whole: bool) -> bytes:
        """Add to an unfinished head; return all of it once its end is in (or `whole`), else nothing."""
        partial = self._partial
        partial += data
        if not (
            whole
            or _BLANK_LINE.search(partial, max(0, self._scanned - 2))
            or partial.find(0, self._scanned, self.limits.head + 2) >= 0
        ):
            self._check_open_head()
            return b""
        joined = bytes(partial)
        self._partial = bytearray()
        self._scanned = 0
        return joined

    def _check_open_head(self) -> None:
        """Refuse what will be no head; note how far an unfinished one was searched."""
        partial = self._partial
        self._heads.check_command(partial, 0, self.dialect)
        self._scanned = len(partial)
        self._heads.check_open(len(partial))

    def _buffer_partial(self, data: bytes, pos: int, needed: int) -> int:
        """Keep what there is of a frame of `needed` bytes: it will be read when all of it is in."""
        with memoryview(data) as view, view[pos:] as rest:
            self._partial = bytearray(rest)
        self._needed = needed
        return len(data)

    def _resume_partial(self, data: bytes, out: list[Frame | HeartbeatMarker]) -> tuple[bytes, int]:
        """Add to an unfinished short frame, and read it once it is all there; return what is left, as `_read` takes it.

        The place in it is -1 if the frame has not ended.
        """
        partial = self._partial
        pos = self._needed - len(partial)
        with memoryview(data) as view, view[:pos] as part:
            partial += part
        if len(partial) == self._needed:
            self._partial = bytearray()
            self._needed = 0
            self._read(bytes(partial), 0, out, fresh=False)
        head = self._head
        if head is None:
            return data, pos
        # An ERROR that does not end where its content-length says.
        rest = data[pos:]
        return rest, self._continue_body(head, rest, out)

    def _keep_body(self, head: Head, data: bytes, start: int) -> None:
        if head.length is None:
            self._heads.check_arrived(len(data) - start, head.size)
        self._head = head
        with memoryview(data) as view, view[start:] as body:
            if head.length is None:
                self._partial = bytearray(body)
            else:
                head.body = self._bodies.begin(head.length, text=self._is_text(head))
                head.body.write(body)

    def _is_text(self, head: Head) -> bool:
        """True where the body is wanted as text: see `Frame`."""
        return self._classes.get(head.command, Frame).body_as_text

    def _continue_body(self, head: Head, data: bytes, out: list[Frame | HeartbeatMarker]) -> int:
        """Add to an unfinished body; return the place behind its end, or -1 if that has not come."""
        pos = 0
        body: Any = None
        if head.body is not None:
            pos = head.body.left
            with memoryview(data) as view, view[:pos] as part:
                head.body.write(part)
            if len(data) <= pos:
                return -1
            body = head.body.content()
            head.body = None
            if data[pos]:
                self._heads.salvage(head, RemoteProtocolError(_WRONG_LENGTH))
                self._partial = bytearray(body)
        if head.length is None:
            partial, from_here = self._partial, pos
            pos = data.find(0, from_here)
            partial += data[from_here:] if pos < 0 else data[from_here:pos]
            self._heads.check_arrived(len(partial), head.size)
            if pos < 0:
                return -1
            self._partial = bytearray()
            body = str(partial, "utf-8", "replace") if self._is_text(head) else bytes(partial)
        self._head = None
        self._finish(head, body, out)
        return pos + 1

    def _finish(self, head: Head, body: Any, out: list[Frame | HeartbeatMarker]) -> None:
        if head.length is None:
            self._heads.check_arrived(len(body), head.size)
        out.append(self._frame(head, body))
        if head.fault is not None:
            raise head.fault

    def _frame(self, head: Head, body: Any) -> Frame:
        return self._classes.get(head.command, Frame)(head.command, head.headers, body)
