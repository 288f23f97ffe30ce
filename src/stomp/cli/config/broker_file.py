"""The file of ``stomp broker --config``: the settings of a broker as TOML, see docs/reference/broker-command.md.

Rules of this file:

- Every error names the file and the key. An unknown key is refused, with the name of a similar one.
- The value of a password is in no error and no ``repr``.
- Relative paths are relative to the folder of the file.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from stomp.broker.dialects import DIALECTS
from stomp.broker.permissions import Permissions
from stomp.broker.store import Policy
from stomp.client.config import parse_size
from stomp.core.errors import UsageError
from stomp.core.frames.limits import Limits
from stomp.core.spellings import nearest

logger: logging.Logger = logging.getLogger("stomp.broker")


@dataclass
class BrokerFile:
    """The settings of the file; None and empty for those that it does not have.

    Attributes:
        options: values of the options of ``stomp broker``, by name of the attribute of its arguments.
        arguments: arguments of `stomp.broker.Broker` that have no option.
        policy: values of fields of `Policy`.
        limits: values of fields of `Limits`.
        listen: the addresses to listen on.
        users: passwords by user; None for a user that needs a client certificate.
        permissions: what the users may read and write.
    """

    options: dict[str, Any] = field(default_factory=dict[str, Any])
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    policy: dict[str, Any] = field(default_factory=dict[str, Any])
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    listen: list[str] | None = None
    users: dict[str, str | None] | None = field(default=None, repr=False)
    permissions: dict[str, Permissions] = field(default_factory=dict[str, Permissions])


#: Checks the value of a key: raises ValueError with what it must be, or returns the value to use.
_Check: TypeAlias = Callable[[Any], Any]


def read(path: str) -> BrokerFile:
    """Read the file.

    Raises:
        UsageError: it cannot be read, is not TOML, or has an unknown key or an invalid value.
    """
    import tomllib

    try:
        with open(path, "rb") as opened:
            content = tomllib.load(opened)
    except OSError as err:
        raise UsageError(f"--config: {err}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise UsageError(f"{path} is not TOML: {err}") from err
    return _Reader(path).read(content)


class _Reader:
    """Checks the content of one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = os.path.dirname(os.path.abspath(path))

    def read(self, content: Mapping[str, Any]) -> BrokerFile:
        options: dict[str, _Check] = {
            "dialect": _one_of(*DIALECTS),
            "store": self._file,
            "heartbeat": _heartbeat,
            "allow-origins": _texts,
        }
        arguments: dict[str, _Check] = {
            "versions": _texts,
            "connect-timeout": _seconds,
            "tolerance": _seconds,
        }
        tables: dict[str, _Check] = dict.fromkeys(("page", "tls", "policy", "limits", "users"), _table)
        top = self._check("", content, {"listen": _texts, **options, **arguments, **tables})
        policy = {_key(each.name): _policy_check(each.name) for each in fields(Policy)}
        limits = {_key(each.name): _size for each in fields(Limits)}
        tls: dict[str, _Check] = {
            "cert": self._file,
            "key": self._file,
            "client-ca": self._file,
            "client-optional": _flag,
            "user-from-cert": _flag,
        }
        page: dict[str, _Check] = {"port": _port, "host": _any_text, "allow-hosts": _texts}
        found = BrokerFile(
            options={_name(key): top[key] for key in options if key in top},
            arguments={_name(key): top[key] for key in arguments if key in top},
            policy=_named(self._check("policy", top.get("policy", {}), policy)),
            limits=_named(self._check("limits", top.get("limits", {}), limits)),
            listen=top.get("listen"),
        )
        if "allow_origins" in found.options:
            found.options["allow_origin"] = found.options.pop("allow_origins")
        for table, checks in (("tls", tls), ("page", page)):
            values = _named(self._check(table, top.get(table, {}), checks))
            found.options.update({f"{table}_{name}": value for name, value in values.items()})
        if "page_allow_hosts" in found.options:
            found.options["page_allow_host"] = found.options.pop("page_allow_hosts")
        if "users" in top:
            self._read_users(found, top["users"])
        return found

    def _read_users(self, found: BrokerFile, users: Mapping[str, Any]) -> None:
        checks: dict[str, _Check] = {
            "password": _text,
            "password-file": self._file,
            "read": _texts,
            "write": _texts,
        }
        found.users = {}
        for name, table in users.items():
            place = f"users.{name}"
            if not isinstance(table, dict):
                # Without the value: it may be a password.
                raise self._error(place, f'must be a table, like [users.{name}] with password = "..."')
            user = self._check(place, table, checks, secret=True)
            if "password" in user and "password-file" in user:
                raise self._error(place, "has both password and password-file", "remove one of them")
            password = user.get("password")
            if "password-file" in user:
                password = self._first_line(f"{place}.password-file", user["password-file"])
            if (
                "password" in user
                and stat.S_IMODE(os.stat(self._path).st_mode) & 0o077
                and os.name == "posix"
            ):
                logger.warning("%s has passwords, and other users can read it", self._path)
            found.users[name] = password
            patterns = {key: user[key] for key in ("read", "write") if key in user}
            if patterns:
                try:
                    found.permissions[name] = Permissions(**patterns)
                except UsageError as err:
                    raise self._error(place, f"is invalid: {err.message}", err.hint) from err

    def _first_line(self, place: str, path: str) -> str:
        try:
            with open(path, encoding="utf-8") as opened:
                return opened.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as err:
            raise self._error(place, f"cannot be read: {err}") from err

    def _check(
        self, place: str, content: Mapping[str, Any], checks: Mapping[str, _Check], *, secret: bool = False
    ) -> dict[str, Any]:
        """The checked values of a table, by key."""
        found: dict[str, Any] = {}
        for key, value in content.items():
            full = f"{place}.{key}" if place else key
            check = checks.get(key)
            if check is None:
                raise self._unknown(full, key, checks)
            try:
                found[key] = check(value)
            except ValueError as err:
                shown = "" if secret else f", not {value!r:.100}"
                raise self._error(full, f"must be {err}{shown}") from err
        return found

    def _unknown(self, full: str, key: str, known: Mapping[str, _Check]) -> UsageError:
        near = nearest(key.replace("_", "-"), known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
        return UsageError(f"{self._path}: unknown key {full}", hint=hint)

    def _error(self, place: str, text: str, hint: str = "") -> UsageError:
        return UsageError(f"{self._path}: {place} {text}", hint=hint)

    def _file(self, value: Any) -> str:
        return os.path.join(self._folder, os.path.expanduser(_text(value)))


def _key(name: str) -> str:
    return name.replace("_", "-")


def _name(key: str) -> str:
    return key.replace("-", "_")


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    return {_name(key): value for key, value in found.items()}


def _policy_check(name: str) -> _Check:
    if name == "slow_consumer":
        return _one_of("drop-oldest", "disconnect")
    return _text if name == "dead_letter_queue" else _size


# The checks raise ValueError with the end of the sentence "KEY must be ...".


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text that is not empty")
    return value


def _any_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _port(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
        raise ValueError("a number from 0 to 65535")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError("a list of texts")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


def _size(value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_size(value)
        except ValueError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError('a number of at least 1, like 1000 or "64MiB"')


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("a number above 0")
    return float(value)


def _heartbeat(value: Any) -> tuple[int, int]:
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in value)
    ):
        raise ValueError("two numbers of milliseconds, like [10000, 10000]")
    return value[0], value[1]


def _one_of(*choices: str) -> _Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return check
