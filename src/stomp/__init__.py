"""STOMP for Python: the toolkit for message brokers that speak STOMP 1.0, 1.1 and 1.2.

    import stomp

    conn = stomp.Connection([("localhost", 61613)])
    conn.set_listener("", MyListener())
    conn.connect("admin", "password", wait=True)
    conn.subscribe("/queue/test", id="1")
    conn.send("/queue/test", "hello")
    conn.disconnect()

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stomp import aliases
from stomp._version import Version
from stomp._version import __version__ as _number

if TYPE_CHECKING:
    from stomp import backward as backward
    from stomp import colours as colours
    from stomp import connect as connect
    from stomp import constants as constants
    from stomp import exception as exception
    from stomp import listener as listener
    from stomp import log as log
    from stomp import protocol as protocol
    from stomp import transport as transport
    from stomp import utils as utils
    from stomp.adapter.ws import WSConnection, WSStompConnection
    from stomp.client.aio import AsyncClient
    from stomp.client.aio_handles import AsyncMessage
    from stomp.client.dialing import TlsSettings
    from stomp.client.options import Options
    from stomp.client.sync import Client
    from stomp.client.sync_handles import Message
    from stomp.connect import (
        Connection,
        Connection10,
        Connection11,
        Connection12,
        StompConnection10,
        StompConnection11,
        StompConnection12,
    )
    from stomp.core.errors import (
        AlreadySettled,
        AuthenticationFailed,
        BrokerError,
        ConnectFailed,
        ConnectionLost,
        ContentError,
        NotConnected,
        OutcomeUnknown,
        ReceiptMissing,
        ReplyMissing,
        SendStalled,
        StaleDelivery,
        StompError,
        TransactionVoid,
        Unsupported,
        UsageError,
    )
    from stomp.core.failover import Backoff
    from stomp.core.hooks import Hooks
    from stomp.core.status import ClientState
    from stomp.listener import ConnectionListener, PrintingListener, StatsListener, WaitingListener

__version__ = Version(_number)
#: Modules that stomp.py does not have look for it, see `stomp._installation`.
_DISTRIBUTION = "stompkit"
aliases.install()

#: name -> the module that has it
_HOMES = {
    **dict.fromkeys(
        [
            "Connection",
            "Connection10",
            "Connection11",
            "Connection12",
            "StompConnection10",
            "StompConnection11",
            "StompConnection12",
        ],
        "stomp.connect",
    ),
    **dict.fromkeys(
        ["ConnectionListener", "PrintingListener", "StatsListener", "WaitingListener"], "stomp.listener"
    ),
    **dict.fromkeys(["WSConnection", "WSStompConnection"], "stomp.adapter.ws"),
    "AsyncClient": "stomp.client.aio",
    "AsyncMessage": "stomp.client.aio_handles",
    **dict.fromkeys(
        [
            "AlreadySettled",
            "AuthenticationFailed",
            "BrokerError",
            "ConnectFailed",
            "ConnectionLost",
            "ContentError",
            "NotConnected",
            "OutcomeUnknown",
            "ReceiptMissing",
            "ReplyMissing",
            "SendStalled",
            "StaleDelivery",
            "StompError",
            "TransactionVoid",
            "Unsupported",
            "UsageError",
        ],
        "stomp.core.errors",
    ),
    "Backoff": "stomp.core.failover",
    "ClientState": "stomp.core.status",
    "Hooks": "stomp.core.hooks",
    "Options": "stomp.client.options",
    "TlsSettings": "stomp.client.dialing",
    "Client": "stomp.client.sync",
    "Message": "stomp.client.sync_handles",
}
_SUBMODULES = {
    "adapter",
    "backward",
    "colours",
    "connect",
    "constants",
    "exception",
    "listener",
    "log",
    "otel",
    "protocol",
    "transport",
    "utils",
    *(name.partition(".")[2] for name in aliases.ALIASES),
}

__all__ = [
    "AsyncClient",
    "AsyncMessage",
    "AlreadySettled",
    "AuthenticationFailed",
    "Backoff",
    "BrokerError",
    "ClientState",
    "ConnectFailed",
    "ConnectionLost",
    "ContentError",
    "Hooks",
    "NotConnected",
    "Options",
    "OutcomeUnknown",
    "ReceiptMissing",
    "ReplyMissing",
    "SendStalled",
    "StaleDelivery",
    "StompError",
    "TlsSettings",
    "TransactionVoid",
    "Unsupported",
    "UsageError",
    "Client",
    "Message",
    "Connection",
    "Connection10",
    "Connection11",
    "Connection12",
    "ConnectionListener",
    "PrintingListener",
    "StatsListener",
    "StompConnection10",
    "StompConnection11",
    "StompConnection12",
    "WSConnection",
    "WSStompConnection",
    "WaitingListener",
    "__version__",
    "connect",
    "constants",
    "exception",
    "listener",
    "log",
    "protocol",
    "transport",
    "tuple_version",
    "utils",
]


def tuple_version() -> tuple[int, ...]:
    """The version as numbers."""
    return tuple(int(part) for part in _number.split("."))


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"stomp.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'stomp' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_SUBMODULES})
