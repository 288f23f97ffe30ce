"""stomp.core.frames.frame"""

import copy
import decimal
import pickle
from typing import Any

import pytest

from stomp.core.frames.frame import Frame, Headers, bytes_of, headers_of, text_of


def test_the_first_of_a_repeated_header_counts() -> None:
    headers = Headers.of([("foo", "World"), ("bar", "1"), ("foo", "Hello"), ("foo", "again")])
    assert headers == {"foo": "World", "bar": "1"}
    assert headers.all("foo") == ["World", "Hello", "again"]
    assert headers.all("bar") == ["1"]
    assert headers.all("none") == []
    assert headers.repeated == [("foo", "Hello"), ("foo", "again")]
    assert headers.pairs() == [("foo", "World"), ("bar", "1"), ("foo", "Hello"), ("foo", "again")]


@pytest.mark.parametrize("value", ["", "5", "same", "a longer value"])
def test_a_header_repeated_with_the_same_value_is_repeated(value: str) -> None:
    assert Headers.of([("foo", value), ("foo", value)]).repeated == [("foo", value)]


def test_headers_without_duplicates_are_plain() -> None:
    headers = Headers(a="1", b="2")
    assert headers.repeated == []
    assert headers.pairs() == [("a", "1"), ("b", "2")]
    assert Headers.of([]) == {}


def test_a_deleted_header_is_gone_with_all_its_values() -> None:
    headers = Headers.of([("foo", "1"), ("foo", "2")])
    del headers["foo"]
    assert headers.all("foo") == []
    assert headers.pairs() == []


def test_frames_are_equal_when_everything_is() -> None:
    frame = Frame("SEND", Headers(a="1"), b"x")
    assert frame == Frame("SEND", Headers(a="1"), b"x")
    assert frame != Frame("SEND", Headers(a="1"), b"y")
    assert frame != Frame("SEND", Headers(a="2"), b"x")
    assert frame != Frame("MESSAGE", Headers(a="1"), b"x")
    assert frame != Frame("SEND", Headers.of([("a", "1"), ("a", "2")]), b"x")
    assert frame != "SEND"
    with pytest.raises(TypeError):
        hash(frame)


def test_a_repr_shows_neither_values_nor_bodies() -> None:
    shown = repr(Frame("CONNECT", Headers(passcode="swordfish"), b"secret"))
    assert shown == "<Frame CONNECT ['passcode'] 6 bytes>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (5, "5"),
        (1.5, "1.5"),
        (b"caf\xc3\xa9", "café"),
        (bytearray(b"x"), "x"),
        ("", ""),
    ],
)
def test_text_of_converts_values(value: object, text: str) -> None:
    assert text_of(value) == text


def test_headers_of_merges_without_changing_its_arguments() -> None:
    first: dict[str, Any] = {"a": "1", "b": 2, "c": None}
    second = {"b": True, "a": None}
    assert headers_of(first, None, {}, second) == {"a": "1", "b": "true"}
    assert (first, second) == ({"a": "1", "b": 2, "c": None}, {"b": True, "a": None})


def test_headers_of_reads_names_like_values() -> None:
    assert headers_of({b"a": "1", 5: "x"}) == {"a": "1", "5": "x"}  # type: ignore[dict-item]


def test_headers_of_makes_plain_text_of_a_subclass_of_str() -> None:
    class Text(str):
        __slots__ = ()

    assert type(headers_of({"a": Text("x")})["a"]) is str


def test_a_tuple_is_a_repeated_header() -> None:
    headers = headers_of({"a": ("1", 2, True), "b": (), "c": ("x",)}, {"d": (5, None)})
    assert headers == {"a": "1", "c": "x", "d": "5"}
    assert headers.pairs() == [("a", "1"), ("c", "x"), ("d", "5"), ("a", "2"), ("a", "true"), ("d", "None")]
    assert headers_of({5: ("x", "y")}).pairs() == [("5", "x"), ("5", "y")]  # type: ignore[dict-item]


