"""Selectors: accepted and refused messages, invalid selectors, and bounded time."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.broker.selector import DEPTH, SelectorError, compile_selector

HEADERS = {
    "color": "red",
    "size": "5",
    "name": "order-17_a",
    "empty": "",
    "it": "it's",
    "x-y": "z",
    "priority": "7",
    "persistent": "true",
    "correlation-id": "c1",
    "percent": "100%",
}


@pytest.mark.parametrize(
    "text",
    [
        "color = 'red'",
        "color <> 'blue'",
        "NOT color = 'blue'",
        "not color = 'blue' and 1 = 1",
        "NOT NOT color = 'red'",
        "color = 'blue' OR color = 'red' AND size = '5'",
        "(color = 'blue' OR color = 'red') AND size = '5'",
        "color IN ('blue', 'red')",
        "color NOT IN ('blue')",
        "missing IS NULL",
        "color IS NOT NULL",
        "empty IS NOT NULL AND empty = ''",
        "it = 'it''s'",
        "name LIKE 'order-%'",
        "name LIKE '%17%a'",
        "name LIKE 'order-__!_a' ESCAPE '!'",
        "name LIKE '%'",
        "empty LIKE '%'",
        "empty LIKE ''",
        "percent LIKE '1__\\%' ESCAPE '\\'",
        "name NOT LIKE 'order_%17'",
        "5 BETWEEN 3 AND 5.5",
        "7 NOT BETWEEN 3 AND 5",
        "1 + 2 * 3 = 7",
        "(1 + 2) * 3 = 9 AND 7 - 2 - 1 = 4 AND 8 / 4 / 2 = 1",
        "-3 < +2 AND - -3 = 3",
        "1e2 = 100 AND .5 = 0.5 AND 5L = 5",
        "TRUE",
        "TRUE = TRUE AND TRUE <> FALSE",
        "JMSPriority > 5",
        "JMSDeliveryMode = 'PERSISTENT'",
        "JMSCorrelationID = 'c1'",
        "JMSExpiration = 0",
        "convert_string_expressions:size > 3 AND size BETWEEN 4 AND 6",
        "hyphenated_props:x-y = 'z'",
        "hyphenated_props:convert_string_expressions:size = 5 AND x-y = 'z'",
        "size = 5 AND size > 3 AND size BETWEEN 4 AND 6 AND size + 1 = 6",
        "NOT (color > 3)",  # values of different types: the result is false
        "color = 'red' OR missing = 'x'",
        "NOT (color = 'blue' AND missing = 'x')",
    ],
)
def test_selector_matches(text: str) -> None:
    assert compile_selector(text)(HEADERS)


@pytest.mark.parametrize(
    "text",
    [
        "color = 'blue'",
        "color = 'RED'",
        "FALSE",
        "color",
        "size > 5",
        "size = TRUE",
        "color < x",
        "color = 'red' AND missing = 'x'",
        "missing = 'x'",
        "missing <> 'x'",
        "NOT missing = 'x'",
        "missing NOT IN ('x')",
        "missing LIKE '%'",
        "missing NOT LIKE '%'",
        "missing BETWEEN 1 AND 2",
        "color IS NULL",
        "name LIKE 'order'",
        "name LIKE 'Order-%'",
        "name LIKE '%17'",
        "TRUE = 1",
        "TRUE < FALSE",
        "1 / 0 = 1",
        "1 / 0 <> 1",
        "color + 1 = 2",
        "5 BETWEEN 6 AND 3",
        "1e30 * 1e300 * 1e300 = 0",
        "convert_string_expressions:color > 3",
    ],
)
def test_selector_does_not_match(text: str) -> None:
    assert not compile_selector(text)(HEADERS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the end"),
        ("color =", "the end"),
        ("= 'red'", "'='"),
        ("color = 'red", "at 9"),
        ('color = "red"', "unexpected character"),
        ("color == 'red'", "not expected"),
        ("color = 'red' color", "at 15"),
        ("color IN ()", "a text"),
        ("color IN ('a' 'b')", r"\)"),
        ("color IN (1)", "a text"),
        ("color LIKE 5", "a text"),
        ("color LIKE 'a' ESCAPE 'ab'", "one character"),
        ("color LIKE 'a!' ESCAPE '!'", "ends in its ESCAPE"),
        ("color BETWEEN 1", "AND"),
        ("color IS 'x'", "NULL"),
        ("color NOT 'x'", "BETWEEN, IN or LIKE"),
        ("(color = 'red'", r"\)"),
        ("color = 'red')", r"'\)'"),
        ("size < '9'", "no order"),
        ("'a' >= color", "no order"),
        ("color BETWEEN 'a' AND 'z'", "no order"),
        ("AND", "'AND'"),
        ("x-y = 'z' ; drop", "';'"),
        ("(" * (DEPTH + 1), "parentheses"),
        ("1" + " + 1" * 101 + " = 1", "calculations"),
        ("1" * 100 + " = 1", "too long"),
    ],
)
def test_invalid_selector_is_refused(text: str, words: str) -> None:
    with pytest.raises(SelectorError, match=words):
        compile_selector(text)


_WORDS = [
    *("color", "size", "missing", "'red'", "'a%_'", "5", "-1.5e3", "TRUE", "FALSE", "NULL"),
    *("AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "ESCAPE", "IS", "'!'"),
    *("(", ")", ",", "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/"),
]


@pytest.mark.slow(reason="hundreds of examples")
@given(st.one_of(st.text(max_size=50), st.lists(st.sampled_from(_WORDS), max_size=30).map(" ".join)))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(SelectorError):
        wanted = compile_selector(text)
        assert wanted(HEADERS) in (True, False)
        assert wanted({}) in (True, False)


@given(st.text("ab%_", max_size=12), st.text("abc", max_size=12))
def test_like_equals_a_regular_expression(pattern: str, value: str) -> None:
    regex = "".join({"%": ".*", "_": "."}.get(letter, letter) for letter in pattern)
    assert compile_selector(f"a LIKE '{pattern}'")({"a": value}) == bool(re.fullmatch(regex, value))


def test_nesting_is_limited() -> None:
    assert compile_selector("(" * DEPTH + "TRUE" + ")" * DEPTH)({})
    assert compile_selector("NOT " * 20_000 + "TRUE")({})
    assert compile_selector("-" * 20_000 + "1 = 1")({})
    assert compile_selector("(1 + 1 = 2 AND " * 45 + "TRUE" + ")" * 45)({})
    assert compile_selector("1 = 0 OR " * 5_000 + "TRUE")({})


def test_pattern_takes_linear_time() -> None:
    wanted = compile_selector("a LIKE '" + "%a" * 100 + "%b'")
    assert not wanted({"a": "a" * 20_000})
