"""Addresses of brokers: (host, port) pairs and URLs.

stomp://host:61613          TCP
stomp+ssl://host:61612      TLS (also stomp+tls, stomps)
ws://host:15674/ws          WebSocket, and wss:// over TLS
unix:///run/broker.sock     a Unix socket
failover:(stomp://a,stomp://b)?randomize=true

Rule of this file: a URL may contain a password, so no error quotes a URL that cannot be parsed.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from stomp.core.diagnostics import redacted
from stomp.core.errors import AddressError
from stomp.core.frames.frame import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_T = TypeVar("_T")

_LOCAL = ("localhost", "127.0.0.1", "::1")

#: The default ports of brokers.
DEFAULT_PORTS = {"tcp": 61613, "tls": 61612, "ws": 15674, "wss": 15673}

_SCHEMES = {
    "stomp": "tcp",
    "tcp": "tcp",
    "stomp+ssl": "tls",
    "stomp+tls": "tls",
    "stomps": "tls",
    "ssl": "tls",
    "ws": "ws",
    "wss": "wss",
    "tls": "tls",
    "unix": "unix",
}

_ENCODE = "in a login or passcode write / ? # @ , : as %2F %3F %23 %40 %2C %3A"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of one broker.

    Attributes:
        host: a name or a numeric address, IPv6 without brackets, with its scope if it has one (fe80::1%eth0).
        port: 1 to 65535; 0 for a Unix socket.
        transport: "tcp", "tls", "ws", "wss" or "unix".
        path: the path of the WebSocket or of the Unix socket.
        via: the numeric address to connect to instead of resolving `host`. TLS still verifies `host`.
    """

    host: str
    port: int
    transport: str = "tcp"
    path: str = ""
    via: str = ""

    @property
    def pair(self) -> tuple[str, int]:
        """(host, port), the form for sockets and for stomp.py's listeners."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The address as a URL for `parse`.

        >>> Address("::1", 61612, "tls").url, Address("", 0, "unix", "/run/my broker.sock").url
        ('stomp+ssl://[::1]:61612', 'unix:///run/my%20broker.sock')
        """
        if self.transport == "unix":
            from urllib.parse import quote

            return f"unix://{quote(self.path)}"
        scheme = {"tcp": "stomp", "tls": "stomp+ssl"}.get(self.transport, self.transport)
        return f"{scheme}://{self}{self.path}" if not self.via else replace(self, via="").url

    def __str__(self) -> str:
        if self.transport == "unix":
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + (f" ({self.via})" if self.via else "")


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """The contents of a URL: addresses, credentials and options.

    Attributes:
        addresses: the brokers, in the order of the URL.
        login: the user, or None.
        passcode: the password, or None. The repr does not show it.
        vhost: the virtual host, from the path or the query; None if the URL has none.
        options: the other parameters of the query, the last value of each name.
    """

    addresses: tuple[Address, ...]
    login: str | None = None
    passcode: str | None = None
    vhost: str | None = None
    options: dict[str, str] = field(default_factory=dict[str, str])

    def __repr__(self) -> str:
        where = ", ".join(map(repr, self.addresses))
        return f"Target(({where}), login={self.login!r}, vhost={self.vhost!r}, options={redacted(self.options)!r})"


_PAIRS = 'give a list of (host, port) pairs, as in [("localhost", 61613)]'


def pairs_of(value: object) -> list[tuple[str, int]]:
    """Return the (host, port) pairs of stomp.py's `host_and_ports` argument.

    It is a list of pairs (tuples or lists, the port an int or a str of digits), or a single pair:

    >>> pairs_of([("localhost", "61613"), ["::1", 61613]]), pairs_of(["fe80::a00:27ff:fe90:3f1a%en1", 62613])
    ([('localhost', 61613), ('::1', 61613)], [('fe80::a00:27ff:fe90:3f1a%en1', 62613)])

    Raises:
        AddressError: it is something else. The error does not show a value that is not a pair: it may be a URL with a
            password.
    """
    pairs, errors = usable_pairs(value)
    if errors:
        raise errors[0]
    return pairs


def usable_pairs(value: object) -> tuple[list[tuple[str, int]], list[AddressError]]:
    """Like `pairs_of`, but return the valid pairs, and an error for each invalid one.

    >>> usable_pairs([("localhost", 61613), (None, None)])[0]
    [('localhost', 61613)]
    """
    if not isinstance(value, list | tuple):
        return [], [AddressError(f"a {type(value).__name__} is not a list of addresses", hint=_PAIRS)]
    if len(value) == 2 and isinstance(value[0], str):
        value = [value]
    pairs: list[tuple[str, int]] = []
    errors: list[AddressError] = []
    for number, pair in enumerate(value, 1):
        try:
            pairs.append(_pair(number, pair))
        except AddressError as err:
            errors.append(err)
    return pairs, errors


