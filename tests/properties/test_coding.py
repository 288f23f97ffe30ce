"""What holds for every frame, every stream of bytes and every way of cutting it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stomp.core.errors import FrameError, RemoteProtocolError
from stomp.core.frames.decoder import Decoder, HeartbeatMarker
from stomp.core.frames.encoder import encode, encode_parts
from stomp.core.frames.frame import Frame, Headers, headers_of
from stomp.core.frames.limits import LENIENT, STRICT, Leniency, Limits
from stomp.core.frames.versions import STOMP10, STOMP12, VERSIONS, Version

pytestmark = pytest.mark.usefixtures("each_codec")

versions = st.sampled_from(list(VERSIONS.values()))
commands = st.sampled_from(["MESSAGE", "MESSAGE", "RECEIPT", "ERROR", "SEND", "CONNECT", "CONNECTED", "NEWS"])
#: Text in which everything that means something to the protocol is frequent.
text = st.text(
    st.one_of(st.sampled_from("\\:\n\r\0nrc a1\u00e9"), st.characters(exclude_categories=["Cs"])), max_size=8
)
#: Few names, so that the same layouts come again and the fast path is taken.
names = st.one_of(st.sampled_from(["destination", "message-id", "foo", "a"]), st.sampled_from("xyz"), text)
bodies = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([b"\0", b"\n", b"\r", b"\0\n", b"a", b"MESSAGE\nfoo:x\n\n\0"]), max_size=6).map(
        b"".join
    ),
)
eols = st.sampled_from([b"", b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\r\n\n\n"])
cuts = st.lists(st.integers(1, 60), min_size=1, max_size=20)


@st.composite
def any_frames(draw: st.DrawFn) -> Frame:
    """Any frame that the types allow, sendable or not."""
    pairs = draw(st.lists(st.tuples(names, text), max_size=4))
    body = draw(bodies)
    if draw(st.booleans()) or 0 in body:
        pairs.insert(draw(st.integers(0, len(pairs))), ("content-length", str(len(body))))
    return Frame(draw(commands), Headers.of(pairs), body)


def is_sendable(frame: Frame, version: Version) -> bool:
    try:
        encode(frame, version)
    except FrameError:
        return False
    return True


@st.composite
def streams(draw: st.DrawFn) -> tuple[Version, list[Frame], bytes]:
    """Frames of one version, and their bytes with EOLs between them."""
    version = draw(versions)
    few = draw(
        st.lists(any_frames().filter(lambda frame: is_sendable(frame, version)), min_size=1, max_size=4)
    )
    # Again and again, for a head is read fast when it was seen before.
    frames = draw(st.lists(st.sampled_from(few), max_size=12))
    data = b"".join(encode(frame, version) + draw(eols) for frame in frames)
    return version, frames, draw(eols) + data


def chopped(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in pieces of the given sizes, over and over."""
    pieces, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def outcome(
    pieces: list[bytes],
    version: Version | None,
    *,
    limits: Limits | None = None,
    lenient: Leniency = STRICT,
) -> tuple[list[Frame], type[Exception] | None]:
    """The frames, and the error that ended it. On the way: what is held never exceeds the limits."""
    decoder = Decoder(limits, version=version, lenient=lenient)
    most = max(decoder.limits.head + 2, decoder.limits.body + 1)
    found: list[Frame] = []
    for piece in pieces:
        decoder.feed(piece)
        try:
            while frames := decoder.frames():
                found += [frame for frame in frames if not isinstance(frame, HeartbeatMarker)]
        except RemoteProtocolError as err:
            return found, type(err)
        assert len(decoder._data) - decoder._at == 0
        assert len(decoder._partial) <= most
        assert decoder._head is None or decoder._head.size <= decoder.limits.head
    return found, None


def same_however_cut(
    data: bytes,
    sizes: list[int],
    version: Version | None,
    *,
    limits: Limits | None = None,
    lenient: Leniency = STRICT,
) -> tuple[list[Frame], type[Exception] | None]:
    whole = outcome([data], version, limits=limits, lenient=lenient)
    assert outcome(chopped(data, [1]), version, limits=limits, lenient=lenient) == whole
    assert outcome(chopped(data, sizes), version, limits=limits, lenient=lenient) == whole
    return whole


@given(streams(), cuts)
def test_any_frames_survive_any_split(stream: tuple[Version, list[Frame], bytes], sizes: list[int]) -> None:
    version, frames, data = stream
    assert same_however_cut(data, sizes, version) == (frames, None)


@given(any_frames(), versions)
def test_sent_frame_is_read_back_or_refused(frame: Frame, version: Version) -> None:
    try:
        data = encode(frame, version)
    except FrameError:
        return
    # Nothing of it became another frame, another header or another value.
    assert outcome([data], version) == ([frame], None)


@given(any_frames(), versions)
def test_escaped_headers_stay_one_frame(frame: Frame, version: Version) -> None:
    try:
        data = b"".join(encode_parts(frame, version, escaped=True))
    except FrameError:
        return
    (found,), error = outcome([data], version)
    assert error is None
    assert len(found.headers.pairs()) == len(frame.headers.pairs())
    assert b"".join(encode_parts(frame, version, escaped=True)) == data


# ------------------------------------------------------------------------------------- hostile bytes

