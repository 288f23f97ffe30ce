"""The settings of a connection, from options, environment and contexts, for all commands.

The more specific source takes precedence: options, then the context of ``--context``, then STOMP_URL and
STOMP_PASSWORD, then the context of STOMP_CONTEXT or the default context. The last two are used only if nothing else
names a broker, so that the password of one broker is never sent to another one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stomp.cli.config import contexts, options, passwords
from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import duration
from stomp.core.errors import AddressError
from stomp.net.address import Address, Target, pairs_of, parse

if TYPE_CHECKING:
    from argparse import Namespace

VERSIONS = ("1.2", "1.1", "1.0")
#: Seconds for closing a client after an error or a signal.
INTERRUPT_TIMEOUT = 2.0
_LOCAL = "stomp://localhost:61613"
_SCHEMES = {"tcp": "stomp", "tls": "stomp+ssl", "ws": "ws", "wss": "wss"}
_ADDRESS_KEYS = ("url", "host", "port")
#: The options of a URL that are read here. The others are passed to `stomp.Client`.
_HANDLED_OPTIONS = ("heartbeat", "heart-beat", "timeout", "randomize", "shuffle")
_PASSWORD_KEYS = ("password", "password-file", "password-command", "ask-password")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """The settings of a connection. `client` makes a `stomp.Client` from them.

    The interactive client uses the listener API instead, see `stomp.cli.shell.connect`.

    Attributes:
        addresses: the addresses of the brokers, in the order in which they are tried.
        login: the user, or None.
        password: returns the password, or None if there is none. It may prompt, run a command, or raise `CommandError`.
        vhost: the virtual host, or None.
        versions: the STOMP versions, preferred first; None if no option names one.
        multicast: use STOMP over multicast, without a broker.
        heartbeat: milliseconds between heart-beats, sent and requested; None if no option sets them.
        tls: a `stomp.client.connect.TlsSettings`; None for the defaults, if the address needs TLS.
        proxy: the URL of the proxy, or None.
        timeout: seconds for each step of connecting.
        headers: additional headers of CONNECT.
        shuffle: try the addresses in random order.
        reading: limits and leniency of the decoder, as text, by their names in a URL.
        query: the remaining options of the URL: further arguments of `stomp.Client`, as text.
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
        """The addresses, for messages."""
        return "the multicast group" if self.multicast else ", ".join(map(str, self.addresses))

    @property
    def url(self) -> str:
        """The addresses as a URL, without user and password."""
        urls = [_url(address) for address in self.addresses]
        return urls[0] if len(urls) == 1 else f"failover:({','.join(urls)})"

    def client_arguments(self) -> dict[str, Any]:
        """The arguments of `stomp.Client` and `stomp.AsyncClient`.

        Raises:
            CommandError: multicast was asked for.
        """
        if self.multicast:
            raise CommandError(
                "only the interactive client supports multicast", hint="use stomp -S multicast"
            )
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
            # ActiveMQ and Artemis identify a durable subscription by it.
            "client_id": self.headers.get("client-id"),
            # A command reports a failure to connect at once, instead of trying again.
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
        """Make a `stomp.Client`. Use it with `using`, which connects it.

        Args:
            **more: further arguments of `stomp.Client`, which override those of the settings.

        Raises:
            CommandError: multicast was asked for.
        """
        import stomp

        client_class: Any = getattr(stomp, "Client")  # noqa: B009 - it is loaded when it is needed
        return client_class(**{**self.client_arguments(), **more})


@contextlib.contextmanager
def using(client: Any) -> Generator[Any, None, None]:
    """Connect a `stomp.Client`, and close it at the end; after an exception within `INTERRUPT_TIMEOUT` seconds."""
    client.connect()
    try:
        yield client
    except BaseException:
        client.close(INTERRUPT_TIMEOUT)
        raise
    client.close()


