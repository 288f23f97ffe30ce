from __future__ import annotations

import gzip
import zlib

import pytest

from stomp.core.engine.message import BaseMessage, charset_of, deflated, inflate
from stomp.core.errors import ContentError, UsageError
from stomp.core.frames.frame import Headers


def message(body: bytes = b"", **headers: str) -> BaseMessage:
    return BaseMessage(
        "MESSAGE", Headers({name.replace("_", "-"): value for name, value in headers.items()}), body
    )


def test_attributes_come_from_the_headers() -> None:
    received = message(destination="/queue/a", message_id="1", redelivered="TRUE", possible_duplicate="true")
    assert (received.destination, received.id, received.redelivered, received.possible_duplicate) == (
        "/queue/a",
        "1",
        True,
        True,
    )
    bare = message()
    assert (bare.destination, bare.id, bare.redelivered, bare.possible_duplicate) == ("", "", False, False)


def test_str_and_repr_describe_the_message() -> None:
    received = message(b"secret", destination="/queue/a", message_id="7", redelivered="true", token="secret")
    assert repr(received) == "<BaseMessage 7 /queue/a 6 bytes redelivered>"


def test_reply_needs_a_reply_to_header() -> None:
    asked = message(reply_to="/temp-queue/x", message_id="1")
    assert (asked.reply_to, asked.correlation_id) == ("/temp-queue/x", "1")
    assert message(correlation_id="7", message_id="1").correlation_id == "7"
    with pytest.raises(UsageError, match="no reply-to"):
        _ = message().reply_to


def test_text_uses_the_charset_of_the_content_type() -> None:
    assert message("häh?".encode()).text == "häh?"
    assert message("häh?".encode("latin-1"), content_type="text/plain; charset=iso-8859-1").text == "häh?"


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"\xff", "text/plain", "not utf-8: wrong at byte 0"),
        (b"x", "text/plain;charset=klingon", "'klingon' is not known"),
        (b"a\x00", "text/plain;charset=utf-16-le;x", None),
        (b"abc", "text/plain;charset=utf-16-le", "not utf-16-le"),
    ],
)
def test_undecodable_text_raises_content_error(body: bytes, content_type: str, words: str | None) -> None:
    if words is None:
        assert message(body, content_type=content_type).text == "a"
        return
    with pytest.raises(ContentError, match=words):
        _ = message(body, content_type=content_type).text


def test_json_is_decoded() -> None:
    assert message(b'{"a": [1]}').json() == {"a": [1]}
    for body in (b"{", b"", b"[" * 100_000):
        with pytest.raises(ContentError, match="not JSON"):
            message(body).json()


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", " GZIP ", "deflate", "identity"])
def test_content_is_decompressed(coding: str) -> None:
    plain = b"abc" * 1000
    name = coding.strip().lower().removeprefix("x-")
    body = plain if name == "identity" else deflated(plain, name)
    assert message(body, content_encoding=coding).content == plain
    assert message(body, content_encoding=coding).body == body


def test_raw_deflate_is_decompressed() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    assert inflate(packer.compress(b"abc") + packer.flush(), "deflate", 100) == b"abc"


@pytest.mark.parametrize(
    ("body", "coding", "words"),
    [
        (b"abc", "gzip", "is not gzip"),
        (b"", "gzip", "truncated"),
        (gzip.compress(b"abc" * 100, mtime=0)[:-5], "gzip", "truncated"),
        (b"abc", "br", "'br' is not known"),
        (gzip.compress(b"\0" * 10_000_000, mtime=0), "gzip", "larger than 1000 bytes"),
    ],
)
def test_invalid_compressed_content_raises_content_error(body: bytes, coding: str, words: str) -> None:
    with pytest.raises(ContentError, match=words):
        inflate(body, coding, 1000)


def test_only_common_codings_can_be_written() -> None:
    with pytest.raises(UsageError, match="use gzip or deflate"):
        deflated(b"", "br")


def test_charset_of_a_media_type_is_found() -> None:
    assert charset_of("") == "utf-8"
    assert charset_of("text/plain; a=b; CHARSET='utf-16'") == "utf-16"
    assert charset_of("text/plain; charset=") == "utf-8"
