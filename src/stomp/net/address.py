"""Where brokers are: (host, port) pairs and URLs.

stomp://host:61613          TCP
stomp+ssl://host:61612      TLS (also stomp+tls, stomps)
ws://host:15674/ws          WebSocket, and wss:// over TLS
unix:///run/broker.sock     a Unix socket
failover:(stomp://a,stomp://b)?randomize=true
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from stomp.core.errors import AddressError

#: The ports that brokers listen on unless told otherwise.
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
    "unix": "unix",
}


@dataclass(frozen=True, slots=True)
class Address:
    """One place to connect to.

    Attributes:
        host: a name or a numeric address, IPv6 without brackets, with its scope if it has one (fe80::1%eth0).
        port: 1 to 65535; 0 for a Unix socket.
        transport: "tcp", "tls", "ws", "wss" or "unix".
        path: of the WebSocket, or of the Unix socket.
    """

    host: str
    port: int
    transport: str = "tcp"
    path: str = ""

    @property
    def pair(self) -> tuple[str, int]:
        """(host, port), as sockets and stomp.py's listeners want it."""
        return self.host, self.port

    def __str__(self) -> str:
        if self.transport == "unix":
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says: where, who, and how.

    Attributes:
        addresses: the brokers, in the order written.
        login: the user, or None.
        passcode: the password, or None. It is not shown by repr.
        vhost: the virtual host, from the path; None if the URL has none.
        options: the query, last value of each name.
    """

    addresses: tuple[Address, ...]
    login: str | None = None
    passcode: str | None = field(default=None, repr=False)
    vhost: str | None = None
    options: dict[str, str] = field(default_factory=dict[str, str])


def port_of(value: object) -> int:
    """A port from an int or from digits.

    Raises:
        AddressError: it is neither, or not from 0 to 65535.
    """
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise AddressError(f"{value!r} is not a port", hint="ports are numbers from 1 to 65535")
    return value


def pairs_of(value: object) -> list[tuple[str, int]]:
    """The (host, port) pairs of what stomp.py calls host_and_ports.

    A list of pairs (tuples or lists, the port an int or digits), or one bare pair:

    >>> pairs_of([("localhost", "61613"), ["::1", 61613]]), pairs_of(["fe80::a00:27ff:fe90:3f1a%en1", 62613])
    ([('localhost', 61613), ('::1', 61613)], [('fe80::a00:27ff:fe90:3f1a%en1', 62613)])

    Raises:
        AddressError: it is something else.
    """
    hint = "give a list of (host, port) pairs"
    if not isinstance(value, list | tuple):
        raise AddressError(f"{value!r} is not a list of addresses", hint=hint)
    if len(value) == 2 and isinstance(value[0], str):
        value = [value]
    pairs: list[tuple[str, int]] = []
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise AddressError(f"{pair!r} is not an address", hint=hint)
        pairs.append((pair[0].removeprefix("[").removesuffix("]"), port_of(pair[1])))
    return pairs


def parse(url: str) -> Target:
    """Read a URL, or a comma-separated list of hosts, or failover:(...).

    >>> target = parse("stomp+ssl://admin:secret@a,b:7000/vhost?heartbeat=5000")
    >>> [str(a) for a in target.addresses], target.login, target.vhost, target.options
    (['a:61612', 'b:7000'], 'admin', 'vhost', {'heartbeat': '5000'})

    Raises:
        AddressError: it cannot be understood. The text of the error holds no password.
    """
    text = url.strip()
    if text.startswith("failover:"):
        return _parse_failover(text.removeprefix("failover:").removeprefix("//"))
    if "://" not in text:
        text = f"stomp://{text}"
    parts = urlsplit(text)
    transport = _SCHEMES.get(parts.scheme)
    if transport is None:
        raise AddressError(f"unknown scheme {parts.scheme!r}", hint=f"use one of {', '.join(_SCHEMES)}")
    login, passcode = _credentials(parts)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if transport == "unix":
        path = unquote(parts.path)
        if not path:
            raise AddressError("a Unix socket needs a path", hint="write unix:///run/broker.sock")
        return Target((Address("", 0, "unix", path),), login, passcode, options.pop("vhost", None), options)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    web = transport in ("ws", "wss")
    addresses = tuple(_parse_host(host, transport, parts.path if web else "") for host in hosts)
    vhost = unquote(parts.path)[1:] if len(parts.path) > 1 and not web else None
    return Target(addresses, login, passcode, options.pop("vhost", vhost), options)


def _parse_failover(text: str) -> Target:
    if not text.startswith("(") or ")" not in text:
        raise AddressError(
            "failover: needs a list in parentheses", hint="write failover:(stomp://a,stomp://b)"
        )
    inner, _, query = text[1:].partition(")")
    targets = [parse(part) for part in inner.split(",") if part.strip()]
    if not targets:
        raise AddressError("failover: has no address")
    first = targets[0]
    options = {**first.options, **dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True))}
    addresses = tuple(address for target in targets for address in target.addresses)
    return Target(addresses, first.login, first.passcode, first.vhost, options)


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    user, at, _ = parts.netloc.rpartition("@")
    if not at:
        return None, None
    login, colon, passcode = user.partition(":")
    return unquote(login) or None, unquote(passcode) if colon else None


def _parse_host(text: str, transport: str, path: str) -> Address:
    host, port = text.strip(), ""
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise AddressError(f"{text!r} is not a host", hint="write an IPv6 address as [::1]:61613")
        port = rest[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    elif ":" in host:
        raise AddressError(f"{text!r} is not a host", hint="write an IPv6 address as [::1]:61613")
    if not host:
        raise AddressError("a host is missing")
    return Address(unquote(host), port_of(port) if port else DEFAULT_PORTS[transport], transport, path)
