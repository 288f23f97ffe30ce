"""The network: addresses, sockets, proxies, TLS and WebSockets. Nothing here encodes or decodes STOMP frames."""
