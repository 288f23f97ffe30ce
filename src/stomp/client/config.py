"""Resolves the URL, the arguments and the environment variables of a client into `ClientConfig` and `Options`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stomp.client.arguments import SETTINGS, url_of
from stomp.client.connect import TlsSettings
from stomp.client.options import Options, read_by
from stomp.core.arguments import check_options
from stomp.core.callables import check_function, check_methods
from stomp.core.engine.broker_profiles import profile_by_name
from stomp.core.engine.config import ClientConfig
from stomp.core.errors import UsageError
from stomp.core.frames.limits import Limits
from stomp.net.address import Address, Target, parse
from stomp.net.dial import Deadline, resolve_each

if TYPE_CHECKING:
    import ssl

    from stomp.core.engine.config import Credential
    from stomp.core.frames.limits import Lenient

#: The URL of a client that gets none.
DEFAULT_URL = "stomp://localhost:61613"
_UNSET: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig:
    """The complete configuration of a client.

    Attributes:
        config: the settings of the engine.
        options: the settings of the network.
        tls: the TLS settings, for addresses that use TLS.
    """

    config: ClientConfig
    options: Options
    tls: TlsSettings = field(default_factory=TlsSettings)

    def per_address(self, *, resolve: bool = False) -> list[ResolvedConfig]:
        """One configuration for each address; with `resolve`, for each numeric address that the names resolve to."""
        addresses: list[Address] = list(self.config.addresses)
        if resolve:
            deadline = Deadline(self.options.connect_timeout)
            addresses = [numeric for address in addresses for numeric in resolve_each(address, deadline)]
        return [
            replace(
                self, config=replace(self.config, addresses=(address,), nonce=f"{self.config.nonce}-{number}")
            )
            for number, address in enumerate(addresses, 1)
        ]


def _heartbeat(text: str) -> tuple[int, int]:
    send, comma, want = text.partition(",")
    return int(send), int(want if comma else send)


def _flag(text: str) -> bool:
    if text.lower() in ("true", "yes", "on", "1"):
        return True
    if text.lower() in ("false", "no", "off", "0"):
        return False
    raise ValueError(text)


_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}


def parse_size(text: str) -> int:
    """Parse a number of bytes, with or without a unit: "65536", "64KiB", "1 MB".

    Raises:
        ValueError: it is none.
    """
    digits = text.strip().rstrip("abgikmABGIKM ")
    size = int(digits) * _UNITS.get(text.strip()[len(digits) :].strip().lower(), 0)
    if size < 1:
        raise ValueError(text)
    return size


def _lenient(text: str) -> Lenient:
    return "trim" if text.lower() == "trim" else _flag(text)


#: The options in the query of a URL, with the function that parses each. The names are those of the arguments.
_QUERY: dict[str, Callable[[str], Any]] = {
    "heartbeat": _heartbeat,
    "timeout": float,
    "connect_timeout": float,
    "attempts": float,
    "reattempts": float,
    "max_losses": int,
    "reconnect": _flag,
    "shuffle": _flag,
    "client_id": str,
    "versions": str,
    "broker": str,
    "window": int,
    "window_bytes": int,
    "on_unknown": str,
    "proxy": str,
    "lenient": _lenient,
    "max_frame": parse_size,
    "max_body": parse_size,
    "max_head": parse_size,
    "max_header_line": parse_size,
    "max_headers": int,
    "verify": _flag,
    "ca_certs": str,
    "cert_file": str,
    "key_file": str,
}
#: Names that other programs use for some of them. In all names, "-" is accepted for "_".
_URL_ALIASES = {"randomize": "shuffle", "heart_beat": "heartbeat", "heartbeats": "heartbeat"}
_TLS = ("verify", "ca_certs", "cert_file", "key_file")
_LIMITS = ("max_frame", "max_body", "max_head", "max_header_line", "max_headers")
#: The defaults. They are frozen, so all clients can share them.
_OPTIONS, _NO_TLS = Options(), TlsSettings()


def setup(url: str | None = None, **arguments: Any) -> ResolvedConfig:
    """Check and merge the settings of a client. The arguments are those of `stomp.Client`.

    Arguments override the URL, and the URL overrides the environment (``STOMP_URL``, ``STOMP_PASSWORD``).

    Raises:
        AddressError: the URL is not valid.
        UsageError: a setting cannot be used.
    """
    target = parse(url_of(url) or os.environ.get("STOMP_URL") or DEFAULT_URL)
    query = _from_query(target.options)
    url_tls = {name: query.pop(name) for name in _TLS if name in query}
    settings = check_options(
        {**query, **{name: v for name, v in arguments.items() if v is not None}}, SETTINGS
    )
    options = settings.pop("options", None) or _OPTIONS
    options = read_by(options, settings.pop("limits", None), settings.pop("lenient", None))
    tls = _tls(target.addresses, settings.pop("tls", None), url_tls)
    if (proxy := settings.pop("proxy", None)) is not None:
        options = replace(options, proxy=proxy)
    if "connect_timeout" in settings:
        options = replace(options, connect_timeout=settings["connect_timeout"])
    settings.setdefault("connect_timeout", options.connect_timeout)
    settings.setdefault("login", target.login)
    settings.setdefault("passcode", _passcode(target, settings["login"]))
    if target.vhost is not None:
        settings.setdefault("vhost", target.vhost)
    if (profile := settings.pop("broker", None)) is not None:
        settings["profile"] = profile_by_name(profile)
    config = ClientConfig(addresses=target.addresses, nonce=os.urandom(8).hex(), **settings)
    return ResolvedConfig(config=config, options=options, tls=tls)


def reading(query: Mapping[str, str]) -> tuple[Limits | None, Lenient | None]:
    """The limits and the leniency from the query of a URL.

    Raises:
        UsageError: one of them cannot be used.
    """
    options = _from_query(query)
    return options.get("limits"), options.get("lenient")


def _from_query(query: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, text in query.items():
        name = name.replace("-", "_")
        name = _URL_ALIASES.get(name, name)
        read = _QUERY.get(name)
        if read is None:
            raise UsageError(f"a URL has no option {name[:40]!r}", hint=f"use some of {', '.join(_QUERY)}")
        try:
            options[name] = read(text)
        except ValueError:
            raise UsageError(f"the option {name} of the URL cannot be {text[:40]!r}") from None
    if sizes := {name.removeprefix("max_"): options.pop(name) for name in _LIMITS if name in options}:
        options["limits"] = Limits(**sizes)
    return options


def _tls(
    addresses: Iterable[Address], argument: TlsSettings | ssl.SSLContext | None, url_tls: dict[str, Any]
) -> TlsSettings:
    tls_requested = argument is not None or bool(url_tls)
    tls = _NO_TLS
    if argument is not None:
        tls = argument if isinstance(argument, TlsSettings) else TlsSettings(context=argument)
    if url_tls:
        tls = replace(tls, **url_tls)
    plain = next((address for address in addresses if address.transport in ("tcp", "ws")), None)
    if tls_requested and plain is not None:
        # Traffic that was meant to be encrypted must not be sent in clear text silently.
        secure = "wss" if plain.transport == "ws" else "stomp+ssl"
        raise UsageError(
            f"there are settings for TLS, but {plain} is not to be encrypted", hint=f"write {secure}://"
        )
    return tls


def _passcode(target: Target, login: Credential) -> str | None:
    if target.passcode is not None:
        return target.passcode
    return os.environ.get("STOMP_PASSWORD") if login is not None else None


#: The methods of `stomp.core.engine.hooks.Hooks`.
_HOOKS = ("sending", "received", "processing", "settled", "error", "state_changed")


def check_functions(setup: ResolvedConfig, *, coroutines: bool) -> None:
    """Check every function of the user in the settings.

    Args:
        setup: the settings.
        coroutines: the client awaits, so most of the functions may be coroutine functions.

    Raises:
        UsageError: one is not callable, or is a coroutine function that would not be awaited.
    """
    config, options, tls = setup.config, setup.options, setup.tls
    for name in ("login", "passcode", "headers"):
        value = getattr(config, name)
        if callable(value):
            check_function(name, value, coroutines=coroutines)
    if options is not _OPTIONS:
        for name in ("clock", "random", "start_thread"):
            check_function(f"the option {name}", getattr(options, name))
    if tls is not _NO_TLS:
        for name, function in (("validator", tls.validator), ("password", tls.password)):
            if callable(function):
                check_function(f"the {name} of TlsSettings", function)
    for hook in config.hooks:
        _check_hook(hook, coroutines)


def _check_hook(hook: object, coroutines: bool) -> None:
    if isinstance(hook, type) or not all(hasattr(hook, name) for name in _HOOKS):
        raise UsageError(f"{hook!r} is no hook", hint="give an object of a subclass of stomp.Hooks")
    check_methods(hook, _HOOKS, kind="hook", coroutines=coroutines)
    # `processing` returns the context manager, so its result is never awaited.
    check_methods(hook, ("processing",), kind="hook")
