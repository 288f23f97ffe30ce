"""One STOMP connection without I/O: the sessions of the client and of the server."""