SMALL = Limits(frame=150, body=90, head=70, header_line=30, headers=4)
_TOKENS = [b"\0", b"\n", b"\n\n", b"\r\n", b"\r", b":", b"\\", b"3", b"\xff", b"x" * 50]
_LINES = [b"MESSAGE\n", b"a:b\n", b"foo:1\na:2\n", b"content-length:"]
_LENGTHS = [b"content-length:3\n", b"content-length:99\n", b"content-length:-1\n"]
fragments = st.sampled_from([*_TOKENS, *_LINES, *_LENGTHS])
scraps = st.lists(st.one_of(fragments, st.binary(max_size=4)), max_size=30).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid stream with some damage."""
    data = bytearray(draw(streams())[2])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.one_of(fragments, st.just(b"")))
    return bytes(data)


@pytest.mark.slow(reason="hundreds of examples")
@given(
    st.one_of(scraps, mutated()),
    cuts,
    st.one_of(versions, st.none()),
    st.sampled_from([SMALL, Limits()]),
    st.sampled_from([STRICT, STRICT, LENIENT]),
)
@example(b"MESSAGE\na:1\n\n\0\n\nMESSAGE\na:1\n\n\0\n", [7], STOMP12, SMALL, STRICT)
@example(b"MESSAGE\n\n\0\n\n\nMESSAGE\na:1\n\n\0\n", [7], STOMP12, SMALL, STRICT)
@example(b"MESSAGE\na:1\nb:2\n\n\0\nMESSAGE\na:1:b:2\n\n\0\n", [7], STOMP10, SMALL, STRICT)
@example(b"MESSAGE\na:1\nb:2\n\n\0\nMESSAGE\na:1:b\n2\n\n\0\n", [7], STOMP10, SMALL, STRICT)
@settings(max_examples=settings().max_examples * 4)
def test_any_bytes_are_read_or_refused_within_the_limits(
    data: bytes, sizes: list[int], version: Version | None, limits: Limits, lenient: Leniency
) -> None:
    frames, _ = same_however_cut(data, sizes, version, limits=limits, lenient=lenient)
    for frame in frames:
        assert frame.command.isalpha()
        assert len(frame.body) <= limits.body
        assert len(frame.headers.pairs()) <= limits.headers
        assert "" not in frame.headers


#: Frames of few layouts, as brokers send them, with surprises in their values and bodies.
surprises = st.lists(
    st.one_of(st.sampled_from([b"1", b"3", b"x", b"abc", b"\0x"]), fragments), max_size=3
).map(b"".join)
alike = st.builds(
    lambda head, first, second, body: head % (first, second) + b"\n\n" + body + b"\0\n",
    st.sampled_from(
        [
            b"MESSAGE\nfoo:%b\na:%b",
            b"MESSAGE\na:1\ncontent-length:%b\nb:%b",
            b"NEWS\nfoo:%b\na:%b",
            b"1%b\na:%b",
        ]
    ),
    surprises,
    surprises,
    surprises,
)
#: What makes a decoder know two of these layouts.
LESSON = b"MESSAGE\nfoo:1\na:2\n\n\0\n" * 3 + b"MESSAGE\na:1\ncontent-length:0\nb:2\n\n\0\n" * 3
alikes = st.lists(alike, max_size=6).map(lambda frames: LESSON + b"".join(frames))


@pytest.mark.slow(reason="800 examples")
@given(st.one_of(alikes, alikes, st.lists(mutated(), max_size=4).map(b"".join)), versions)
@settings(max_examples=settings().max_examples * 4)
def test_template_and_general_parser_read_the_same(data: bytes, version: Version) -> None:
    class Careful(Decoder):
        def _read_fast(self, data: bytes, pos: int, out: list[Frame | HeartbeatMarker]) -> int:
            return pos

    def read(decoder: Decoder) -> tuple[list[Frame | HeartbeatMarker], str]:
        found: list[Frame | HeartbeatMarker] = []
        decoder.feed(data)
        try:
            while frames := decoder.frames():
                found += frames
        except RemoteProtocolError as err:
            return found, str(err)
        return found, ""

    assert read(Decoder(version=version)) == read(Careful(version=version))


# ------------------------------------------------------------------------------------- texts


@given(text, versions)
def test_escaping_can_be_undone(plain: str, version: Version) -> None:
    escaped = version.escape(plain)
    assert version.unescape(escaped) == plain
    assert not any(char in escaped for char in version.escapes if char != "\\")


@given(text, versions)
def test_any_text_is_unescaped_or_refused(escaped: str, version: Version) -> None:
    kept = version.unescape(escaped, keep_undefined=True)
    try:
        assert version.unescape(escaped) == kept
    except RemoteProtocolError:
        assert "\\" in escaped


values = st.one_of(st.none(), st.booleans(), st.integers(), text)
sources = st.lists(st.one_of(st.none(), st.dictionaries(names, values, max_size=4)), max_size=4)


@given(sources)
def test_merged_headers_are_texts_and_the_last_one_wins(given_: list[dict[str, object] | None]) -> None:
    merged = headers_of(*given_)
    flat = [
        (name, value) for source in given_ if source for name, value in source.items() if value is not None
    ]
    assert merged.keys() == {name for name, _ in flat}
    for name, value in merged.items():
        last = [other for key, other in flat if key == name][-1]
        assert value == (str(last).lower() if isinstance(last, bool) else str(last))


@given(st.lists(st.tuples(names, text), max_size=10))
def test_headers_lose_no_value(pairs: list[tuple[str, str]]) -> None:
    headers = Headers.of(pairs)
    assert sorted(headers.pairs()) == sorted(pairs)
    for name in headers:
        assert headers.all(name) == [value for other, value in pairs if other == name]
