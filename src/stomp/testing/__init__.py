"""Tools for tests: shipped, so that what proves stompkit can prove what is built on it.

Nothing of stompkit but its tests and the pytest plugin imports this package.

- `FakeClock` (`stomp.testing.clock`): a clock that only moves when told to.
- `Relay` (`stomp.testing.relay`): between a client and a broker; cuts, closes and stalls on demand, or cuts by a
  plan: `Cut`, `frame_cuts`, `random_cuts` (`stomp.testing.fault_plans`).
- `ScriptedServer` (`stomp.testing.servers`): a server that does what a script says, good or bad.
- `HttpProxy` and `Socks5Proxy` (`stomp.testing.proxies`): scripts that make a proxy of such a server.
- `stomp_broker`, `stomp_relay` and `stomp_server`, fixtures for pytest (`stomp.testing.pytest_plugin`).
- `SessionPair` (`stomp.testing.session_pair`): a client session and a server session in memory, connected.
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

# Loaded when asked for: pytest imports this package for its plugin, in the tests of programs that use none of it.
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


if not TYPE_CHECKING:  # a checker would take every name for one that is there

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'stomp.testing' has no attribute {name!r}")
        _installation.check()
        return getattr(importlib.import_module(f"stomp.testing.{home}"), name)
