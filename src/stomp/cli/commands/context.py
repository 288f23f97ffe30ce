"""``stomp context``: manages the named connection settings in the contexts file."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from stomp.cli.config import contexts, options
from stomp.cli.framework.exit_status import CommandError

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

_ACTIONS = """\
Actions:
  add NAME     save the connection options of this command line under a name; replaces it if it exists
  ls           list the contexts; the default one has a star
  show [NAME]  show the settings of a context, without passwords
  select NAME  use this context when nothing else names a broker
  rm NAME      remove a context
  edit         open the file in $VISUAL or $EDITOR

Examples:
  stomp context add production --url stomp+ssl://broker.example.com -U robot --password-command "pass show broker"
  stomp context select production
  stomp --context production send /queue/orders hello"""
_PASSWORDS = ("password",)


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("ACTION [NAME]")
    parser.epilog = _ACTIONS
    parser.add(
        "action",
        metavar="ACTION",
        choices=("add", "ls", "show", "select", "rm", "edit"),
        help="add, ls, show, select, rm or edit; see below",
    )
    parser.add("name", metavar="NAME", nargs="?", completes="context", help="name of the context")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Carry out the action."""
    file = contexts.path()
    if args.action == "edit":
        return _edit(file)
    if args.action == "ls":
        default = contexts.default_name(file)
        for each in contexts.names(file):
            terminal.write(f"{'*' if each == default else ' '} {each}  {_where(file, each)}\n")
        return 0
    name = args.name if args.name is not None or args.action != "show" else contexts.default_name(file)
    if name is None:
        raise CommandError(f"stomp context {args.action} needs a name", hint="see stomp context --help")
    if args.action == "add":
        contexts.save(file, name, _given(args))
        terminal.info(f"saved in {file}; use it with --context {name}")
        return 0
    found = contexts.look_up(name, file, options.KEYS)
    if args.action == "show":
        for key, value in found.items():
            shown = "********" if key in _PASSWORDS else _without_login(value) if key == "url" else value
            terminal.write(f"{key} = {shown}\n")
    elif args.action == "select":
        contexts.select(file, name)
    else:
        contexts.remove(file, name)
    return 0


def _given(args: Namespace) -> dict[str, Any]:
    """The connection options of the command line, as keys of a context."""
    given = {key: getattr(args, options.dest(key)) for key in options.KEYS}
    settings = {
        key: dict(value) if options.KEYS[key] is dict else value for key, value in given.items() if value
    }
    if not settings:
        raise CommandError(
            "no connection options were given",
            hint="as in stomp context add test --url stomp://test.example.com",
        )
    return settings


def _where(file: str, name: str) -> str:
    found = contexts.read(file)[name]
    if "url" in found:
        return _without_login(str(found["url"]))
    return f"{found.get('host', 'localhost')}:{found.get('port', 61613)}"


def _without_login(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


def _edit(file: str) -> int:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
    try:
        return subprocess.run([*editor.split(), file], check=False).returncode
    except OSError as err:
        raise CommandError(f"{editor} cannot be run: {err}", hint="set VISUAL or EDITOR") from err
