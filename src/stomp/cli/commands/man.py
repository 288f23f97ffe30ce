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
stomp is a client for message brokers that support STOMP 1.0, 1.1 or 1.2. With a command name it performs one task, \
for use in scripts. Without one it is an interactive client, which can also run a script (`--file`) or print the \
messages of a destination (`--listen`). Every command has a `--help`.

Options may be given before, between and after the arguments, and before the command name. `--` ends the options: \
everything after it is an argument, even if it starts with `-`. Negative numbers are arguments."""

_STREAMS = """\
Data goes to standard output, everything else to standard error. An error is one line; the exit status gives its \
kind. Colours are used only on terminals, and not if NO_COLOR is set. Control characters in messages are escaped \
before they are written to a terminal. `python -m stomp` is the same command."""

_CONNECTING = """\
All commands that need a broker have these options. They may also be given before the command name. The order of \
precedence is: options, the context of `--context`, STOMP_URL and STOMP_PASSWORD, the context of STOMP_CONTEXT, the \
default context. The last two are used only if nothing else specifies a broker, so the password of one broker is \
never sent to another one."""

_CONTEXTS = """\
A context is a named set of connection settings in a TOML file. The keys are the long connection options without \
the leading hyphens; `connect-header` is a table. The key `default` gives the context to use if nothing else specifies \
a broker. A file that contains a password must not be readable by other users."""

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
Without a command name, these commands are read from the prompt, or from the file of `--file`, one per line. Put words \
with spaces in quotes. A message continues to the end of the line and keeps its spaces. Lines that begin with # are \
comments. On a terminal, Tab completes commands, destinations and ids, and the input history is saved; with the \
extra `cli` (`pip install "stompkit[cli]"`) incoming messages are printed above the input line. A message with a \
filename header is a file in base64: it is saved in the folder of `--save-to`, under the last part of its name, and \
never overwrites a file."""

_ENVIRONMENT = (
    ("STOMP_URL", "the broker, if no option and no `--context` specifies one"),
    ("STOMP_PASSWORD", "the password, if there is a user and no other source of the password"),
    ("STOMP_CONTEXT", "the context to use if nothing else specifies a broker"),
    ("NO_COLOR", "turns colours off if it is set to any value"),
    ("XDG_CONFIG_HOME, XDG_STATE_HOME", "folders of the files below (default ~/.config and ~/.local/state)"),
)

_FILES = (
    ("~/.config/stomp/contexts.toml", "contexts"),
    ("~/.local/state/stomp/history", "input history of the prompt"),
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
    parser.epilog = "Examples:\n  stomp man | man -l -"
    parser.add("--markdown", action="store_true", help="print Markdown instead of roff")


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the page."""
    terminal.write(markdown() if args.markdown else roff())
    return 0


def blocks() -> Iterator[Block]:
    """The blocks of the page, without its title."""
    client = registry.CLIENT.parser()
    yield Block("text", _ABOUT)
    yield Block("text", _STREAMS)
    yield Block("heading", "Client options")
    yield Block("items", items=_options(client, lambda group: group != _CONNECTION))
    yield Block("heading", "Connection options")
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
    for row in command_table.SHELL_COMMANDS:
        yield Block("subheading", f"{row.name} {row.usage}".strip())
        yield Block("text", row.description.rstrip(".") + ".")
        if items := (*row.required, *row.optional):
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
        yield Block("text", "The connection options also apply.")
    if parser.epilog:
        indented = parser.epilog.lstrip("\n").rstrip()
        yield Block("code" if "\n" in indented or indented.startswith("stomp ") else "text", indented)


def _options(parser: Parser, is_wanted: Callable[[str], bool]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_term(action), parser.help_of(action))
        for group, actions in parser.groups
        if is_wanted(group)
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
        r"stomp \- client for STOMP message brokers",
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
