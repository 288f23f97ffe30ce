"""``stomp man``: generates the manual page, and the reference page of the documentation as Markdown.

Both are made from `stomp.cli.framework.registry` and `stomp.cli.shell.command_table`.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, NamedTuple

from stomp._version import __version__
from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import MEANINGS
from stomp.cli.framework.parser import hidden
from stomp.cli.shell import command_table

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

_CONNECTION = "Connection"

_ABOUT = """\
stomp talks to message brokers that speak STOMP 1.0, 1.1 and 1.2. With the name of a command it does one thing, for \
scripts. Without one it is an interactive client, which can also run a script (`--file`) or listen to a \
destination (`--listen`). It and every command has a `--help`.

Options may stand before, between and after the arguments, and before the name of the command. `--` ends them: what \
follows is an argument, even if it starts with `-`. Negative numbers are arguments."""

_STREAMS = """\
Data goes to standard output, everything else to standard error. An error is one line, and the exit status says \
whose it is. Colours are for terminals only, and not used where NO_COLOR is set. Control characters in messages \
never reach a terminal as they are. `python -m stomp` is the same command."""

_CONNECTING = """\
All commands that need a broker have these options. They may also stand before the name of the command. What is more \
special wins: options, then the context that `--context` names, then STOMP_URL and STOMP_PASSWORD, then the context \
of STOMP_CONTEXT or the default one. The last two count only if nothing else names a broker, so the password of one \
broker is never told to another one."""

_CONTEXTS = """\
A context is a name for settings, in a file of TOML. The keys are the long options of the connection without their \
dashes; `connect-header` is a table. The context called by the key `default` is used when nothing else names a broker. \
A file that holds a password must not be readable by others."""

_CONTEXT_FILE = """\
default = "local"

[local]
url = "stomp://localhost"

[production]
url = "stomp+ssl://a.example.com,b.example.com"
user = "robot"
password-command = "pass show broker"
heartbeats = "10000,10000"
"""

_TYPING = """\
Without the name of a command, these can be typed, or stand in the file that `--file` names, one in a line. Words with \
blanks are put in quotes. A message goes on to the end of the line, and keeps its blanks. Lines that begin with # are \
comments. On a terminal, Tab completes what has been seen, and the lines are kept for the next time; with the \
extra `cli` (`pip install "stompkit[cli]"`) what arrives is printed above the line that is being typed. A message \
with a filename header is a file in base64: it is saved in the folder that `--save-to` names, under the last part of \
its name, and never over another file."""

_ENVIRONMENT = (
    ("STOMP_URL", "the broker, if no option and no `--context` names one"),
    ("STOMP_PASSWORD", "the password, if there is a user and nothing else gives one"),
    ("STOMP_CONTEXT", "the context to use when nothing else names a broker"),
    ("NO_COLOR", "no colours, if it is set to anything"),
    ("XDG_CONFIG_HOME, XDG_STATE_HOME", "where the files below are, if not in ~/.config and ~/.local/state"),
)

_FILES = (
    ("~/.config/stomp/contexts.toml", "contexts"),
    ("~/.local/state/stomp/history", "what was typed at the prompt"),
)


class Block(NamedTuple):
    """A block of the page.

    Attributes:
        kind: "heading", "subheading", "text", "code" or "items".
        text: the text; empty for "items".
        items: pairs of a term and its description, for "items".
    """

    kind: str
    text: str = ""
    items: tuple[tuple[str, str], ...] = ()


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.epilog = "stomp man | man -l -"
    parser.add("--markdown", action="store_true", help="print the same as Markdown")


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the page."""
    terminal.write(markdown() if args.markdown else roff())
    return 0