def _pair(number: int, pair: object) -> tuple[str, int]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise AddressError(f"address {number} is not a pair of host and port", hint=_PAIRS)
    if not isinstance(pair[0], str):
        found = "None" if pair[0] is None else f"a {type(pair[0]).__name__}"
        raise AddressError(f"the host of address {number} is {found}", hint=_PAIRS)
    host = text_of(pair[0])
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not _is_host(host):
        raise AddressError(f"address {number} does not begin with a host name", hint=_PAIRS)
    port = _port(pair[1])
    if port is None:
        found = f" {pair[1]!r}," if pair[1] is None or type(pair[1]) is int else ""
        raise AddressError(f"the port of {host!r} is{found} not a number from 1 to 65535", hint=_PAIRS)
    return host, port


def in_order(pairs: Sequence[tuple[str, int]], *, prefer_local: bool, loopback: bool) -> list[Address]:
    """Return addresses for (host, port) pairs, in the order in which to try them.

    Args:
        pairs: the pairs in order of preference.
        prefer_local: put the pairs with a name or address of this machine first.
        loopback: for a pair with the host name of this machine, try 127.0.0.1 on its port first, before all others.
    """
    # The host name is not needed if all pairs are localhost.
    host_name = "" if all(host in _LOCAL for host, _ in pairs) else socket.gethostname()
    if prefer_local and len(pairs) > 1:
        pairs = sorted(pairs, key=lambda pair: pair[0] not in (*_LOCAL, host_name))
    loopback_addresses: list[Address] = []
    if loopback and host_name:
        local_ports = {port for host, port in pairs if host in _LOCAL}
        loopback_addresses = [
            Address("127.0.0.1", port)
            for host, port in pairs
            if host == host_name and port not in local_ports
        ]
    return loopback_addresses + [Address(host, port) for host, port in pairs]


def parse(url: str) -> Target:
    """Parse a URL, a comma-separated list of hosts, or failover:(...).

    >>> target = parse("stomp+ssl://admin:secret@a,b:7000/vhost?heartbeat=5000")
    >>> [str(a) for a in target.addresses], target.login, target.vhost, target.options
    (['a:61612', 'b:7000'], 'admin', 'vhost', {'heartbeat': '5000'})

    Raises:
        AddressError: it is invalid. The text shows no part of the URL that may belong to a password.
    """
    text = text_of(url).strip()
    if text[:9].lower() == "failover:":
        return _parse_failover(text[9:].removeprefix("//"))
    return _parse_one(text, "stomp")


def _parse_one(text: str, default_scheme: str) -> Target:
    scheme, authority, path, query = _split(text, default_scheme)
    transport = _SCHEMES.get(scheme)
    if transport is None:
        scheme_text = f" {scheme!r}" if scheme.isalnum() else ""
        raise AddressError(f"unknown scheme{scheme_text}", hint=f"use one of {', '.join(_SCHEMES)}")
    user, at, hosts = authority.rpartition("@")
    login, colon, passcode = user.partition(":")
    options = _options(query)
    from_query = options.pop("login", None), options.pop("passcode", None)
    credentials = (_decoded(login) or None, _decoded(passcode) if colon else None) if at else from_query
    if transport == "unix":
        socket_path = _decoded(path)
        if hosts or not socket_path or "\0" in socket_path:
            raise AddressError("a Unix socket needs a path", hint="write unix:///run/broker.sock")
        return Target(
            (Address("", 0, "unix", socket_path),), *credentials, options.pop("vhost", None), options
        )
    is_websocket = transport in ("ws", "wss")
    addresses = tuple(_parse_host(host, transport, path if is_websocket else "") for host in hosts.split(","))
    vhost = None if is_websocket else _decoded(path[1:]) or None
    return Target(addresses, *credentials, options.pop("vhost", vhost), options)


