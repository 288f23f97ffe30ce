"""How a line at the prompt is read."""

from __future__ import annotations

import pytest

from stomp.cli.framework.exit_status import CommandError
from stomp.cli.shell.line_parser import split, words


@pytest.mark.parametrize(
    ("line", "count", "expected"),
    [
        ("/queue/a hello world", 1, ["/queue/a", "hello world"]),
        ("  /queue/a   two  blanks   kept  ", 1, ["/queue/a", "two  blanks   kept"]),
        ('/queue/a "  around  "', 1, ["/queue/a", "  around  "]),
        ("/queue/a '  around  '", 1, ["/queue/a", "  around  "]),
        (r'/queue/a "a \"quote\" and a \\"', 1, ["/queue/a", 'a "quote" and a \\']),
        (r"/queue/a 'a \ stays'", 1, ["/queue/a", r"a \ stays"]),
        ("/queue/a it's", 1, ["/queue/a", "it's"]),
        ("/queue/a 'tis", 1, ["/queue/a", "'tis"]),
        ("/queue/a 'a' and 'b'", 1, ["/queue/a", "'a' and 'b'"]),
        ("/queue/a 'a''b'", 1, ["/queue/a", "'a''b'"]),
        ('/queue/a {"a": "b  c"}', 1, ["/queue/a", '{"a": "b  c"}']),
        (r"/queue/a C:\new\code", 1, ["/queue/a", r"C:\new\code"]),
        ('"/queue/with blank" x', 1, ["/queue/with blank", "x"]),
        ("/queue/a corr the message", 2, ["/queue/a", "corr", "the message"]),
        ('/queue/a ""', 1, ["/queue/a", ""]),
        ("/queue/a", 1, ["/queue/a"]),
        ("", 1, []),
    ],
)
def test_message_keeps_its_spaces(line: str, count: int, expected: list[str]) -> None:
    assert split(line, count) == expected


def test_words_are_split_with_quotes() -> None:
    assert words("""a 'b c' d"e"f ''""") == ["a", "b c", "def", ""]
    assert words("  ") == []


@pytest.mark.parametrize("line", ["'/queue/a", '"a', 'a "b', '"a\\"'])
def test_unclosed_quote_is_an_error(line: str) -> None:
    with pytest.raises(CommandError, match="not closed"):
        words(line)
