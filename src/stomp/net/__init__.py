"""Bytes on the network: addresses, sockets, TLS. Nothing here knows a STOMP frame."""
