"""Where the broker is, who we are, and how to get there: read once, for all commands.

What is more special wins: options, then the context that ``--context`` names, then STOMP_URL and STOMP_PASSWORD, then
the context of STOMP_CONTEXT or the default one. The last two count only if nothing else names a broker, so that the
password of one broker is never told to another one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from stomp.cli.config import contexts, options, passwords
from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import number
from stomp.core.structs import dataclass, field, replace
from stomp.net.address import Address, Target, pairs_of, parse

if TYPE_CHECKING:
    from argparse import Namespace

VERSIONS = ("1.2", "1.1", "1.0")
#: Seconds for saying good-bye after something went wrong.
INTERRUPT_TIMEOUT = 2.0
_LOCAL = "stomp://localhost:61613"
_SCHEMES = {"tcp": "stomp", "tls": "stomp+ssl", "ws": "ws", "wss": "wss"}
_PLACE = ("url", "host", "port")
#: The options of a URL that are read here; the others are for `stomp.Client` to understand.
_READ = ("heartbeat", "heart-beat", "timeout", "randomize", "shuffle")
_PASSWORDS = ("password", "password-file", "password-command", "ask-password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a connection. `client` makes the client; the interactive client has its own way, see
    `stomp.cli.shell.connect`.

    Attributes:
        addresses: the brokers, in the order to try them.
        login: the user, or None.
        password: gives the password, or None if there is none. It may ask, run a command, or raise `CommandError`.
        vhost: the virtual host, or None.
        versions: of STOMP, most wanted first; None if none was asked for.
        multicast: no broker at all.
        heartbeat: milliseconds that we can send and want; None if none were asked for.
        tls: how to do TLS, a `stomp.client.connect.TlsSettings`; None for the defaults where the address says TLS.
        proxy: its URL, or None.
        timeout: seconds for each step of connecting.
        headers: further headers of CONNECT.
        shuffle: try the addresses in random order.
        reading: how frames are read: limits and leniency, by their names in a URL, as text.
        query: what else the URL says: further arguments of `stomp.Client`, as text.
    """

    addresses: tuple[Address, ...]
    login: str | None = None
    password: Callable[[], str | None] = field(default=lambda: None, repr=False)
    vhost: str | None = None
    versions: tuple[str, ...] | None = None
    multicast: bool = False
    heartbeat: tuple[int, int] | None = None
    tls: Any = None
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    shuffle: bool = False
    reading: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def where(self) -> str:
        """The addresses, in words."""
        return "the multicast group" if self.multicast else ", ".join(map(str, self.addresses))

    @property
    def url(self) -> str:
        """The addresses as a URL, without any secret."""
        urls = [_url(address) for address in self.addresses]
        return urls[0] if len(urls) == 1 else f"failover:({','.join(urls)})"

    def client_arguments(self) -> dict[str, Any]:
        """The arguments of `stomp.Client` and `stomp.AsyncClient`.

        Raises:
            CommandError: multicast was asked for.
        """
        if self.multicast:
            raise CommandError("multicast is for the interactive client", hint="stomp -S multicast")
        mute()
        arguments: dict[str, Any] = {
            "url": self._url_with_query(),
            "login": self.login,
            "passcode": self.password if self.login is not None else None,
            "vhost": self.vhost,
            "headers": dict(self.headers) or None,
            "tls": self.tls,
            "proxy": self.proxy,
            "timeout": self.timeout,
            "connect_timeout": self.timeout,
            # Both ActiveMQs know a durable subscription by it.
            "client_id": self.headers.get("client-id"),
            # Who types a command would rather know at once.
            "attempts": 1,
        }
        if self.versions is not None:
            arguments["versions"] = self.versions
        if self.heartbeat is not None:
            arguments["heartbeat"] = self.heartbeat
        if self.shuffle:
            arguments["shuffle"] = True
        return arguments

    def _url_with_query(self) -> str:
        query = {**self.query, **self.reading}
        if not query:
            return self.url
        from urllib.parse import urlencode

        return f"{self.url}?{urlencode(query)}"

    def client(self, **more: Any) -> Any:
        """A `stomp.Client`, not connected yet; `more` are further arguments of it."""
        import stomp

        made: Any = getattr(stomp, "Client")  # noqa: B009 - it is loaded when it is needed
        return made(**{**self.client_arguments(), **more})


@contextlib.contextmanager
def using(client: Any) -> Generator[Any, None, None]:
    """Connect a `stomp.Client`, and close it at the end: in a hurry, if something went wrong."""
    client.connect()
    try:
        yield client
    except BaseException:
        client.close(INTERRUPT_TIMEOUT)
        raise
    client.close()


