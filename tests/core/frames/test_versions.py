"""stomp.core.frames.versions"""

import dataclasses

import pytest

from stomp.core.errors import RemoteProtocolError
from stomp.core.frames import versions
from stomp.core.frames.frame import Headers
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, UNESCAPED, VERSIONS, Version

ALL = list(VERSIONS.values())


def table() -> dict[str, list[str]]:
    """The table of the module's docstring: what -> its cells."""
    assert versions.__doc__ is not None
    rows = [line.strip("|").split("|") for line in versions.__doc__.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_versions_are_ordered() -> None:
    assert list(VERSIONS) == ["1.0", "1.1", "1.2"]
    assert [repr(d) for d in ALL] == ["<STOMP 1.0>", "<STOMP 1.1>", "<STOMP 1.2>"]
    assert frozenset({"CONNECT", "STOMP", "CONNECTED"}) == UNESCAPED


def test_documented_table_equals_the_code() -> None:
    rows = table()

    def yes(flags: list[bool]) -> list[str]:
        return ["yes" if flag else "no" for flag in flags]

    assert rows[""] == [d.number for d in ALL]
    assert rows["line end"] == ["LF or CR LF" if d.crlf else "LF" for d in ALL]
    assert rows["SUBSCRIBE needs an ``id``"] == yes([d.subscription_id for d in ALL])
    assert rows["NACK"] == yes([d.nack for d in ALL])
    assert rows["heart-beats"] == yes([d.heartbeats for d in ALL])
    for cell, d in zip(rows["an ACK names the message by"], ALL, strict=True):
        assert cell.startswith(f"``{d.ack_header}``")
    for cell, d in zip(rows["escapes in headers"], ALL, strict=True):
        assert set(cell.strip("`").split()) - {"none"} == set(d.escapes.values())


def test_every_field_is_documented() -> None:
    assert Version.__doc__ is not None
    for field in dataclasses.fields(Version):
        assert field.name.startswith("_") or f"{field.name}:" in Version.__doc__


PLAIN = "a\\b\nc:d\re"


@pytest.mark.parametrize(
    ("d", "escaped"),
    [(STOMP10, PLAIN), (STOMP11, "a\\\\b\\nc\\cd\re"), (STOMP12, "a\\\\b\\nc\\cd\\re")],
    ids=repr,
)
def test_special_characters_are_escaped(d: Version, escaped: str) -> None:
    assert d.escape(PLAIN) == escaped
    assert d.unescape(escaped) == PLAIN


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("", ""),
        ("\\\\", "\\"),
        ("\\\\n", "\\n"),
        ("\\\\\\n", "\\\n"),
        ("\\\\\\\\", "\\\\"),
        ("\\\\\\\\c", "\\\\c"),
        ("\\n\\n", "\n\n"),
        ("x\\\\y\\cz", "x\\y:z"),
        ("C\\c\\\\new\\\\code", "C:\\new\\code"),
    ],
)
def test_unescaping_reads_from_left_to_right(escaped: str, plain: str) -> None:
    assert STOMP11.unescape(escaped) == plain
    assert STOMP12.unescape(escaped) == plain


def test_1_0_has_no_escapes() -> None:
    assert STOMP10.unescape("C:\\new\\code\\") == "C:\\new\\code\\"


@pytest.mark.parametrize("text", ["\\t", "\\", "a\\", "\\\\\\", "\\C", "\\N", "\\\\\\x", "\\ "])
def test_undefined_escapes_are_refused_or_kept(text: str) -> None:
    for d in (STOMP11, STOMP12):
        with pytest.raises(RemoteProtocolError, match="undefined escape"):
            d.unescape(text)
    kept = STOMP12.unescape(text, keep_undefined=True)
    assert kept == text.replace("\\\\", "\\")


def test_a_carriage_return_has_an_escape_in_1_2_only() -> None:
    assert STOMP12.unescape("\\r") == "\r"
    with pytest.raises(RemoteProtocolError):
        STOMP11.unescape("\\r")


@pytest.mark.parametrize(
    ("d", "carried"), [(STOMP10, ":\\"), (STOMP11, ":\\\n"), (STOMP12, ":\\\n\r")], ids=repr
)
def test_characters_are_accepted_by_version(d: Version, carried: str) -> None:
    assert [char for char in ":\\\n\r\0" if d.carries(f"a{char}b")] == list(carried)


def test_what_follows_from_the_escapes_is_derived_from_them() -> None:
    made = dataclasses.replace(STOMP12, number="1.3", escapes={"\\": "\\\\", "\t": "\\t", ":": "\\c"})
    assert made.codes == "\\tc"
    assert made.unescape("a\\tb\\c\\\\t") == "a\tb:\\t"
    assert made.is_escaped("a\\tb\\c\\\\")
    assert not made.is_escaped("a\\nb")
    assert STOMP12.codes == "\\ncr"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", "1.0 1.1 1.2"),
        ("plain", "1.0 1.1 1.2"),
        ("\\c", "1.0 1.1 1.2"),
        ("a\\cb\\c", "1.0 1.1 1.2"),
        ("\\\\", "1.0 1.1 1.2"),
        ("\\n\\\\\\c", "1.0 1.1 1.2"),
        ("\\\\t", "1.0 1.1 1.2"),
        ("\\\\\\\\c", "1.0 1.1 1.2"),
        ("\\r", "1.0 1.2"),
        ("\\t", "1.0"),
        ("\\", "1.0"),
        ("\\\\\\", "1.0"),
        ("\\c\\", "1.0"),
        ("\\\\\\t\\c", "1.0"),
        # Without its two middle backslashes it would be an escape sequence.
        ("\\x\\\\c", "1.0"),
    ],
)
def test_a_text_is_escaped_if_each_backslash_begins_an_escape_sequence(text: str, numbers: str) -> None:
    assert " ".join(d.number for d in ALL if d.is_escaped(text)) == numbers
    for d in ALL:
        if d.is_escaped(text):
            assert d.escape(d.unescape(text)) == text or d is STOMP10
        else:
            with pytest.raises(RemoteProtocolError):
                d.unescape(text)


def test_values_of_headers_are_unescaped_and_their_names_are_not() -> None:
    headers = Headers({"a\\c": "1\\c2", "b": "x"})
    assert STOMP12.unescaped(headers) == {"a\\c": "1:2", "b": "x"}
    assert headers["a\\c"] == "1\\c2"
    plain = Headers({"a\\c": "1:2", "b": "x"})
    assert STOMP12.unescaped(plain) is plain
