"""The settings of a `kombu.Connection` as arguments of `stomp.Client`.

Rules of this file:

- A URL reaches the transport unchanged, so every URL of `stomp.Client` is valid, and ``stomps://`` is never taken for
  ``stomp://``. Only the login and the password are moved to the attributes of the connection: Kombu shows the rest
  in logs and in ``celery inspect stats``.
- ``transport_options["client"]`` is a dictionary with any arguments of `stomp.Client`; they override all others.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from stomp.client.connect import TlsSettings
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from kombu.connection import Connection

#: Names of Kombu's transport, from the scheme of a URL, that mean TLS.
_ENCRYPTED = ("stomps", "stomp+ssl")
_PLAIN = ("stomp://", "tcp://")
#: Keys of Kombu's ``ssl`` (Celery's ``broker_use_ssl``), and the arguments of `TlsSettings`.
_TLS = {"ca_certs": "ca_certs", "certfile": "cert_file", "keyfile": "key_file"}


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Split a URL into the URL without credentials, the login and the password.

    >>> split_credentials("stomps://admin:p%40ss@a:61612/vhost")
    ('stomps://a:61612/vhost', 'admin', 'p@ss')
    >>> split_credentials("stomp://a,b:7000")
    ('stomp://a,b:7000', None, None)
    """
    scheme, separator, rest = url.partition("://")
    end = min((rest.find(mark) for mark in "/?#" if mark in rest), default=len(rest))
    user_info, at, hosts = rest[:end].rpartition("@")
    if not separator or not at:
        return url, None, None
    login, colon, password = user_info.partition(":")
    return f"{scheme}://{hosts}{rest[end:]}", unquote(login), unquote(password) if colon else None


def remove_credentials(connection: Connection) -> None:
    """Move the login and the password of the URL to the attributes of the connection."""
    if isinstance(connection.hostname, str) and "://" in connection.hostname:
        connection.hostname, login, password = split_credentials(connection.hostname)
        if login is not None:
            connection.userid = login
        if password is not None:
            connection.password = password


def url_of(connection: Connection) -> str:
    """The URL for `stomp.Client`, without credentials."""
    host = connection.hostname or "localhost"
    encrypted = bool(connection.ssl) or connection.transport_cls in _ENCRYPTED
    if "://" not in host:
        host = f"[{host}]" if ":" in host else host
        return (
            f"stomp{'+ssl' if encrypted else ''}://{host}{f':{connection.port}' if connection.port else ''}"
        )
    if host.endswith("://"):
        host += "localhost"
    for scheme in _PLAIN:
        if encrypted and host.startswith(scheme):
            return "stomp+ssl://" + host.removeprefix(scheme)
    return host


def shown_url(connection: Connection, *, password: bool, mask: str) -> str:
    """The URL for logs; with the password only if that is asked for."""
    url = url_of(connection)
    if not connection.userid:
        return url
    scheme, _, rest = url.partition("://")
    given: Any = connection.password
    given = given() if callable(given) else given
    text = quote(given or "", safe="") if password else mask
    return f"{scheme}://{quote(connection.userid, safe='')}:{text}@{rest}"


def client_arguments(connection: Connection) -> dict[str, Any]:
    """The arguments of `stomp.Client`."""
    arguments: dict[str, Any] = {
        "url": url_of(connection),
        "reconnect": False,  # Kombu and Celery connect again, and declare and consume again then
        "attempts": 1,
    }
    if connection.userid:
        arguments["login"] = connection.userid
        arguments["passcode"] = connection.password or ""
    if "://" not in (connection.hostname or ""):
        arguments["vhost"] = connection.virtual_host or "/"
    if connection.heartbeat:
        arguments["heartbeat"] = (round(connection.heartbeat * 1000),) * 2
    if connection.connect_timeout:
        arguments["connect_timeout"] = connection.connect_timeout
    if connection.ssl:
        arguments["tls"] = _tls_settings(connection.ssl)
    given = (connection.transport_options or {}).get("client", {})
    if not isinstance(given, dict):
        raise UsageError(
            "the transport option 'client' is not a dictionary",
            hint='pass arguments of stomp.Client, as in {"client": {"timeout": 10}}',
        )
    return {**arguments, **given}


def _tls_settings(given: Any) -> TlsSettings:
    if given is True:
        return TlsSettings()
    if not isinstance(given, dict):
        raise UsageError("the setting ssl is neither True nor a dictionary", hint=f"use the keys {_keys()}")
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key == "cert_reqs":
            values["verify"] = value not in (ssl.CERT_NONE, "CERT_NONE", "none")
        elif key in _TLS:
            values[_TLS[key]] = value
        else:
            raise UsageError(
                f"the setting ssl has no key {str(key)[:40]!r}",
                hint=f"use {_keys()}, or the transport option client={{'tls': stomp.TlsSettings(...)}}",
            )
    return TlsSettings(**values)


def _keys() -> str:
    return ", ".join([*_TLS, "cert_reqs"])
