"""Both codecs read every stream alike, and what they read does not depend on how it is cut.

That is: frames, and the error that ends them, with its class, its text and the limit that it names. Line ends between
frames count as heart-beats by the reads in which they come, so these depend on the cuts, but are alike in both codecs.
"""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stomp.classic.frames import BytesMessageFrame, TextMessageFrame
from stomp.core.engine.message import BaseMessage
from stomp.core.errors import RemoteProtocolError
from stomp.core.frames import native as native_codec
from stomp.core.frames.decoder import Decoder, HeartbeatMarker
from stomp.core.frames.frame import Frame
from stomp.core.frames.limits import Leniency, Limits
from stomp.core.frames.versions import STOMP12, VERSIONS, Version
from stomp.core.session.events import MessageFrame
from tests.properties.test_coding import (
    SMALL,
    alikes,
    chopped,
    cuts,
    eols,
    mutated,
    scraps,
    streams,
    versions,
)

#: None is the codec in Python.
CODECS = [None] if native_codec.native is None else [None, native_codec.native]
classes = st.sampled_from([Frame, MessageFrame, BaseMessage, BytesMessageFrame, TextMessageFrame])
tight = st.builds(
    Limits,
    frame=st.integers(8, 200),
    body=st.integers(1, 90),
    head=st.integers(8, 90),
    header_line=st.integers(4, 40),
    headers=st.integers(1, 4),
)
leniencies = st.sampled_from(list(Leniency))


@st.composite
def sized(draw: st.DrawFn) -> bytes:
    """Frames of few templates whose bodies are about as large as `tight` limits; lengths may be missing or wrong."""
    frames = []
    for _ in range(draw(st.integers(1, 5))):
        command = draw(st.sampled_from([b"MESSAGE", b"MESSAGE", b"RECEIPT", b"ERROR", b"error", b"NEWS"]))
        size = draw(st.one_of(st.integers(0, 5), st.integers(0, 140)))
        body = draw(st.sampled_from([b"x", b"x", b"\0", b"\n", b"a\0"])) * size
        results = len(body) + draw(st.sampled_from([0, 0, 0, 0, -1, 1, 7]))
        length = draw(
            st.sampled_from(
                [b"", b"content-length:%d\n", b"content-length:+%d\n", b"content-length:%d\n" * 2]
            )
        )
        length = length % ((results,) * length.count(b"%d"))
        lines = draw(st.sampled_from([b"", b"a:%d\n" % size, b"a:1\nb:\xff\n", b"c\n", b"a:\\x\n"]))
        frames.append(command + b"\n" + lines + length + b"\n" + body + b"\0" + draw(eols))
    return b"".join(frames)


def facts(frame: Frame | HeartbeatMarker) -> Any:
    """All observable properties of a frame; whether its body is text yet is left to the decoder."""
    if isinstance(frame, HeartbeatMarker):
        return "HEARTBEAT"
    body: Any = frame.body
    if isinstance(frame, TextMessageFrame) and type(body) is bytes:
        body = body.decode("utf-8", "replace")
    more: tuple[Any, ...] = (frame.subscription,) if isinstance(frame, MessageFrame) else ()
    if isinstance(frame, BytesMessageFrame):
        more += (list(frame.original_headers.items()),)
    if isinstance(frame, BaseMessage):
        more += (frame.connection, frame.settled)
    headers = frame.headers
    return (type(frame), frame.command, type(headers), list(headers.items()), headers.repeated, body, *more)


def story(pieces: list[bytes], native: Any, **settings: Any) -> list[Any]:
    """What a decoder returns, call by call, to the error that ends it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_codec, "native", native)
        version, make = settings.pop("version"), settings.pop("make")
        decoder = Decoder(settings["limits"], lenient=settings["lenient"], classes={"MESSAGE": make})
        decoder.version = version
        results: list[Any] = []
        for piece in pieces:
            decoder.feed(piece)
            try:
                while frames := decoder.frames():
                    results.append([facts(frame) for frame in frames])
                    # As a session does, which has learned the version from the first frame.
                    if any(isinstance(frame, Frame) for frame in frames):
                        decoder.version = decoder.version or STOMP12
            except RemoteProtocolError as err:
                error = type(err), str(err), getattr(err, "limit", "")
                return [*results, (*error, decoder.idle, decoder.notes)]
            results.append((decoder.idle, decoder.missing_bytes, decoder.notes.copy()))
        last = decoder.unfinished_error()
        return [*results, None if last is None else facts(last)]


def essence(results: list[Any]) -> tuple[list[Any], Any]:
    """What of a story may not depend on how the bytes are cut: the frames, and the error or the unfinished ERROR."""
    frames = [frame for call in results if isinstance(call, list) for frame in call if frame != "HEARTBEAT"]
    return frames, results[-1]


@pytest.mark.slow(reason="hundreds of examples")
@given(
    st.one_of(streams().map(lambda stream: stream[2]), alikes, alikes, scraps, mutated(), sized(), sized()),
    cuts,
    st.one_of(versions, versions, st.none()),
    st.one_of(st.just(Limits()), st.just(SMALL), tight, tight),
    leniencies,
    classes,
)
@example(b"MESSAGE\nx:\\r\n\n\0\n" * 3, [100], STOMP12, Limits(), Leniency.STRICT, MessageFrame)
@example(
    b"MESSAGE\ncontent-length:1\n\n\0\0\nMESSAGE\ncontent-length:01\n\nx\0",
    [100],
    STOMP12,
    SMALL,
    Leniency.STRICT,
    MessageFrame,
)
# A body of 80 bytes whose end is not known: by the cuts, the one or the other limit was named, or none.
@example(b"MESSAGE\n\n%b\0" % (b"x" * 80), [7], STOMP12, Limits(body=71), Leniency.STRICT, MessageFrame)
@example(b"MESSAGE\n\n%b\0" % (b"x" * 150), [7], STOMP12, Limits(frame=135), Leniency.STRICT, MessageFrame)
@example(
    b"MESSAGE\n\n%b" % (b"x" * 150), [7], STOMP12, Limits(frame=75, body=71), Leniency.STRICT, MessageFrame
)
# An ERROR that is too long is read to the next NUL, also where what was to be its last byte ends a read.
@example(
    b"ERROR\ncontent-length:1\n\n\0\0" * 3 + b"ERROR\ncontent-length:1\n\n\0MESSAGE\n\n\0",
    [24, 26, 1, 2],
    STOMP12,
    Limits(),
    Leniency.LENIENT,
    MessageFrame,
)
@settings(max_examples=settings().max_examples * 3)
def test_codecs_and_splits_give_the_same_frames(
    data: bytes,
    sizes: list[int],
    version: Version | None,
    limits: Limits,
    lenient: Leniency,
    make: type[Frame],
) -> None:
    ways = {"version": version, "limits": limits, "lenient": lenient, "make": make}
    whole = essence(story([data], None, **ways))
    for pieces in ([data], chopped(data, sizes), chopped(data, [1])):
        results = [story(pieces, native, **ways) for native in CODECS]
        assert results[0] == results[-1]
        assert essence(results[0]) == whole


def test_all_versions_are_tried() -> None:
    assert len(VERSIONS) == 3
