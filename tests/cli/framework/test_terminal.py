"""What reaches a terminal, and what reaches a pipe."""

from __future__ import annotations

import io

import pytest

from stomp.cli.framework.terminal import Terminal, clean, one_line


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Pipe(io.TextIOWrapper):
    """A stream that is none, with bytes beneath."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="utf-8", newline="")


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é, 漢, 👩‍🚀\n\ttab", "plain, é, 漢, 👩‍🚀\n\ttab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten\b", "over\\rwritten\\x08"),
        ("\x7f\x9b2J", "\\x7f\\x9b2J"),
        ("\u202eright to left\u2069", "\\u202eright to left\\u2069"),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
    ],
)
def test_control_characters_are_escaped(text: str | bytes, shown: str) -> None:
    assert clean(text) == shown


def test_every_control_character_is_escaped() -> None:
    codes = [*range(32), *range(0x7F, 0xA0)]
    assert clean("".join(map(chr, codes))).replace("\n", "").replace("\t", "").isprintable()
    assert clean("".join(map(chr, codes)), lines=False).isprintable()


def test_own_message_is_one_line() -> None:
    assert one_line("two\n lines\x1b") == "two lines\\x1b"


def test_data_is_escaped_for_a_terminal_only() -> None:
    screen, pipe = Screen(), Pipe()
    Terminal(screen, environ={}).write("\x1b[2J")
    assert screen.getvalue() == "\\x1b[2J"
    Terminal(pipe, environ={}).write("\x1b[2J")
    Terminal(pipe, environ={}).write(b"\xff\r\n")
    assert pipe.bytes.getvalue() == b"\x1b[2J\xff\r\n"


def test_stream_without_buffer_gets_text() -> None:
    stream = io.StringIO()
    Terminal(stream).write(b"\xff")
    Terminal(stream).write("text")
    assert stream.getvalue() == "\\xfftext"


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Screen(), {}, True),
        (Screen(), {"NO_COLOR": ""}, True),
        (Screen(), {"NO_COLOR": "1"}, False),
        (Screen(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_depend_on_terminal_and_environment(
    stream: io.StringIO, environ: dict[str, str], coloured: bool
) -> None:
    terminal = Terminal(err=stream, environ=environ, name="stomp send")
    terminal.error("it\x1bfailed")
    line = "stomp send: it\\x1bfailed"
    assert stream.getvalue() == (f"\33[1;31m{line}\33[0m\n" if coloured else f"{line}\n")


def test_object_without_isatty_has_no_colours() -> None:
    class Strange:
        pass

    strange = Strange()
    assert not Terminal().is_terminal(strange)  # type: ignore[arg-type]


def test_closed_standard_error_is_no_error() -> None:
    Terminal(err=Closed()).info("hello")


def test_closed_standard_output_is_an_error() -> None:
    with pytest.raises(BrokenPipeError):
        Terminal(Closed()).write("hello")
