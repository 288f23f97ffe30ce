"""STOMP toolkit for Python: clients for message brokers that speak STOMP 1.0, 1.1 and 1.2.

    import stomp

    conn = stomp.Connection([("localhost", 61613)])
    conn.set_listener("", MyListener())
    conn.connect("admin", "password", wait=True)
    conn.subscribe("/queue/test", id="1")
    conn.send("/queue/test", "hello")
    conn.disconnect()

Modules are imported when one of their names is first used, so importing the package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stomp._version import PackageVersion
from stomp._version import __version__ as _number
from stomp.classic import module_aliases

if TYPE_CHECKING:
    from stomp import adapter as adapter
    from stomp import backward as backward
    from stomp import colours as colours
    from stomp import connect as connect
    from stomp import constants as constants
    from stomp import exception as exception
    from stomp import listener as listener
    from stomp import log as log
    from stomp import otel as otel
    from stomp import protocol as protocol
    from stomp import transport as transport
    from stomp import utils as utils
    from stomp.adapter.ws import WSConnection, WSStompConnection
    from stomp.client.aio.client import AsyncClient
    from stomp.client.aio.client import Batch as AsyncBatch
    from stomp.client.aio.handles import AsyncMessage
    from stomp.client.aio.handles import Confirmation as AsyncConfirmation
    from stomp.client.aio.handles import Consumer as AsyncConsumer
    from stomp.client.aio.handles import MergedSubscription as AsyncMergedSubscription
    from stomp.client.aio.handles import Subscription as AsyncSubscription
    from stomp.client.aio.handles import Transaction as AsyncTransaction
    from stomp.client.arguments import SendOptions, SubscribeOptions
    from stomp.client.connect import TlsSettings
    from stomp.client.options import Options
    from stomp.client.sync.client import Batch, Client
    from stomp.client.sync.handles import (
        Confirmation,
        Consumer,
        MergedSubscription,
        Message,
        Subscription,
        Transaction,
    )
    from stomp.connect import (
        Connection,
        Connection10,
        Connection11,
        Connection12,
        StompConnection10,
        StompConnection11,
        StompConnection12,
    )
    from stomp.core.engine.broker_profiles import BrokerProfile
    from stomp.core.engine.failover import Backoff
    from stomp.core.engine.hooks import Hooks
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.status import ClientState, DrainReport, StateChange, Stats
    from stomp.core.errors import (
        AddressError,
        AlreadySettled,
        AuthenticationFailed,
        BrokerError,
        ConnectFailed,
        ConnectionLost,
        ContentError,
        FrameError,
        HeartbeatLost,
        LimitExceeded,
        NotConnected,
        OutcomeUnknown,
        ReceiptMissing,
        RemoteProtocolError,
        ReplyMissing,
        RetriesExhausted,
        SendStalled,
        StaleDelivery,
        StompError,
        TransactionVoid,
        Unsupported,
        UsageError,
    )
    from stomp.core.frames.frame import Headers
    from stomp.core.frames.limits import Leniency, Limits
    from stomp.listener import (
        ConnectionListener,
        PrintingListener,
        StatsListener,
        WaitingListener,
    )
    from stomp.net.address import Address
    from stomp.net.websocket import WebSocketSettings
    from stomp.utils import Frame

    # Second names of modules, see `stomp.classic.module_aliases`.
    logging = log
    colors = colours
    backward2 = backward3 = backwardsock = backwardsock25 = backwardsock26 = backward

__version__ = PackageVersion(_number)
#: Read by modules that stomp.py does not have, see `stomp._installation`.
_DISTRIBUTION = "stompkit"
module_aliases.install()

#: module -> the public names defined there; "name=inner" is called `inner` in that module
_NAMES_OF = {
    "stomp.adapter.ws": "WSConnection WSStompConnection",
    "stomp.client.aio.client": "AsyncClient AsyncBatch=Batch",
    "stomp.client.aio.handles": (
        "AsyncMessage AsyncConfirmation=Confirmation AsyncConsumer=Consumer "
        "AsyncMergedSubscription=MergedSubscription AsyncSubscription=Subscription AsyncTransaction=Transaction"
    ),
    "stomp.client.arguments": "SendOptions SubscribeOptions",
    "stomp.client.connect": "TlsSettings",
    "stomp.client.options": "Options",
    "stomp.client.sync.client": "Batch Client",
    "stomp.client.sync.handles": "Confirmation Consumer MergedSubscription Message Subscription Transaction",
    "stomp.connect": (
        "Connection Connection10 Connection11 Connection12 StompConnection10 StompConnection11 "
        "StompConnection12"
    ),
    "stomp.core.errors": (
        "AddressError AlreadySettled AuthenticationFailed BrokerError ConnectFailed ConnectionLost "
        "ContentError FrameError HeartbeatLost LimitExceeded NotConnected OutcomeUnknown ReceiptMissing "
        "RemoteProtocolError ReplyMissing RetriesExhausted SendStalled StaleDelivery StompError TransactionVoid "
        "Unsupported UsageError"
    ),
    "stomp.core.engine.message": "BaseMessage",
    "stomp.core.engine.failover": "Backoff",
    "stomp.core.frames.frame": "Headers",
    "stomp.core.engine.hooks": "Hooks",
    "stomp.core.frames.limits": "Leniency Limits",
    "stomp.core.engine.status": "ClientState DrainReport StateChange Stats",
    "stomp.core.engine.broker_profiles": "BrokerProfile",
    "stomp.listener": "ConnectionListener PrintingListener StatsListener WaitingListener",
    "stomp.net.address": "Address",
    "stomp.net.websocket": "WebSocketSettings",
    "stomp.utils": "Frame",
}
#: name -> the module that defines it
_HOMES = {word.partition("=")[0]: module for module, words in _NAMES_OF.items() for word in words.split()}
#: name -> its name in that module, if it differs
_INNER = dict(word.split("=") for words in _NAMES_OF.values() for word in words.split() if "=" in word)
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
    *(name.partition(".")[2] for name in module_aliases.ALIASES),
}

__all__ = [
    "Address",
    "AddressError",
    "AlreadySettled",
    "AsyncBatch",
    "AsyncClient",
    "AsyncConfirmation",
    "AsyncConsumer",
    "AsyncMergedSubscription",
    "AsyncMessage",
    "AsyncSubscription",
    "AsyncTransaction",
    "AuthenticationFailed",
    "Backoff",
    "BaseMessage",
    "Batch",
    "BrokerError",
    "BrokerProfile",
    "Client",
    "ClientState",
    "Confirmation",
    "ConnectFailed",
    "Connection",
    "Connection10",
    "Connection11",
    "Connection12",
    "ConnectionListener",
    "ConnectionLost",
    "Consumer",
    "ContentError",
    "DrainReport",
    "Frame",
    "FrameError",
    "Headers",
    "HeartbeatLost",
    "Hooks",
    "Leniency",
    "LimitExceeded",
    "Limits",
    "MergedSubscription",
    "Message",
    "NotConnected",
    "Options",
    "OutcomeUnknown",
    "PrintingListener",
    "ReceiptMissing",
    "RemoteProtocolError",
    "ReplyMissing",
    "RetriesExhausted",
    "SendOptions",
    "SendStalled",
    "StaleDelivery",
    "StateChange",
    "Stats",
    "StatsListener",
    "StompConnection10",
    "StompConnection11",
    "StompConnection12",
    "StompError",
    "SubscribeOptions",
    "Subscription",
    "TlsSettings",
    "Transaction",
    "TransactionVoid",
    "Unsupported",
    "UsageError",
    "WSConnection",
    "WSStompConnection",
    "WaitingListener",
    "WebSocketSettings",
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


if not TYPE_CHECKING:  # type checkers would accept every name

    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return importlib.import_module(f"stomp.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'stomp' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOMES[name]), _INNER.get(name, name))
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_SUBMODULES})
