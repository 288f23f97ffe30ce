"""Names that stomp.py's modules re-exported, because they imported each other with a star.

Programs and test suites use such names: `from stomp.connect import ConnectionListener`, `stomp.transport.ssl`,
`from stomp.transport import *`.

Rule of this file: a name is looked up each time it is used. So nothing is imported for unused names (`ssl` above all),
and a reloaded module has no outdated names.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

#: module -> the modules whose names it re-exports, in the order of the look-up
_SOURCES = {
    "stomp.listener": ("stomp.constants",),
    "stomp.protocol": ("stomp.listener",),
    "stomp.transport": ("stomp.utils",),
    "stomp.connect": ("stomp.protocol", "stomp.transport"),
    "stomp.adapter.multicast": ("stomp.connect",),
    "stomp.adapter.ws": ("stomp.connect",),
}

#: module -> names of other modules that it re-exports: "module", or "module:name"
_FOREIGN = {
    "stomp.listener": "sys threading time time:monotonic stomp.exception stomp.utils stomp.log",
    "stomp.protocol": "stomp.exception:ConnectFailedException",
    "stomp.transport": (
        "errno io:BytesIO math collections:deque random selectors socket ssl ssl:SSLError sys threading time "
        "time:monotonic warnings stomp stomp.exception stomp.utils stomp.log stomp.backward:get_socket "
        "socket:SOL_SOCKET socket:SOL_TCP socket:SO_KEEPALIVE socket:IPPROTO_TCP "
        "socket:TCP_KEEPIDLE socket:TCP_KEEPINTVL socket:TCP_KEEPCNT"
    ),
    "stomp.connect": "",
    "stomp.adapter.multicast": "struct",
    "stomp.adapter.ws": (
        "stomp.exception:ConnectionClosedException stomp.exception:InterruptedException "
        "stomp.exception:NotConnectedException stomp.exception:StompException"
    ),
}


def _linux_keepalive() -> bool:
    names = ("SOL_TCP", "SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    return _has("socket", *names)


def _has(module: str, *names: str) -> bool:
    found = importlib.import_module(module)
    return all(hasattr(found, name) for name in names)


#: module -> names whose value is computed when they are used
_COMPUTED: dict[str, dict[str, Callable[[], Any]]] = {
    "stomp.transport": {
        "DEFAULT_SSL_VERSION": lambda: getattr(importlib.import_module("ssl"), "PROTOCOL_TLS_CLIENT", None),
        "LINUX_KEEPALIVE_AVAIL": _linux_keepalive,
        "MAC_KEEPALIVE_AVAIL": lambda: _has("socket", "SO_KEEPALIVE") and _has("socket", "IPPROTO_TCP"),
        # Until 8.2 this was the name of stomp.log, and before 5.0 the standard module: see `stomp.log`.
        "logging": lambda: importlib.import_module("stomp.log"),
    },
    "stomp.listener": {"logging": lambda: importlib.import_module("stomp.log")},
}


def _external_names(module: str) -> dict[str, str]:
    """name -> "module" or "module:name" """
    return {text.replace(":", ".").rpartition(".")[2]: text for text in _FOREIGN[module].split()}


def resolve_reexport(module: str, name: str) -> Any:
    """The value that a module re-exports under a name.

    Raises:
        AttributeError: the module does not re-export this name.
    """
    if name == "__all__":
        # A star import exports everything except the one name that needs DNS look-ups.
        return sorted(_names(module) - {"LOCALHOST_NAMES"})
    if not name.startswith("_"):
        if name in _COMPUTED.get(module, {}):
            return _COMPUTED[module][name]()
        if (home := _external_names(module).get(name)) is not None:
            home, _, inner = home.partition(":")
            found = importlib.import_module(home)
            return getattr(found, inner) if inner else found
        for source in _SOURCES[module]:
            found = getattr(importlib.import_module(source), name, _MISSING)
            if found is not _MISSING:
                return found
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def _names(module: str) -> set[str]:
    own = {name for name in vars(importlib.import_module(module)) if not name.startswith("_")}
    foreign: set[str] = set()
    if module in _SOURCES:
        foreign = {*_external_names(module), *_COMPUTED.get(module, {})}
        # Some names of the socket module do not exist on every system.
        foreign -= {name for name in foreign if not hasattr(sys.modules[module], name)}
        for source in _SOURCES[module]:
            foreign |= _names(source)
    return own - {"annotations", "TYPE_CHECKING"} | foreign


_MISSING: Any = object()
