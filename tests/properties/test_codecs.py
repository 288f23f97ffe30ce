"""Both codecs read every stream alike, however it is cut: frames, ends of lines, and errors with their texts."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stomp.core import codec
from stomp.core.decoder import Decoder, Eol
from stomp.core.delivery import Delivery
from stomp.core.dialect import DIALECTS, STOMP12, Dialect
from stomp.core.errors import RemoteProtocolError
from stomp.core.events import Message
from stomp.core.frame import Frame
from stomp.core.limits import LENIENT, STRICT, Leniency, Limits
from stomp.received import Received, ReceivedText
from tests.properties.test_coding import SMALL, alikes, chopped, cuts, dialects, mutated, scraps, streams

pytestmark = pytest.mark.skipif(codec.native is None, reason="stompkit-native is not installed: make native")

classes = st.sampled_from([Frame, Message, Delivery, Received, ReceivedText])
tight = st.builds(
    Limits,
    frame=st.integers(30, 200),
    body=st.integers(1, 90),
    head=st.integers(8, 90),
    header_line=st.integers(4, 40),
    headers=st.integers(1, 4),
)


def facts(frame: Frame | Eol) -> Any:
    """Everything that can be told of a frame; whether its body is text yet is left to the decoder."""
    if isinstance(frame, Eol):
        return "EOL"
    body: Any = frame.body
    if isinstance(frame, ReceivedText) and type(body) is bytes:
        body = body.decode("utf-8", "replace")
    more: tuple[Any, ...] = (frame.subscription,) if isinstance(frame, Message) else ()
    if isinstance(frame, Received):
        more += (list(frame.original_headers.items()),)
    if isinstance(frame, Delivery):
        more += (frame.era, frame.settled)
    headers = frame.headers
    return (type(frame), frame.command, type(headers), list(headers.items()), headers.repeated, body, *more)


def story(pieces: list[bytes], native: Any, **settings: Any) -> list[Any]:
    """What a decoder tells, call by call, to the error that ends it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "native", native)
        dialect, make = settings.pop("dialect"), settings.pop("make")
        decoder = Decoder(settings["limits"], lenient=settings["lenient"], classes={"MESSAGE": make})
        decoder.dialect = dialect
        told: list[Any] = []
        for piece in pieces:
            decoder.feed(piece)
            try:
                while frames := decoder.frames():
                    told.append([facts(frame) for frame in frames])
                    # As a session does, which has learned the version from the first frame.
                    decoder.dialect = decoder.dialect or STOMP12
            except RemoteProtocolError as err:
                return [*told, (type(err), str(err), decoder.idle)]
            told.append((decoder.idle, decoder.missing))
        return told


@given(
    st.one_of(streams().map(lambda stream: stream[2]), alikes, alikes, scraps, mutated()),
    cuts,
    st.one_of(dialects, dialects, st.none()),
    st.one_of(st.just(Limits()), st.just(SMALL), tight),
    st.sampled_from([STRICT, STRICT, LENIENT]),
    classes,
)
@example(b"MESSAGE\nx:\\r\n\n\0\n" * 3, [100], STOMP12, Limits(), STRICT, Message)
@example(
    b"MESSAGE\ncontent-length:1\n\n\0\0\nMESSAGE\ncontent-length:01\n\nx\0",
    [100],
    STOMP12,
    SMALL,
    STRICT,
    Message,
)
@settings(max_examples=settings().max_examples * 4)
def test_both_codecs_tell_the_same(
    data: bytes,
    sizes: list[int],
    dialect: Dialect | None,
    limits: Limits,
    lenient: Leniency,
    make: type[Frame],
) -> None:
    ways = {"dialect": dialect, "limits": limits, "lenient": lenient, "make": make}
    for pieces in ([data], chopped(data, sizes), chopped(data, [1])):
        assert story(pieces, codec.native, **ways) == story(pieces, None, **ways)


def test_all_versions_are_tried() -> None:
    assert len(DIALECTS) == 3
