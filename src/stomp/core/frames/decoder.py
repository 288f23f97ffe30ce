"""The decoder: bytes to frames (STOMP 1.2, "STOMP Frames", "Augmented BNF").

Rules of this file:

- Input may be split at any byte. The cost is linear in its size.
- Every size from the network is compared with `Limits` before memory is allocated for it.
- The frames and the final error do not depend on where the input is split.
- The fast path (`_read_by_template`) gives the same results as the general path (`_read_general`) and raises nothing:
  it leaves a frame that it cannot read to the general path. Only that decides which broken frames are tolerated, see
  `stomp.core.frames.head_parser`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from stomp.core.errors import RemoteProtocolError
from stomp.core.frames import native as native_codec
from stomp.core.frames.body_buffer import BodyBuffer
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.head_parser import Head, Heads
from stomp.core.frames.head_templates import LONGEST, HeadTemplates
from stomp.core.frames.limits import STRICT, TRIM, Leniency, Lenient, Limits
from stomp.core.frames.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class HeartbeatMarker:
    """An end-of-line between frames: a heart-beat (STOMP 1.2, "Heart-beating"). The only instance is `HEARTBEAT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "HEARTBEAT"


HEARTBEAT: Final = HeartbeatMarker()

#: Bytes that are skipped between frames (STOMP 1.2, "Augmented BNF"): EOLs, and by a lenient decoder also NULs.
_EOLS = re.compile(rb"(?:\r?\n)+")
_EOLS_AND_NULS = re.compile(rb"(?:\r?\n|\0)+")
#: What ends a head: an empty line, or a NUL, which is an error.
_HEAD_END = re.compile(rb"\n\r?\n|\0")

_WRONG_LENGTH = "the frame does not end where its content-length says"
#: If at least this many bytes of a body are missing, reading into its buffer saves more than the extra call costs.
_LARGE = 128 * 1024


class Decoder:
    """Decodes received bytes into frames.

    Call `feed` with the bytes that were read, then `frames` until it returns an empty list. Until `version` is set,
    `frames` returns one frame at a time and reads it by the rules common to all versions, because the first frame
    determines the version of the next ones.

    Args:
        limits: limits on what a peer can make us store.
        version: the agreed version, or None before there is one.
        lenient: how strictly frames are read, see `stomp.core.frames.limits.Leniency`.
        classes: command -> the subclass of `Frame` to make; `Frame` itself for other commands.

    Attributes:
        notes: texts for the log about broken frames that were tolerated, one per rule. The caller clears it.

    >>> from stomp.core.frames.versions import STOMP12
    >>> decoder = Decoder(version=STOMP12)
    >>> decoder.feed(b"RECEIPT\\nreceipt-id:1\\n\\n\\0\\n")
    >>> decoder.frames()
    [<Frame RECEIPT ['receipt-id'] 0 bytes>]
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        version: Version | None = None,
        lenient: Lenient = STRICT,
        classes: Mapping[str, type[Frame]] | None = None,
    ) -> None:
        self.limits: Limits = limits or Limits()
        self.version = version
        self.lenient: Leniency = Leniency.of(lenient)
        self._heads = Heads(self.limits, self.lenient)
        self.notes: list[str] = self._heads.notes
        self._classes = dict(classes or {})
        native = native_codec.native
        self._scanner = native.Scanner(Headers) if native is not None else None
        self._templates = HeadTemplates(self._classes, Frame, self._scanner)
        head = min(self.limits.header_line, self.limits.head, LONGEST)
        # Limits of the fast path in bytes: of a head, of a body, and of a body after a head of the maximum size. They
        # are never above `limits`.
        self._fast_limits = head, self.limits.body, min(self.limits.body, self.limits.frame - head)
        self._between = _EOLS if self.lenient is STRICT else _EOLS_AND_NULS
        self._data = b""  # input that `frames` has not processed,
        self._at = 0  # from this position
        # Bytes of the incomplete frame: of its head; of its body if _head is set.
        self._partial = bytearray()
        self._head: Head | None = None
        self._error: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if self._data:
            data = self._data[self._at :] + data
        self._data, self._at = data, 0

    @property
    def missing_bytes(self) -> int:
        """The number of missing bytes of a large body, for `read_into`. 0 if no large body is incomplete."""
        body = self._head.body if self._head is not None else None
        return body.left if body is not None and body.left >= _LARGE and not self._data else 0

    def read_into(self, read: Callable[[memoryview], int]) -> int:
        """Let `read` write bytes of the body into its buffer. This replaces a call of `feed`.

        Args:
            read: gets the part of the buffer for the missing bytes, which is not empty, and returns how many bytes it
                has written there.

        Returns:
            The return value of `read`.
        """
        assert self._head is not None
        body = self._head.body
        assert body is not None
        with body.unfilled() as unfilled:
            count = read(unfilled)
        body.left -= count
        return count

    @property
    def idle(self) -> bool:
        """True between frames; False while a frame is incomplete, and after an error."""
        return not (self._data or self._partial or self._head or self._error)

    def unfinished_error(self) -> Frame | None:
        """Return an incomplete ERROR with the part of its body that has arrived. Call it at the end of the stream.

        Without this, a content-length that is too large would hide the broker's error text.

        Returns:
            None if the incomplete frame is not an ERROR, and for a strict decoder.
        """
        if self.lenient is STRICT or self._error is not None:
            return None
        head = self._head
        if head is None or head.command != "ERROR":
            return None
        self._head = None
        body = bytes(self._partial) if head.body is None else head.body.arrived()
        self._partial.clear()
        return self._frame(head, body.partition(b"\0")[0])

    def frames(self) -> list[Frame | HeartbeatMarker]:
        """Return the complete frames (and EOLs between frames) in order; an empty list if there are none.

        Raises:
            RemoteProtocolError: the bytes are not STOMP. The frames before the invalid one were returned by the
                previous call.
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
                after = self._continue_body(self._head, data, out)
                if after is not None:
                    self._read(data, after, out, fresh=False)
            elif self._partial:
                # A CR alone may be the first half of a heart-beat (CR LF) that was split.
                fresh = self._partial == b"\r"
                joined = self._continue_head(data, whole=fresh)
                if joined:
                    self._read(joined, 0, out, fresh=fresh)
            else:
                self._read(data, pos, out, fresh=pos == 0)
        except RemoteProtocolError as err:
            self._error = err
            if not out:
                raise
        return out

    def _skip(self, data: bytes, pos: int) -> int:
        """Return the position after the bytes that are skipped between frames."""
        # The first bytes of a peer show whether it speaks STOMP, so NULs are not skipped before a version is agreed on.
        found = (_EOLS if self.version is None else self._between).match(data, pos)
        return found.end() if found is not None else pos

    def _read(self, data: bytes, pos: int, out: list[Frame | HeartbeatMarker], *, fresh: bool) -> None:
        """Decode from a frame boundary at `pos`. An incomplete frame at the end is kept in `_partial`.

        `fresh` is True if EOLs at `pos` are heart-beats, False if they are padding after a frame.
        """
        end = len(data)
        if pos < end and data[pos] < 14:
            pos = self._skip(data, pos)
        # EOLs directly after a frame are padding; EOLs at the start of a read are heart-beats.
        if fresh and pos:
            out.extend([HEARTBEAT] * data[:pos].count(b"\n"))
        if self.version is None:
            if pos < end and (fresh or not out):  # else the one frame was already made from the end of a body
                pos = self._skip(data, self._read_general(data, pos, out))
            if pos < end:
                # Keep the position instead of slicing: the rest would be copied for each of many frames in one read.
                self._data, self._at = data, pos
            return
        # The fast path does not strip white space around a value.
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
        """Decode frames whose heads match a known template; return the position where it stopped."""
        version = self.version
        assert version is not None
        head_limit, _, size_limit = self._fast_limits
        end = len(data)
        if self._scanner is not None:
            pos = self._scanner.scan(data, pos, out, *self._fast_limits, version.codes)
            if pos == end:
                return pos
        templates = self._templates
        template = templates.latest
        match, suffix = template.match, template.fixed_suffix
        length_text, length = "0", 0
        while pos < end:
            found = match(data, pos, pos + head_limit + 2)
            if found is None or (suffix and not data.startswith(suffix, found.end())):
                other = templates.find(data, pos, pos + head_limit + 2)
                if other is None:
                    return pos
                template, match, suffix = other, other.match, other.fixed_suffix
                continue
            start = found.end() + len(suffix)
            size = start - 2 - pos
            if size > head_limit:
                return pos
            headers = template.read(found, version)
            if headers is None:
                return pos
            text = headers.get("content-length")
            if text is None:
                stop = data.find(0, start)
                if stop == -1:
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
                head = Head(template.command, headers, None if text is None else length, size)
                self._buffer_body(head, data, start)
                return end
            if data[stop]:
                return pos
            out.append(template.frame(headers, data[start:stop]))
            pos = stop + 1
            if pos < end and data[pos] == 10:
                pos += 1  # brokers write LF behind NUL
        return pos

    def _read_general(self, data: bytes, pos: int, out: list[Frame | HeartbeatMarker]) -> int:
        """Decode one frame at `pos`. Return the position after it, or the end of the data if it is incomplete."""
        self._heads.check_command(data, pos, self.version)
        found = _HEAD_END.search(data, pos, pos + self.limits.head + 3)
        if found is None:
            self._heads.check_open(len(data) - pos)
            self._partial = bytearray(data[pos:])
            return len(data)
        if found[0] == b"\0":
            self._end_in_head(data[pos : found.start()], out)
        head = self._heads.read(data[pos : found.start()], self.version)
        # Before a version is agreed on values are not unescaped, so a template would store wrong values.
        if self.version is not None:
            self._templates.add(head.command, head.lines, head.headers, head.size)
        start = from_here = end = found.end()
        if head.length is not None:
            end = start + head.length
            if end >= len(data):
                self._buffer_body(head, data, start)
                return len(data)
            if data[end]:
                self._heads.salvage(head, RemoteProtocolError(_WRONG_LENGTH))
                from_here = end
        if head.length is None:
            end = data.find(0, from_here)
            self._heads.check_arrived((len(data) if end == -1 else end) - start, head.size)
            if end == -1:
                self._buffer_body(head, data, start)
                return len(data)
        self._finish(head, data[start:end], out)
        return end + 1

    def _end_in_head(self, raw: bytes, out: list[Frame | HeartbeatMarker]) -> NoReturn:
        """Raise for a NUL in a head, after the bytes `raw`; a lenient decoder first delivers an ERROR.

        This is not delayed until the head is complete: for the peer the frame is, so it may send nothing more.
        """
        fault = RemoteProtocolError("NUL byte in the head of a frame, which ends with an empty line")
        if self.lenient is STRICT or not raw.startswith((b"ERROR\n", b"ERROR\r\n")):
            raise fault
        head = self._heads.read(raw.rstrip(b"\r\n"), self.version)
        out.append(self._frame(head, b""))
        raise fault

    def _continue_head(self, data: bytes, *, whole: bool) -> bytes:
        """Add to an incomplete head. Return all of it once its end has arrived (or if `whole`), else nothing."""
        partial = self._partial
        searched = max(0, len(partial) - 2)  # the end of a head has at most 3 bytes
        partial += data
        if not (whole or _HEAD_END.search(partial, searched)):
            self._heads.check_command(partial, 0, self.version)
            self._heads.check_open(len(partial))
            return b""
        joined = bytes(partial)
        partial.clear()
        return joined

    def _buffer_body(self, head: Head, data: bytes, start: int) -> None:
        self._head = head
        with memoryview(data) as view, view[start:] as body:
            if head.length is None:
                self._partial = bytearray(body)
            else:
                head.body = BodyBuffer(head.length, text=self._is_text(head))
                head.body.write(body)

    def _is_text(self, head: Head) -> bool:
        """True if the body is to be decoded as text: see `Frame`."""
        return self._classes.get(head.command, Frame).body_as_text

    def _continue_body(self, head: Head, data: bytes, out: list[Frame | HeartbeatMarker]) -> int | None:
        """Add to an incomplete body. Return the position after its end, or None if it is still incomplete."""
        pos = 0
        if head.body is not None:
            pos = head.body.left
            with memoryview(data) as view, view[:pos] as part:
                head.body.write(part)
            if len(data) <= pos:
                return None
            if not data[pos]:
                self._finish(head, head.body.content(), out)
                return pos + 1
            self._heads.salvage(head, RemoteProtocolError(_WRONG_LENGTH))
            self._partial = bytearray(head.body.arrived())
            head.body = None
        partial = self._partial
        end = data.find(0, pos)
        partial += data[pos:] if end == -1 else data[pos:end]
        self._heads.check_arrived(len(partial), head.size)
        if end == -1:
            return None
        body = str(partial, "utf-8", "replace") if self._is_text(head) else bytes(partial)
        partial.clear()
        self._finish(head, body, out)
        return end + 1

    def _finish(self, head: Head, body: Any, out: list[Frame | HeartbeatMarker]) -> None:
        self._head = None
        out.append(self._frame(head, body))
        if head.fault is not None:
            raise head.fault

    def _frame(self, head: Head, body: Any) -> Frame:
        return self._classes.get(head.command, Frame)(head.command, head.headers, body)
