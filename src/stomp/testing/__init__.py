"""Tools to test programs that use stompkit; the tests of stompkit use them, too.

Within stompkit, only its tests and the pytest plugin import this package.

- `FakeClock` (`stomp.testing.clock`): a clock that a test advances.
- `Relay` (`stomp.testing.relay`): a TCP relay between a client and a broker. It resets, closes and stalls connections
  on demand, or resets and closes them by a plan: `Cut`, `frame_cuts`, `random_cuts` (`stomp.testing.fault_plans`).
- `ScriptedServer` (`stomp.testing.servers`): a server that runs a script for each client.
- `HttpProxy` and `Socks5Proxy` (`stomp.testing.proxies`): scripts that turn such a server into a proxy.
- `stomp_broker`, `stomp_module_broker`, `stomp_session_broker`, `stomp_relay` and `stomp_server`: fixtures for pytest
  (`stomp.testing.pytest_plugin`).
- `SessionPair` (`stomp.testing.session_pair`): a client session and a server session, connected in memory.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stomp import _installation

if TYPE_CHECKING:
    from stomp.testing.clock import FakeClock
    from stomp.testing.fault_plans import Cut, frame_cuts, random_cuts
    from stomp.testing.proxies import HttpProxy, Socks5Proxy
    from stomp.testing.relay import Relay
    from stomp.testing.servers import ScriptedServer
    from stomp.testing.session_pair import Endpoint, SessionPair

# Modules are loaded on first access: pytest imports this package for its plugin, also for tests that do not use it.
_HOMES = {
    "Cut": "fault_plans",
    "Endpoint": "session_pair",
    "FakeClock": "clock",
    "HttpProxy": "proxies",
    "Relay": "relay",
    "ScriptedServer": "servers",
    "Socks5Proxy": "proxies",
    "SessionPair": "session_pair",
    "frame_cuts": "fault_plans",
    "random_cuts": "fault_plans",
}

__all__ = [
    "Cut",
    "Endpoint",
    "FakeClock",
    "HttpProxy",
    "Relay",
    "ScriptedServer",
    "Socks5Proxy",
    "SessionPair",
    "frame_cuts",
    "random_cuts",
]


if not TYPE_CHECKING:  # for a type checker, __getattr__ would define every name

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'stomp.testing' has no attribute {name!r}")
        _installation.check()
        return getattr(importlib.import_module(f"stomp.testing.{home}"), name)
