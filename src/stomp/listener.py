"""Listeners: objects whose methods are called for the events of a connection.

A listener can be any object; methods that it does not have are not called. `ConnectionListener` lists all of them.
Callbacks run in order, on the receiving thread unless a method says otherwise. No lock is held, so a callback may call
any method of the connection. Heart-beats are sent while a callback runs.
"""

from __future__ import annotations

from typing import Any

from stomp import log as log
from stomp.classic.callbacks import ConnectionListener as ConnectionListener
from stomp.classic.callbacks import Publisher as Publisher
from stomp.classic.heartbeat_listener import HeartbeatListener as HeartbeatListener
from stomp.classic.listeners import PrintingListener as PrintingListener
from stomp.classic.listeners import StatsListener as StatsListener
from stomp.classic.listeners import TestListener as TestListener
from stomp.classic.listeners import WaitingListener as WaitingListener
from stomp.classic.reexports import resolve_reexport


def __getattr__(name: str) -> Any:
    return resolve_reexport(__name__, name)