def settings(args: Namespace, environ: Mapping[str, str] = os.environ) -> ConnectionSettings:
    """Combine the options, the environment and the contexts into settings.

    Raises:
        CommandError: an option or a key of a context has an invalid value, or there is no such context.
        AddressError: the URL or the host is invalid.
    """
    given = {key: value for key in options.KEYS if (value := getattr(args, options.dest(key))) is not None}
    file = contexts.path(environ)
    has_address = any(key in given for key in _ADDRESS_KEYS)
    name, context = args.context, {}
    if name is None and not has_address and not environ.get("STOMP_URL"):
        name = environ.get("STOMP_CONTEXT") or contexts.default_name(file)
    if name is not None:
        context = contexts.look_up(name, file, options.KEYS)
    layers = [given, context]
    if (
        not has_address
        and not any(key in context for key in _ADDRESS_KEYS)
        and (url := environ.get("STOMP_URL"))
    ):
        layers.append({"url": url})
    merged = {**layers[-1], **context, **given}
    target = parse(str(merged.get("url", _LOCAL)))
    login = merged.get("user", target.login)
    addresses = _addresses(target, merged)
    password = _password(layers, login, ", ".join(map(str, addresses)), environ)
    version = merged.get("protocol")
    if version not in (None, "multicast", *VERSIONS):
        raise CommandError(f"unknown protocol {version!r}", hint="use 1.0, 1.1, 1.2 or multicast")
    return ConnectionSettings(
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
            if name not in _HANDLED_OPTIONS and _key(name) not in options.READING
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
) -> ConnectionSettings:
    """Settings from the arguments of `StompCLI`, the class of stomp.py.

    Args:
        host: the host; None or empty for localhost.
        port: the port; None or empty for 61613.
        user: the user, if there is one.
        passcode: the password, if there is one.
        version: "1.0", "1.1", "1.2" or "multicast".
        heartbeat: milliseconds between heart-beats, sent and requested.
        tls: (use TLS, key file, certificate file, file of authorities, accept any certificate).

    Raises:
        RuntimeError: there is no such version.
        CommandError: the host or the port is invalid.
    """
    if version != "multicast" and version not in VERSIONS:
        raise RuntimeError("Unknown version")
    use_tls, key, certificate, authorities, insecure = tls
    files = {"ssl-key-file": key, "ssl-cert-file": certificate, "ssl-ca-file": authorities}
    merged: dict[str, Any] = {name: file for name, file in files.items() if file is not None}
    if use_tls:
        merged |= {"ssl": True, "ssl-insecure": insecure}
    else:
        merged = {}
    merged |= {"host": host or "localhost", "port": port or 61613}
    return ConnectionSettings(
        addresses=_addresses(parse(_LOCAL), merged),
        login=user or None,
        password=lambda: passcode or None,
        versions=(version,) if version in VERSIONS else None,
        multicast=version == "multicast",
        heartbeat=heartbeat,
        tls=_tls(merged),
    )


def _addresses(target: Target, merged: Mapping[str, Any]) -> tuple[Address, ...]:
    """The addresses of the URL. A host or port option replaces them with one address."""
    addresses = target.addresses
    if "host" in merged or "port" in merged:
        first = addresses[0]
        port = str(merged.get("port", first.port))
        if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
            raise CommandError(f"{port!r} is not a valid port", hint="use a number from 1 to 65535")
        try:
            [pair] = pairs_of([(merged.get("host", first.host), port)])
        except AddressError:  # the text is not shown: it may be a URL with a password
            hint = "a URL is given with --url, the header of a message with --header"
            raise CommandError("the value of -H, --host is not a host name", hint=hint) from None
        addresses = (replace(first, host=pair[0], port=pair[1]),)
    if _wants_tls(merged):
        secure = {"tcp": "tls", "ws": "wss"}
        addresses = tuple(
            replace(one, transport=secure.get(one.transport, one.transport)) for one in addresses
        )
    return addresses


def _wants_tls(merged: Mapping[str, Any]) -> bool:
    # Any TLS option turns TLS on: a user who names a CA file must not get a connection in clear text.
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
    """The source of the password: the first layer that names one takes precedence."""
    for layer in layers:
        for key in _PASSWORD_KEYS:
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
    prompted: list[str] = []

    def ask() -> str:
        # Prompt once only, and not for each new connection.
        if not prompted:
            prompted.append(passwords.from_keyboard(login, where))
        return prompted[0]

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
        return float(duration(0.001)(text))
    except Exception as err:
        raise CommandError(f"--connect-timeout: {err}") from err


def _url(address: Address) -> str:
    if address.transport == "unix":
        from urllib.parse import quote

        return f"unix://{quote(address.path)}"
    return f"{_SCHEMES[address.transport]}://{address}{address.path}"


def mute() -> None:
    """Keep warnings of the library off standard error. The commands report errors themselves."""
    import logging

    # Without a handler, Python's logging writes warnings to standard error.
    for name in ("stomp.py", "stomp.client"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