def test_headers_of_one_dictionary_are_a_copy() -> None:
    plain = {"a": "1", "b": "2"}
    for headers in (headers_of(plain), headers_of(plain, {}), headers_of(plain, None)):
        assert headers == plain
        assert type(headers) is Headers
    assert headers_of(plain) is not plain
    assert headers_of({}) == headers_of(None) == headers_of() == {}
    assert headers_of({"a": "1", "b": None}) == {"a": "1"}


class Word(str):
    """Texts and numbers of applications may show themselves in another way than their base class."""

    __slots__ = ()

    def __str__(self) -> str:
        return "other"


class Number(int):
    def __repr__(self) -> str:
        return "other"

    __str__ = __repr__


class Share(float):
    def __repr__(self) -> str:
        return "other"

    __str__ = __repr__


class Data(bytes):
    def decode(self, *_args: object, **_kwargs: object) -> str:
        return "other"

    def __bytes__(self) -> bytes:
        return b"other"


class Buffer(bytearray):
    def decode(self, *_args: object, **_kwargs: object) -> str:
        return "other"


@pytest.mark.parametrize(
    ("value", "text"),
    [(Word("x"), "x"), (Number(5), "5"), (Share(0.5), "0.5"), (Data(b"x"), "x"), (Buffer(b"x"), "x")],
)
def test_text_of_reads_a_subclass_like_its_base_class(value: object, text: str) -> None:
    assert text_of(value) == text
    assert type(text_of(value)) is str


def test_text_of_another_object_is_its_str() -> None:
    assert text_of(decimal.Decimal("1.50")) == "1.50"
    assert text_of(None) == "None"


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("caf\xe9", b"caf\xc3\xa9"),
        (Word("x"), b"x"),
        (b"x", b"x"),
        (Data(b"x"), b"x"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        ("", b""),
        (b"", b""),
    ],
)
def test_bytes_of_converts_texts_and_buffers(body: object, data: bytes) -> None:
    assert bytes_of(body) == data
    assert type(bytes_of(body)) is bytes


@pytest.mark.parametrize("body", [None, 5, ["x"], {"a": 1}])
def test_bytes_of_other_types_is_none(body: object) -> None:
    assert bytes_of(body) is None


def test_a_frame_without_a_body_has_an_empty_one() -> None:
    assert Frame("ACK", Headers()).body == b""


def test_raw_head_is_that_of_the_headers() -> None:
    frame = Frame("MESSAGE", Headers(a="x"))
    assert frame.raw_head is None
    frame.headers.raw_head = b"MESSAGE\na:\xff"
    assert frame.raw_head == b"MESSAGE\na:\xff"
    assert Frame("SEND", {"a": "x"}).raw_head is None  # type: ignore[arg-type]


def test_a_repr_is_short_and_printable() -> None:
    shown = repr(
        Frame("X" * 100 + "\n", Headers({f"name-{number}\n": "" for number in range(200)}), b"x" * 9)
    )
    assert shown.startswith("<Frame " + "X" * 41 + " ['name-0\\n', 'name-1")
    assert shown.endswith(" 9 bytes>")
    assert len(shown) == len("<Frame ") + 41 + 1 + 500 + len(" 9 bytes>")
    assert repr(Frame("SEND\n", Headers())) == "<Frame SEND\\n [] 0 bytes>"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_frames_and_headers_can_be_pickled(protocol: int) -> None:
    headers = Headers.of([("a", "1"), ("a", "2")])
    headers.raw_head = b"MESSAGE"
    frame = Frame("MESSAGE", headers, b"x")
    for twin in (pickle.loads(pickle.dumps(frame, protocol)), copy.copy(frame), copy.deepcopy(frame)):
        assert twin == frame
        assert type(twin) is Frame
        assert twin.raw_head == b"MESSAGE"
