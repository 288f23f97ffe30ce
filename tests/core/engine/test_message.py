"""stomp.core.engine.message"""

from __future__ import annotations

import copy
import gzip
import zlib

import pytest

from stomp.core.engine.message import BaseMessage, charset_of, deflated, inflate, owner_of
from stomp.core.errors import ContentError, StaleDelivery, UsageError
from stomp.core.frames.frame import Headers
from tests.core.stage import Stage


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


def test_a_copy_can_be_settled_and_a_deep_copy_has_headers_of_its_own() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.deliver(subscription, "1", b"x")
    [received] = subscription.queue.messages
    received.headers.raw_head = b"MESSAGE"
    received.headers.repeated = [("a", "2")]
    received.settled = True
    for twin in (copy.copy(received), copy.deepcopy(received)):
        assert twin == received
        assert type(twin) is type(received)
        assert (twin.subscription, twin.connection) == (received.subscription, received.connection)
        assert twin.settled
    assert copy.copy(received).headers is received.headers
    twin = copy.deepcopy(received)
    assert twin.raw_head == b"MESSAGE"
    twin.headers["b"] = "1"
    assert "b" not in received.headers


def test_owner_of_a_message_is_the_client_that_received_it() -> None:
    stage = Stage()
    stage.engine.owner = stage
    stage.connect()
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    assert owner_of(subscription.queue.messages[0]) is stage
    with pytest.raises(StaleDelivery, match="has no connection") as stale:
        owner_of(message())
    assert stale.value.hint == "settle the message that the client returned"
    with pytest.raises(UsageError, match="an object of type str is not a message") as wrong:
        owner_of("1")  # type: ignore[arg-type]
    assert wrong.value.hint == "pass a message"


def test_errors_about_content_say_where_the_bytes_are() -> None:
    for read in (
        lambda: message(b"\xff").text,
        lambda: message(b"x", content_type="text/plain;charset=x").text,
        lambda: message(b"{").json(),
    ):
        with pytest.raises(ContentError) as caught:
            read()
        assert caught.value.hint == "read .content"
    for coding in ("br", "gzip", "deflate"):
        with pytest.raises(ContentError) as caught:
            inflate(b"\xff\xff", coding, 10)
        assert caught.value.hint == "read .body"
        assert coding in str(caught.value)
    with pytest.raises(ContentError, match=f"'{'z' * 40}' is not known"):
        inflate(b"", "z" * 99, 10)
    with pytest.raises(UsageError, match=f"compress is '{'z' * 40}'"):
        deflated(b"", "z" * 99)
    with pytest.raises(ContentError, match=f"the charset '{'z' * 40}' is not known"):
        _ = message(b"x", content_type=f"text/plain;charset={'z' * 99}").text


def test_decompressed_size_is_limited_exactly() -> None:
    for coding in ("gzip", "deflate"):
        assert inflate(deflated(b"x" * 1000, coding), coding, 1000) == b"x" * 1000
        with pytest.raises(ContentError, match="larger than 999 bytes"):
            inflate(deflated(b"x" * 1000, coding), coding, 999)


def test_new_message_is_complete() -> None:
    received = BaseMessage("MESSAGE", Headers())
    assert (received.command, received.body) == ("MESSAGE", b"")
    assert (received.subscription, received.connection) == (None, None)
    assert received.settled is False


def test_repr_is_short() -> None:
    assert repr(message(b"x", destination="/queue/a", message_id="7")) == "<BaseMessage 7 /queue/a 1 bytes>"
    long = repr(message(b"", destination="d" * 1000, message_id="i" * 1000))
    assert long == f"<BaseMessage {'i' * 97}... {'d' * 97}... 0 bytes>"


def test_charset_is_what_follows_the_first_equals_sign() -> None:
    assert charset_of("text/plain; charset=X-SJIS") == "X-SJIS"
    assert charset_of("text/plain; charset=a=b") == "a=b"


def test_decompression_takes_no_more_memory_than_the_limit() -> None:
    tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy has no tracemalloc")
    bomb = gzip.compress(b"\0" * 2_000_000, mtime=0)
    tracemalloc.start()
    try:
        with pytest.raises(ContentError, match="larger than 1000 bytes") as caught:
            inflate(bomb, "gzip", 1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000
    assert caught.value.hint == "read .body, or raise the limit"
