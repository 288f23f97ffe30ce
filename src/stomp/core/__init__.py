"""The protocol without I/O: bytes and clock readings go in, events and bytes come out.

Nothing below this folder opens a socket, starts a thread, asks the time or throws dice.
`Session` (in `stomp.core.session.base`) is the one object that drivers talk to.
"""

from stomp import _installation

# Here, because whatever of stompkit can do something imports the core.
_installation.check()