def blocks() -> Iterator[Block]:
    """The blocks of the page, without its title."""
    client = registry.CLIENT.parser()
    yield Block("text", _ABOUT)
    yield Block("text", _STREAMS)
    yield Block("heading", "Options of the client")
    yield Block("items", items=_options(client, lambda group: group != _CONNECTION))
    yield Block("heading", "Options of the connection")
    yield Block("text", _CONNECTING)
    yield Block("items", items=_options(client, lambda group: group == _CONNECTION))
    yield Block("heading", "Contexts")
    yield Block("text", _CONTEXTS)
    yield Block("code", _CONTEXT_FILE)
    yield Block("heading", "Commands")
    for command in registry.COMMANDS:
        yield from _command(command)
    yield Block("heading", "At the prompt")
    yield Block("text", _TYPING)
    for verb in command_table.VERBS:
        yield Block("subheading", f"{verb.name} {verb.usage}".strip())
        yield Block("text", verb.description.rstrip(".") + ".")
        if items := (*verb.required, *verb.optional):
            yield Block("items", items=items)
    yield Block("heading", "Exit status")
    yield Block("items", items=tuple((str(int(status)), text) for status, text in MEANINGS.items()))
    yield Block("heading", "Environment")
    yield Block("items", items=_ENVIRONMENT)
    yield Block("heading", "Files")
    yield Block("items", items=_FILES)


def _command(command: registry.Command) -> Iterator[Block]:
    parser = command.parser()
    usage = (parser.usage or "").replace("%(prog)s", command.title)
    yield Block("subheading", usage)
    yield Block("text", (parser.description or command.summary).strip())
    if items := _options(parser, lambda group: group != _CONNECTION):
        yield Block("items", items=items)
    if any(group == _CONNECTION for group, _ in parser.groups):
        yield Block("text", "And the options of the connection.")
    if parser.epilog:
        indented = parser.epilog.lstrip("\n").rstrip()
        yield Block("code" if "\n" in indented or indented.startswith("stomp ") else "text", indented)


def _options(parser: Parser, wanted: Callable[[str], bool]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_term(action), parser.help_of(action))
        for group, actions in parser.groups
        if wanted(group)
        for action in actions
        if action.help is not argparse.SUPPRESS and "--help" not in action.option_strings
    )


def _term(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return metavar
    names = ", ".join(name for name in action.option_strings if name not in hidden(action))
    return names if action.nargs == 0 else f"{names} {metavar}"


# ----------------------------------------------------------------------------------------- Markdown


def markdown() -> str:
    """The page as Markdown."""
    parts = ["# The command `stomp`", "<!-- made by: stomp man --markdown -->"]
    for block in blocks():
        if block.kind == "heading":
            parts.append(f"## {block.text}")
        elif block.kind == "subheading":
            parts.append(f"### `{block.text}`")
        elif block.kind == "code":
            parts.append(f"```text\n{block.text.rstrip()}\n```")
        elif block.kind == "items":
            rows = [f"| `{term}` | {_cell(text)} |" for term, text in block.items]
            parts.append("\n".join(["| | |", "|---|---|", *rows]))
        else:
            parts.append(block.text)
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "\\<")


# ----------------------------------------------------------------------------------------- roff, man(7)


def roff() -> str:
    """The page as roff, for ``man``."""
    lines = [
        f'.TH STOMP 1 "" "stompkit {__version__}" "User Commands"',
        ".SH NAME",
        r"stomp \- talk to message brokers that speak STOMP",
        ".SH SYNOPSIS",
        ".B stomp",
        r"[\fIoptions\fR]",
        ".br",
        ".B stomp",
        r"\fIcommand\fR [\fIoptions\fR] [\fIarguments\fR]",
        ".SH DESCRIPTION",
    ]
    for block in blocks():
        if block.kind == "heading":
            lines.append(f".SH {block.text.upper()}")
        elif block.kind == "subheading":
            lines.append(f'.SS "{_escaped(block.text)}"')
        elif block.kind == "code":
            code = [_safe(_escaped(line)) for line in block.text.rstrip().splitlines()]
            lines += [".sp", ".RS 4", ".nf", *code, ".fi", ".RE"]
        elif block.kind == "items":
            for term, text in block.items:
                lines += [".TP", rf"\fB{_escaped(term)}\fR", _safe(_marked(text))]
        else:
            prose = [_safe(_marked(line)) for line in block.text.splitlines() if line.strip()]
            lines += prose if lines[-1].startswith((".SH", ".SS")) else [".PP", *prose]
    return "\n".join(lines) + "\n"


def _marked(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", _escaped(" ".join(text.split())))


def _escaped(text: str) -> str:
    # roff turns a bare - into a hyphen, which a search for - does not find, and a bare quote into a typographic one.
    special = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
    return "".join(special.get(char, char) for char in text)


def _safe(line: str) -> str:
    """Protect a line that begins with a control character, so that roff does not read it as a request."""
    return rf"\&{line}" if line.startswith((".", "'")) else line
