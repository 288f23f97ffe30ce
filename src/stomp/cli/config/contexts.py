"""Contexts: named settings in a file, which replace the connection options of a broker with one name.

    # ~/.config/stomp/contexts.toml
    default = "local"

    [local]
    url = "stomp://localhost"

    [production]
    url = "stomp+ssl://broker.example.com"
    user = "robot"
    password-command = "pass show broker"

The keys are the long options of the connection, without the leading dashes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from stomp.cli.framework.exit_status import CommandError


def path(environ: Mapping[str, str] = os.environ) -> str:
    """The path of the contexts file (XDG Base Directory Specification). The file need not exist."""
    given = environ.get("XDG_CONFIG_HOME", "")
    # "All paths must be absolute. If an implementation encounters a relative path [it] should ignore it."
    home = environ.get("HOME") or os.path.expanduser("~")
    folder = given if given.startswith("/") else os.path.join(home, ".config")
    # No `pathlib`: every command that needs a broker calls this, and importing it takes as long as connecting.
    return os.path.join(folder, "stomp", "contexts.toml")


def read(file: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of the file; an empty dictionary if there is no file.

    Raises:
        CommandError: the file is not UTF-8 or not TOML.
    """
    try:
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as err:
        raise CommandError(f"{file} is not UTF-8") from err
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise CommandError(f"{file} is not TOML: {err}") from err


def names(file: str | os.PathLike[str]) -> list[str]:
    """The names of the contexts in the file."""
    return [name for name, value in read(file).items() if isinstance(value, dict)]


def look_up(name: str, file: str | os.PathLike[str], known: Mapping[str, type]) -> dict[str, Any]:
    """The settings of a context.

    Args:
        name: the name of the context.
        file: the contexts file, see `path`.
        known: the allowed keys, and the types of their values.

    Raises:
        CommandError: there is no such context, it has an unknown key or a value of the wrong type, or it holds a
            password and other users can read the file.
    """
    content = read(file)
    context = content.get(name)
    if not isinstance(context, dict):
        others = ", ".join(key for key, value in content.items() if isinstance(value, dict))
        raise CommandError(
            f"there is no context {name!r} in {file}",
            hint=f"known contexts: {others}" if others else "the file has no contexts",
        )
    for key, value in context.items():
        kind = known.get(key)
        if kind is None:
            raise CommandError(
                f"{file}: unknown key {key!r} in {name}", hint=f"known keys: {', '.join(known)}"
            )
        if type(value) is not kind and not (kind is str and type(value) is int):
            # The message omits the value, which may be the password.
            raise CommandError(f"{file}: {key} of {name} must be {_article(kind)}")
    if "password" in context and _read_by_others(file):
        raise CommandError(
            f"{file} contains a password and is readable by other users",
            hint=f"run chmod 600 {file}, or use password-file or password-command",
        )
    return {key: str(value) if known[key] is str else value for key, value in context.items()}


def default_name(file: str | os.PathLike[str]) -> str | None:
    """The name of the default context, which is used when nothing else names a broker; None if there is none."""
    name = read(file).get("default")
    return name if isinstance(name, str) else None


def _article(kind: type) -> str:
    return {str: "text", bool: "true or false", dict: "a table"}[kind]


def _read_by_others(file: str | os.PathLike[str]) -> bool:
    return os.name == "posix" and bool(os.stat(file).st_mode & 0o077)
