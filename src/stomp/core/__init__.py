"""The protocol without I/O: the input is bytes and clock readings, the output is events and bytes.

Rules of this package: no module opens a socket, starts a thread, reads the clock or generates random numbers.
One STOMP connection is a `Session` (in `stomp.core.session.base`); a client over all its connections is a
`ClientEngine` (in `stomp.core.engine.engine`).
"""

from stomp import _installation

# The check is here because every other package of stompkit imports the core.
_installation.check()
