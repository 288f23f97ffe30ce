"""stomp.core.arguments: what each check accepts, and its error. `tests/test_arguments.py` has those of the clients."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stomp.core import arguments
from stomp.core.errors import UsageError


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 5


class Name(enum.StrEnum):
    ANNE = "anne"


class Text(str):
    """A str as a template engine makes it, which shows itself in another way."""

    __slots__ = ()

    def __str__(self) -> str:
        return "<Text>"


def error_of(check: Callable[..., object], *args: object, **kwargs: object) -> str:
    with pytest.raises(UsageError) as caught:
        check(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (False, "False"),
        (5, "5"),
        (-1.5, "-1.5"),
        ("3", "'3'"),
        ("", "''"),
        (Text("x"), "'x'"),
        (Size.BIG, "5"),
        ("x" * 38, repr("x" * 38)),
        ("x" * 39, "of type str"),
        (10**39, str(10**39)),
        (10**40, "of type int"),
        (b"x", "of type bytes"),
        ([], "of type list"),
        (Colour.RED, "of type Colour"),
    ],
)
def test_short_values_are_shown_and_others_by_their_type(value: object, text: str) -> None:
    assert arguments.shown(value) == text


def test_a_secret_is_shown_by_its_type() -> None:
    assert str(arguments.wrong("port", "x", "pass a number")) == "port is 'x' (pass a number)"
    assert (
        str(arguments.wrong("passcode", 5, "pass text", secret=True)) == "passcode is of type int (pass text)"
    )


# ------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_is_a_bool(value: bool) -> None:
    assert arguments.flag("durable", value) is value


@pytest.mark.parametrize("value", [1, 0, "yes", None])
def test_other_values_are_no_flag(value: object) -> None:
    assert error_of(arguments.flag, "durable", value) == f"durable is {value!r} (pass True or False)"


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (1, {}),
        (10**12, {}),
        (0, {"least": 0}),
        (-1, {"least": -1}),
        (9, {"most": 9}),
        (4, {"least": 4, "most": 4}),
        (Size.BIG, {}),
    ],
)
def test_a_count_has_both_bounds_included(value: int, bounds: dict[str, Any]) -> None:
    found = arguments.count("prefetch", value, **bounds)
    assert found == value
    assert type(found) is int


@pytest.mark.parametrize(
    ("value", "bounds", "text"),
    [
        (0, {}, "prefetch is 0 (pass a whole number, at least 1)"),
        (-1, {"least": 0}, "prefetch is -1 (pass a whole number, at least 0)"),
        (10, {"most": 9}, "prefetch is 10 (pass a whole number, 1 to 9)"),
        (3, {"least": 4, "most": 4}, "prefetch is 3 (pass a whole number, 4 to 4)"),
        (True, {}, "prefetch is True (pass a whole number, at least 1)"),
        ("1", {}, "prefetch is '1' (pass a whole number, at least 1)"),
        (1.0, {}, "prefetch is 1.0 (pass a whole number, at least 1)"),
        (None, {}, "prefetch is None (pass a whole number, at least 1)"),
        (0, {"hint": "pass more"}, "prefetch is 0 (pass more)"),
    ],
)
def test_what_is_no_count(value: object, bounds: dict[str, Any], text: str) -> None:
    assert error_of(arguments.count, "prefetch", value, **bounds) == text


@pytest.mark.parametrize("value", [0, -5, 1.5, float("inf")])
def test_a_number_has_any_sign(value: float) -> None:
    assert arguments.number("factor", value) is value


def test_a_number_may_have_a_least_value() -> None:
    assert arguments.number("factor", 1, least=1) == 1
    assert error_of(arguments.number, "factor", 0.9, least=1) == "factor is 0.9 (pass a number)"
    assert (
        error_of(arguments.number, "factor", 0.9, least=1, hint="at least 1") == "factor is 0.9 (at least 1)"
    )


@pytest.mark.parametrize("value", [float("nan"), True, "5", None])
def test_what_is_no_number(value: object) -> None:
    assert error_of(arguments.number, "factor", value) == f"factor is {value!r} (pass a number)"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (3, 3),
        (0.5, 0.5),
        (0, 0),
        (-1, -1),
        (timedelta(minutes=1), 60),
        (timedelta(seconds=0.5), 0.5),
        (timedelta(seconds=-2), -2),
        (Size.BIG, 5),
    ],
)
def test_seconds_are_a_number_or_a_timedelta(value: object, found: float) -> None:
    assert arguments.seconds("timeout", value) == found
    if found > 0:
        assert arguments.seconds("timeout", value, above_zero=True) == found
    else:
        text = error_of(arguments.seconds, "timeout", value, above_zero=True)
        assert (
            text == f"timeout is {arguments.shown(value)} (pass a number of seconds above 0, as in timeout=3)"
        )


@pytest.mark.parametrize(
    ("value", "shown", "example"),
    [
        ("7", "'7'", "7"),
        (" 7 ", "' 7 '", "7"),
        ("7 s", "'7 s'", "3"),
        ("", "''", "3"),
        (True, "True", "3"),
        (None, "None", "3"),
        (float("nan"), "nan", "3"),
        ([], "of type list", "3"),
    ],
)
def test_an_error_about_seconds_has_an_example(value: object, shown: str, example: str) -> None:
    text = error_of(arguments.seconds, "ttl", value)
    assert text == f"ttl is {shown} (pass a number of seconds, as in ttl={example})"


def test_an_object_with_an_attribute_of_the_name_is_no_timedelta() -> None:
    assert "pass a number of seconds" in error_of(
        arguments.seconds, "ttl", types.SimpleNamespace(total_seconds=5)
    )


def test_a_lifetime_is_above_zero_and_below_31_years() -> None:
    assert arguments.lifetime("ttl", timedelta(days=1)) == 86400
    assert arguments.lifetime("ttl", 999_999_999) == 999_999_999
    assert (
        error_of(arguments.lifetime, "ttl", 10**9)
        == "ttl is 1000000000 (pass a number of seconds below 1000000000)"
    )
    for value in (0, -1, 0.0):
        assert error_of(arguments.lifetime, "ttl", value) == (
            f"ttl is {value} (pass a number of seconds above 0, as in ttl=3)"
        )


# ------------------------------------------------------------------------------------- texts


def test_text_is_a_plain_str() -> None:
    assert arguments.text("vhost", "/") == "/"
    assert arguments.text("vhost", "") == ""
    for value in (Text("x"), Name.ANNE):
        found = arguments.text("vhost", value, empty=False)
        assert type(found) is str
        assert found == {"x": "x", "anne": "anne"}[found]


def test_what_is_no_text() -> None:
    assert error_of(arguments.text, "vhost", 5) == "vhost is 5 (pass text (str))"
    assert error_of(arguments.text, "vhost", b"/") == "vhost is of type bytes (pass text (str))"
    assert (
        error_of(arguments.text, "vhost", "", empty=False, hint="pass a name") == "vhost is '' (pass a name)"
    )
    assert error_of(arguments.text, "vhost", Text(""), empty=False) == "vhost is '' (pass text (str))"


@pytest.mark.parametrize("value", ["x", b"x", 5, 1.5, None, True, Size.BIG, Name.ANNE])
def test_a_header_value_is_anything_with_a_text(value: object) -> None:
    assert arguments.header_value("priority", value) is value


@pytest.mark.parametrize("value", [["x"], ("x",), {}, {1}, frozenset()])
def test_a_container_is_no_header_value(value: object) -> None:
    text = error_of(arguments.header_value, "priority", value)
    assert text == f"priority is of type {type(value).__name__} (pass text or a number)"


def test_a_member_of_an_enum_is_no_header_value() -> None:
    text = error_of(arguments.header_value, "priority", Colour.RED)
    assert text == "priority is of type Colour (pass text or a number, such as the .value of this member)"


@pytest.mark.parametrize("value", ["x", b"x", 5, str, lambda: "x"])
def test_a_credential_is_a_text_or_a_function(value: object) -> None:
    assert arguments.secret("passcode", value) is value


@pytest.mark.parametrize("value", [None, ["swordfish"], 1.5])
def test_an_invalid_credential_is_not_shown(value: object) -> None:
    text = error_of(arguments.secret, "passcode", value)
    assert text == f"passcode is of type {type(value).__name__} (pass text, or a function that returns it)"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": "b"},
        {"a": 5, b"b": b"c", "d": None, "e": ("x", "y"), "f": Size.BIG, "g": Name.ANNE},
        types.MappingProxyType({"a": "b"}),
    ],
)
def test_headers_are_copied(value: dict[str, Any]) -> None:
    found = arguments.headers("headers", value)
    assert found == value
    assert type(found) is dict
    assert found is not value
    assert arguments.connect_headers("headers", value) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a:b", 'headers is of type str (pass a dictionary, as in headers={"name": "value"})'),
        ([("a", "b")], 'headers is of type list (pass a dictionary, as in headers={"name": "value"})'),
        ({5: "a"}, "the name of a header is 5 (pass text (str))"),
        ({None: "a"}, "the name of a header is None (pass text (str))"),
        (
            {"a": ["b"]},
            "the header 'a' is of type list (pass text or a number; a tuple is a header that is repeated)",
        ),
        (
            {"x": "y", "a": {}},
            "the header 'a' is of type dict (pass text or a number; a tuple is a header that is repeated)",
        ),
        (
            {b"a": {1}},
            "the header 'a' is of type set (pass text or a number; a tuple is a header that is repeated)",
        ),
        (
            {"a": Colour.RED},
            "the header 'a' is of type Colour (pass text or a number, such as the .value of this member)",
        ),
        (
            {"a" * 50: []},
            f"the header '{'a' * 40}' is of type list (pass text or a number; a tuple is a header that is repeated)",
        ),
    ],
)
def test_what_are_no_headers(value: object, text: str) -> None:
    assert error_of(arguments.headers, "headers", value) == text
    assert error_of(arguments.connect_headers, "headers", value) == text


def test_headers_may_have_a_hint_of_their_own() -> None:
    assert error_of(arguments.headers, "headers", 5, hint="say more") == "headers is of type int (say more)"


def test_headers_of_connect_may_come_from_a_function() -> None:
    assert arguments.connect_headers("headers", dict) is dict


@pytest.mark.parametrize(
    ("value", "found"), [("/queue/a", "/queue/a"), (b"/queue/a", "/queue/a"), (Text("/queue/a"), "/queue/a")]
)
def test_a_destination_is_text(value: object, found: str) -> None:
    assert arguments.destination(value) == found
    assert type(arguments.destination(value)) is str


@pytest.mark.parametrize("value", [None, "", b"", Text("")])
def test_an_empty_destination_is_none(value: object) -> None:
    text = error_of(arguments.destination, value)
    assert text == "there is no destination (say where to send it, as in /queue/orders)"


@pytest.mark.parametrize("value", [5, 0, ["/queue/a"], [], False])
def test_what_is_no_destination(value: object) -> None:
    text = error_of(arguments.destination, value)
    assert text == f'the destination is {arguments.shown(value)} (pass text, as in "/queue/orders")'


# ------------------------------------------------------------------------------------- choices and several values


def test_a_choice_is_one_of_several_texts() -> None:
    assert arguments.one_of("ack", "client", ["auto", "client"]) == "client"
    assert type(arguments.one_of("ack", Name.ANNE, iter(["anne"]))) is str
    for value in ("Client", "", None, 5):
        text = error_of(arguments.one_of, "ack", value, iter(["auto", "client", "none"]))
        assert text == f"ack is {value!r} (use auto, client or none)"


def test_an_object_of_settings_is_not_shown() -> None:
    assert arguments.instance("tls", "x", str, "pass text") == "x"
    assert (
        error_of(arguments.instance, "tls", "x", int, "pass a number") == "tls is of type str (pass a number)"
    )


def test_items_are_any_iterable_but_a_text() -> None:
    assert arguments.items("users", iter([1, 2]), "pass a list") == (1, 2)
    assert arguments.items("users", {"a": 1}, "pass a list") == ("a",)
    for value in ("ab", b"ab", 5):
        text = error_of(arguments.items, "users", value, "pass a list")
        assert text == f"users is of type {type(value).__name__} (pass a list)"


@pytest.mark.parametrize("value", [(0, 0), (10, 0), [0, 20], (Size.BIG, Size.BIG)])
def test_heartbeats_are_two_counts(value: tuple[int, int]) -> None:
    found = arguments.heartbeat("heartbeat", value)
    assert found == tuple(value)
    assert [type(each) for each in found] == [int, int]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        ("5,5", "'5,5'"),
        (None, "None"),
        ((5,), "(5)"),
        ((1, 2, 3), "(1, 2, 3)"),
        ((-1, 0), "(-1, 0)"),
        ((0, -1), "(0, -1)"),
        (("5", None), "('5', None)"),
        ((True, 5), "(True, 5)"),
    ],
)
def test_what_are_no_heartbeats(value: object, shown: str) -> None:
    text = error_of(arguments.heartbeat, "heartbeat", value)
    assert text == f"heartbeat is {shown} (pass two numbers of milliseconds, as in heartbeat=(10000, 10000))"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("1.2", ("1.2",)),
        ("1.1,1.2", ("1.1", "1.2")),
        (" 1.1 , 1.2 ", ("1.1", "1.2")),
        (Text("1.0"), ("1.0",)),
        (["1.2", "1.0"], ("1.2", "1.0")),
        (iter(["1.1"]), ("1.1",)),
        ([Text("1.1")], ("1.1",)),
    ],
)
def test_versions_are_a_text_or_several(value: object, found: tuple[str, ...]) -> None:
    versions = arguments.versions("versions", value)
    assert versions == found
    assert {type(each) for each in versions} == {str}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2, "versions is 1.2"),
        (None, "versions is None"),
        ([], "versions is empty"),
        ("", "versions has ''"),
        ([1.2], "versions has 1.2"),
        (["1.2", "1.3"], "versions has '1.3'"),
        ("1.2;1.1", "versions has '1.2;1.1'"),
    ],
)
def test_what_are_no_versions(value: object, text: str) -> None:
    assert error_of(arguments.versions, "versions", value) == (
        f'{text} (use some of 1.0, 1.1, 1.2, as in versions=["1.2"])'
    )


# ------------------------------------------------------------------------------------- options

CHECKS: dict[str, Callable[[str, Any], Any]] = {"durable": arguments.flag, "prefetch": arguments.count}


def test_options_are_checked_by_their_functions() -> None:
    given = {"prefetch": Size.BIG, "durable": True}
    assert arguments.check_options(given, CHECKS) == {"prefetch": 5, "durable": True}
    assert arguments.check_options({"prefetch": None, "durable": False}, CHECKS) == {"durable": False}
    assert error_of(arguments.check_options, {"prefetch": 0}, CHECKS) == (
        "prefetch is 0 (pass a whole number, at least 1)"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [("prefech", "did you mean prefetch?"), ("xyz", "there are durable, prefetch")],
)
def test_an_unknown_option_is_refused_even_without_a_value(name: str, hint: str) -> None:
    with pytest.raises(TypeError) as caught:
        arguments.check_options({"durable": True, name: None}, CHECKS)
    assert str(caught.value) == f"unexpected option '{name}' ({hint}; a header goes into headers=)"
