"""stomp.core.frames.frame"""

from typing import Any

import pytest

from stomp.core.frames.frame import Frame, Headers, headers_of, text_of


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