def _split(text: str, default_scheme: str) -> tuple[str, str, str, str]:
    """Split a URL into scheme, authority, path and query (RFC 3986, section 3).

    `urllib.parse.urlsplit` is not used: it removes control characters silently, its ValueErrors quote the password, and
    it caches URLs.
    """
    scheme, mark, rest = text.partition("://")
    if not mark and text[:6].lower() == "unix:/":
        scheme, rest = "unix", text[5:]
    elif not mark:
        scheme, rest = default_scheme, text
    if "#" in rest:
        raise AddressError("the address of a broker has no fragment (#)", hint=_ENCODE)
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in path and "@" not in authority:
        # Otherwise a part of the password would be read as the port or the virtual host.
        raise AddressError("there is a / before the @", hint=_ENCODE)
    return scheme.lower(), authority, slash + path, query


def _parse_failover(text: str) -> Target:
    inner, parenthesis, query = text[1:].partition(")")
    if not text.startswith("(") or not parenthesis or query[:1] not in ("", "?"):
        raise AddressError(
            "failover: needs a list in parentheses",
            hint="write failover:(stomp://a,stomp://b)?randomize=true",
        )
    targets: list[Target] = []
    scheme = "stomp"
    for part in filter(None, map(str.strip, inner.split(","))):
        targets.append(_parse_one(part, scheme))
        # In failover:(ssl://a,b) the connection to b must be encrypted, too.
        scheme = targets[-1].addresses[0].transport
    options = _options(query[1:])
    from_query = options.pop("login", None), options.pop("passcode", None)
    login, passcode = (
        _common_value("logins", [(t.login, t.passcode) for t in targets], (None, None)) or from_query
    )
    vhost = options.pop("vhost", None) or _common_value("virtual hosts", [t.vhost for t in targets], None)
    for target in targets:
        options = {**target.options, **options}
    addresses = tuple(address for target in targets for address in target.addresses)
    if not addresses:
        raise AddressError("failover: has no address", hint="write failover:(stomp://a,stomp://b)")
    return Target(addresses, login, passcode, vhost, options)


def _common_value(kind: str, values: list[_T], missing: _T) -> _T | None:
    """Return the value that the addresses with a value have in common; None if none has one."""
    found = [value for value in values if value != missing]
    if any(value != found[0] for value in found):
        raise AddressError(f"the addresses have different {kind}", hint="make one connection for each")
    return found[0] if found else None


def _options(query: str) -> dict[str, str]:
    # urllib is imported only if needed: most URLs have neither options nor percent-encoding.
    if not query:
        return {}
    from urllib.parse import parse_qsl

    with contextlib.suppress(UnicodeDecodeError):
        return dict(parse_qsl(query, keep_blank_values=True, errors="strict"))
    raise AddressError("the options are not UTF-8", hint=_ENCODE)


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    with contextlib.suppress(UnicodeDecodeError):
        return unquote(text, errors="strict")
    raise AddressError("the percent-encoded text is not UTF-8", hint=_ENCODE)


def _parse_host(text: str, transport: str, path: str) -> Address:
    """Parse host:port. Errors do not show the text: it may be a password without a host."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or text.rstrip().endswith("]"):
        host, port = text.strip(), ""
    if host.startswith("[") and host.endswith("]"):
        # RFC 6874 requires %25eth0 for a scope, but %eth0 is common.
        host = host[1:-1].replace("%25", "%", 1)
        valid = host.count(":") > 1
    else:
        host = _decoded(host)
        valid = ":" not in host
    if not valid or not _is_host(host):
        raise AddressError(
            "the host is missing",
            hint=f"write scheme://login:passcode@host:port, an IPv6 host as [::1]; {_ENCODE}",
        )
    number = _port(port) if port else DEFAULT_PORTS[transport]
    if number is None:
        raise AddressError("a port is not a number from 1 to 65535", hint=f"write host:port; {_ENCODE}")
    return Address(host, number, transport, path)


#: Characters that are not valid in a host.
_NOT_IN_HOSTS = frozenset(" /\\@,?#[]()")


def _is_host(text: str) -> bool:
    """False if the text cannot be a host name or numeric address, or would have another meaning in a URL."""
    if not text or text.count(":") == 1:
        return False
    # `isprintable` rejects all white space except the plain space, which is in `_NOT_IN_HOSTS`.
    return text.isprintable() and _NOT_IN_HOSTS.isdisjoint(text)


def _port(value: object) -> int | None:
    """Return a port from an int or a str of digits; None if it is invalid or not from 1 to 65535."""
    if isinstance(value, str):
        digits = str.strip(value)
        # The length is checked first: int() raises ValueError for thousands of digits.
        value = int(digits) if len(digits) < 10 and digits.isascii() and digits.isdecimal() else None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
        return int.__int__(value)
    return None
