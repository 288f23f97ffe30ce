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
import re
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


def save(file: str | os.PathLike[str], name: str, settings: Mapping[str, Any]) -> None:
    """Write a context to the file, in place of one with this name. The rest of the file stays as it is.

    Args:
        file: the contexts file, see `path`. It is created if it does not exist, readable by its owner only.
        name: the name of the context.
        settings: its keys and values, as `look_up` returns them.

    Raises:
        CommandError: the name is not allowed, or the file cannot be read.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name == "default":
        raise CommandError(
            f"{name!r} cannot be the name of a context",
            hint="use letters, digits, - and _; not the word default",
        )
    tables = {key: value for key, value in settings.items() if isinstance(value, Mapping)}
    lines = [f"[{name}]"]
    lines += [f"{key} = {_toml(value)}" for key, value in settings.items() if key not in tables]
    for key, table in tables.items():
        lines += [
            "",
            f"[{name}.{key}]",
            *(f"{_toml(each)} = {_toml(value)}" for each, value in table.items()),
        ]
    kept = _without(file, name).rstrip("\n")
    _write(file, (f"{kept}\n\n" if kept else "") + "\n".join(lines) + "\n")


def select(file: str | os.PathLike[str], name: str) -> None:
    """Make a context the default one."""
    text = _text(file)
    line = f"default = {_toml(name)}"
    # Keys before the first table belong to the whole file (TOML, "Table").
    first = re.search(r"^\s*\[", text, re.MULTILINE)
    head, rest = (text[: first.start()], text[first.start() :]) if first else (text, "")
    if re.search(r"^default\s*=.*$", head, re.MULTILINE):
        head = re.sub(r"^default\s*=.*$", lambda _: line, head, count=1, flags=re.MULTILINE)
    else:
        head = f"{line}\n{head or chr(10)}"
    _write(file, head + rest)


def remove(file: str | os.PathLike[str], name: str) -> None:
    """Remove a context. If it is the default one, there is none then."""
    was_default = default_name(file) == name
    text = _without(file, name)
    if was_default:
        text = re.sub(r"^default\s*=.*\n?", "", text, count=1, flags=re.MULTILINE)
    _write(file, text)


def _without(file: str | os.PathLike[str], name: str) -> str:
    """The text of the file without the tables of a context."""
    read(file)  # a file that is no TOML is not changed
    kept: list[str] = []
    skipping = False
    for line in _text(file).splitlines(keepends=True):
        if table := re.match(r"\s*\[\s*\"?([\w-]+)\"?\s*[.\]]", line):
            skipping = table[1] == name
        if not skipping:
            kept.append(line)
    return "".join(kept)


def _text(file: str | os.PathLike[str]) -> str:
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read()
    except FileNotFoundError:
        return ""


def _write(file: str | os.PathLike[str], text: str) -> None:
    """Replace the file at once, so that an interrupted command leaves the old one."""
    folder = os.path.dirname(os.fspath(file))
    os.makedirs(folder, mode=0o700, exist_ok=True)
    mode = os.stat(file).st_mode & 0o777 if os.path.exists(file) else 0o600
    new = f"{os.fspath(file)}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as opened:
        opened.write(text)
    os.chmod(new, mode)
    os.replace(new, file)


def _toml(value: object) -> str:
    """A value of a context in TOML. Its basic strings have the escapes of JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    import json

    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _article(kind: type) -> str:
    return {str: "text", bool: "true or false", dict: "a table"}[kind]


def _read_by_others(file: str | os.PathLike[str]) -> bool:
    return os.name == "posix" and bool(os.stat(file).st_mode & 0o077)
