"""Both codecs encode every frame alike, in the common case and in the general one."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stomp.core.errors import FrameError
from stomp.core.frames import native as native_codec
from stomp.core.frames.encoder import encode_parts, encode_plain
from stomp.core.frames.frame import Headers
from stomp.core.frames.versions import STOMP12, VERSIONS, Version
from stomp.utils import Frame

native = pytest.mark.skipif(
    native_codec.native is None, reason="stompkit-native is not installed: make native"
)

texts = st.text(st.sampled_from("abc:\\cnr\n\r\0\xe4\u20ac\U0001f600\ud800 "), max_size=8) | st.text(
    max_size=8
)
names = st.sampled_from(["destination", "content-length", "receipt"]) | texts
values = (
    texts
    | st.integers(-3, 12)
    | st.sampled_from([10**30, True, None, b"x", 1.5, ("a", "b")])
    | st.integers(0, 9).map(str)
)
bodies = (
    st.binary(max_size=9)
    | texts
    | st.sampled_from([b"x" * 32767, b"x" * 32768, "\xe4" * 16384, "x" * 40000, None, bytearray(b"x")])
)
versions = st.sampled_from([*VERSIONS.values()])
commands = st.sampled_from(["SEND", "ACK", "MESSAGE", "CONNECT", "SUBSCRIBE", "ERROR", "Send", "", b"SEND"])
headers_of_frames = st.dictionaries(names, values, max_size=5) | st.lists(
    st.tuples(names, texts), max_size=5
).map(Headers.of)


@native
@given(commands, headers_of_frames, bodies, st.none() | versions)
@example("SEND", {str(number): "x" for number in range(40)}, b"", STOMP12)
@example("SEND", {"destination": 10**30}, b"", None)
def test_the_native_common_case_is_that_of_python(
    command: Any, headers: Any, body: Any, escaped: Version | None
) -> None:
    codes = None if escaped is None else escaped.codes
    found = native_codec.native.encode_plain(command, headers, body, codes, Headers)
    # Many headers, and numbers of more than 64 bits, are left to the general encoder.
    if len(headers) > 32 or 10**30 in headers.values():
        assert found is None
    else:
        assert found == encode_plain(command, headers, body, escaped)


@native
@given(commands, headers_of_frames, st.binary(max_size=9) | texts, versions, st.booleans())
def test_each_frame_has_the_same_bytes_or_the_same_error(
    command: Any, headers: Any, body: Any, version: Version, escaped: bool
) -> None:
    results: list[bytes | str] = []
    for codec in (None, native_codec.native):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native_codec, "native", codec)
            try:
                results.append(
                    b"".join(encode_parts(Frame(command, headers, body), version, escaped=escaped))
                )
            except (FrameError, UnicodeDecodeError) as err:
                results.append(str(err))
    assert results[0] == results[1]


@native
@pytest.mark.parametrize("arguments", [(), ("SEND", {}, b"", None), ("SEND", {}, b"", 5, Headers)])
def test_the_native_function_checks_its_arguments(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="encode_plain"):
        native_codec.native.encode_plain(*arguments)