def settings(args: Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the options, the environment and the contexts make together.

    Raises:
        CommandError, AddressError: one of them cannot be used.
    """
    given = {key: value for key in options.KEYS if (value := getattr(args, options.dest(key))) is not None}
    file = contexts.path(environ)
    placed = any(key in given for key in _PLACE)
    name, chosen = args.context, {}
    if name is None and not placed and not environ.get("STOMP_URL"):
        name = environ.get("STOMP_CONTEXT") or contexts.default_name(file)
    if name is not None:
        chosen = contexts.look_up(name, file, options.KEYS)
    layers = [given, chosen]
    if not placed and not any(key in chosen for key in _PLACE) and (url := environ.get("STOMP_URL")):
        layers.append({"url": url})
    merged = {**layers[-1], **chosen, **given}
    target = parse(str(merged.get("url", _LOCAL)))
    login = merged.get("user", target.login)
    addresses = _addresses(target, merged)
    password = _password(layers, login, ", ".join(map(str, addresses)), environ)
    version = merged.get("protocol")
    if version not in (None, "multicast", *VERSIONS):
        raise CommandError(f"there is no protocol {version!r}", hint="1.0, 1.1, 1.2 or multicast")
    return Settings(
        addresses=addresses,
        login=login,
        password=password,
        vhost=merged.get("vhost", target.vhost),
        versions=(version,) if version in VERSIONS else None,
        multicast=version == "multicast",
        heartbeat=_heartbeat(
            merged.get("heartbeats", target.options.get("heartbeat", target.options.get("heart-beat")))
        ),
        tls=_tls(merged),
        proxy=merged.get("proxy"),
        timeout=_timeout(merged.get("connect-timeout", target.options.get("timeout", "30"))),
        headers={str(key): str(value) for key, value in dict(merged.get("connect-header", {})).items()},
        shuffle="true" in [target.options.get(name, "").lower() for name in ("randomize", "shuffle")],
        reading={
            **{key: text for name, text in target.options.items() if (key := _key(name)) in options.READING},
            **{key: str(merged[key]) for key in options.READING if key in merged},
        },
        query={
            name: text
            for name, text in target.options.items()
            if name not in _READ and _key(name) not in options.READING
        },
    )


def _key(name: str) -> str:
    return name.replace("_", "-")


def from_arguments(
    host: str | None,
    port: int | str | None,
    user: str | None,
    passcode: str | None,
    version: str,
    heartbeat: tuple[int, int],
    tls: tuple[bool, str | None, str | None, str | None, bool],
) -> Settings:
    """Settings from what the class of stomp.py takes; `tls` is (use it, key, certificate, authorities, insecure).

    Raises:
        RuntimeError: there is no such version.
        AddressError: the host or the port cannot be one.
    """
    if version != "multicast" and version not in VERSIONS:
        raise RuntimeError("Unknown version")
    wanted, key, certificate, authorities, insecure = tls
    named = {"ssl-key-file": key, "ssl-cert-file": certificate, "ssl-ca-file": authorities}
    merged: dict[str, Any] = {name: file for name, file in named.items() if file is not None}
    if wanted:
        merged |= {"ssl": True, "ssl-insecure": insecure}
    else:
        merged = {}
    merged |= {"host": host or "localhost", "port": port or 61613}
    return Settings(
        addresses=_addresses(parse(_LOCAL), merged),
        login=user or None,
        password=lambda: passcode or None,
        versions=(version,) if version in VERSIONS else None,
        multicast=version == "multicast",
        heartbeat=heartbeat,
        tls=_tls(merged),
    )


def _addresses(target: Target, merged: Mapping[str, Any]) -> tuple[Address, ...]:
    """The addresses of the URL; the one that the host and the port say, if they do."""
    addresses = target.addresses
    if "host" in merged or "port" in merged:
        first = addresses[0]
        port = str(merged.get("port", first.port))
        if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
            raise CommandError(f"{port!r} is no port", hint="a number from 1 to 65535")
        [pair] = pairs_of([(merged.get("host", first.host), port)])
        addresses = (replace(first, host=pair[0], port=pair[1]),)
    if _wants_tls(merged):
        secure = {"tcp": "tls", "ws": "wss"}
        addresses = tuple(
            replace(one, transport=secure.get(one.transport, one.transport)) for one in addresses
        )
    return addresses


def _wants_tls(merged: Mapping[str, Any]) -> bool:
    # Who names an authority to trust does not want to speak in clear text.
    return any(value for key, value in merged.items() if key.startswith("ssl"))


def _tls(merged: Mapping[str, Any]) -> Any:
    if not _wants_tls(merged):
        return None
    from stomp.client.connect import TlsSettings

    def file(key: str) -> str | None:
        return os.path.expanduser(merged[key]) if key in merged else None

    return TlsSettings(
        ca_certs=file("ssl-ca-file"),
        cert_file=file("ssl-cert-file"),
        key_file=file("ssl-key-file"),
        verify=not merged.get("ssl-insecure", False),
    )


def _password(
    layers: list[dict[str, Any]], login: str | None, where: str, environ: Mapping[str, str]
) -> Callable[[], str | None]:
    """The first layer that says anything about a password decides."""
    for layer in layers:
        for key in _PASSWORDS:
            if layer.get(key):
                return _source(key, layer[key], login, where)
        passcode = parse(layer["url"]).passcode if "url" in layer else None
        if passcode is not None:
            return lambda: passcode
    if login is not None:
        return lambda: environ.get("STOMP_PASSWORD")
    return lambda: None


def _source(key: str, value: str, login: str | None, where: str) -> Callable[[], str]:
    if key == "password-file":
        return lambda: passwords.from_file(value)
    if key == "password-command":
        return lambda: passwords.from_command(value)
    if key == "password":
        return lambda: value
    asked: list[str] = []

    def ask() -> str:
        # Once, and not again at each new connection.
        if not asked:
            asked.append(passwords.from_keyboard(login, where))
        return asked[0]

    return ask


def _heartbeat(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    numbers = text.split(",")
    if len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2 or not all(one.isascii() and one.isdigit() and len(one) < 10 for one in numbers):
        raise CommandError("Invalid heartbeats, expecting cx,cy")
    return int(numbers[0]), int(numbers[1])


def _timeout(text: str) -> float:
    try:
        return float(number(0.001, whole=False)(text))
    except Exception as err:
        raise CommandError(f"--connect-timeout: {err}") from err


def _url(address: Address) -> str:
    if address.transport == "unix":
        from urllib.parse import quote

        return f"unix://{quote(address.path)}"
    return f"{_SCHEMES[address.transport]}://{address}{address.path}"


def mute() -> None:
    """Keep the library's warnings from standard error; what matters is said by the command."""
    import logging

    # Where nobody has set up logging, Python writes warnings to standard error.
    for name in ("stomp.py", "stomp.client"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
