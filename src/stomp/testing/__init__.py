"""Tools for tests: shipped, so that what proves stompkit can prove what is built on it.

Nothing of stompkit but its tests and the pytest plugin imports this package.

- `FakeClock` (`stomp.testing.clock`): a clock that only moves when told to.
- `Relay` (`stomp.testing.relay`): between a client and a broker; cuts, closes and stalls on demand.
- `ScriptedServer` (`stomp.testing.servers`): a server that does what a script says, good or bad.
- `HttpProxy` and `Socks5Proxy` (`stomp.testing.proxies`): scripts that make a proxy of such a server.
- `Wire` (`stomp.testing.wire`): a client's and a server's session in memory, with the bytes between them.
"""

from stomp.testing.clock import FakeClock
from stomp.testing.proxies import HttpProxy, Socks5Proxy
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer
from stomp.testing.wire import End, Wire

__all__ = ["End", "FakeClock", "HttpProxy", "Relay", "ScriptedServer", "Socks5Proxy", "Wire"]
