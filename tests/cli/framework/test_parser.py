"""Options as stomp.py takes them, and complaints in one line."""

from __future__ import annotations

import argparse

import pytest

from stomp.cli.framework import parser as parsers
from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import Parser


@pytest.fixture
def parser() -> Parser:
    return registry.CLIENT.parser()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["-H", "h", "-P", "1", "-U", "u", "-W", "w"],
            {"host": "h", "port": "1", "user": "u", "password": "w"},
        ),
        (["--host=h", "--port=1"], {"host": "h", "port": "1"}),
        (["--pass", "x"], {"password": "x"}),
        (["--pass=x"], {"password": "x"}),
        (["--ho", "x", "--po=2", "--us", "me"], {"host": "x", "port": "2", "user": "me"}),
        (["--proto", "1.2"], {"protocol": "1.2"}),
        (["--stomp", "1.2"], {"protocol": "1.2"}),
        (["--stomp=1.0"], {"protocol": "1.0"}),
        (["-S1.0"], {"protocol": "1.0"}),
        (["-V"], {"verbose": True}),
        (["-V", "on"], {"verbose": True}),
        (["-V", "off"], {"verbose": False}),
        (["--verbose=on"], {"verbose": True}),
        (["--verb=off"], {"verbose": False}),
        (["-V", "-U", "u"], {"verbose": True, "user": "u"}),
        (["--heart", "1,2"], {"heartbeats": "1,2"}),
        (["--ssl", "--ssl-key=k", "--ssl-cert=c", "--ssl-ca=a"], {"ssl": True, "ssl_key_file": "k"}),
        (["--ssl-i"], {"ssl_insecure": True}),
        (["--fi", "f", "--li", "l"], {"file": "f", "listen": "l"}),
        (["--connect-header", "a:b", "--connect-header", "c:"], {"connect_header": [("a", "b"), ("c", "")]}),
        ([], {"host": None, "verbose": False, "connect_header": None}),
    ],
)
def test_options_are_parsed_in_all_forms(
    parser: Parser, arguments: list[str], expected: dict[str, object]
) -> None:
    read = vars(parser.read(arguments))
    assert {name: read[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nope"], "unknown option '--nope'"),
        (["word"], "unknown command 'word'"),
        (["-P"], "-P needs a value"),
        (["--verbose=maybe"], '--verbose takes "on", "off"'),
        (["--con", "x"], "--con could be --connect-timeout or --connect-header or --context"),
        (["--connect-header", "x"], "write name:value"),
        (["--", "x"], "unknown command 'x'"),
    ],
)
def test_wrong_usage_is_one_line(parser: Parser, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError) as caught:
        parser.read(arguments)
    assert words in str(caught.value)
    assert str(caught.value).endswith("(see stomp --help)")
    assert "\n" not in str(caught.value)


def test_abbreviations_of_stomp_py_are_accepted(parser: Parser) -> None:
    classic = [name for name in parsers.CLASSIC if name not in ("--stomp", "--ssl-insecure")]
    for option in classic:
        for length in range(3, len(option) + 1):
            short = option[:length]
            meant = [name for name in classic if name.startswith(short)]
            if len(meant) == 1 or short in classic:
                # Some options have a second name, of which the first may be a part: --heartbeat, --heartbeats.
                full = parser.options[parser.full_name(short)]
                assert full is parser.options[option] or short in classic


def test_help_hides_the_second_name_of_protocol(parser: Parser) -> None:
    help_text = parser.format_help()
    assert help_text.startswith("Usage: stomp [options]\n")
    assert "-S, --protocol STOMP" in help_text
    assert "--stomp" not in help_text


def test_numbers_are_checked() -> None:
    assert parsers.number(1)("2") == 2
    assert parsers.number(0, whole=False)("0.5") == 0.5
    for text in ("0", "x", "1.5", "", "nan"):
        with pytest.raises(argparse.ArgumentTypeError):
            parsers.number(1)(text)
    for text in ("nan", "inf", "-1"):
        with pytest.raises(argparse.ArgumentTypeError):
            parsers.number(0, whole=False)(text)


def test_headers_are_parsed() -> None:
    assert parsers.header("a:b:c") == ("a", "b:c")
    assert parsers.header(" a : b ") == ("a", "b")
    for text in ("a", ":b", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            parsers.header(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("200ms", 0.2),
        ("5s", 5),
        ("2m", 120),
        ("1h", 3600),
        ("7d", 604_800),
        (" 5 s ", 5),
    ],
)
def test_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    assert parsers.duration(0)(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "x", "5x", "-1", "nan", "inf", "1_0", "0.0001"])
def test_other_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write 5, "):
        parsers.duration(0.001)(text)
