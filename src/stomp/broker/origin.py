"""Decides which web pages may connect to the WebSockets of the broker.

A browser lets every page open a WebSocket to this machine, and names the page's origin in the header ``Origin``
(RFC 6455, section 10.2). Accepted are:

- no ``Origin``: the client is no browser,
- an origin on localhost,
- an origin on the host that the request is sent to, if that host is an address, this machine's name or a host that the
  broker listens on. Any other name may be one that its owner has pointed at this machine (DNS rebinding),
- the origins of `Broker(allow_origins=)`; "*" accepts all.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOCAL = frozenset(["localhost", "127.0.0.1", "::1"])


class OriginPolicy:
    """The origins that are accepted.

    Args:
        allowed: more origins, as "https://app.example:8443"; "null" for pages of files; "*" for all.
        hosts: the hosts that the broker listens on.

    Raises:
        UsageError: an entry of `allowed` is not an origin.

    >>> OriginPolicy().accepts("http://localhost:3000", "127.0.0.1:15674")
    True
    >>> OriginPolicy().accepts("https://example.com", "127.0.0.1:15674")
    False
    """

    def __init__(self, allowed: Iterable[str] = (), *, hosts: Iterable[str] = ()) -> None:
        self._allowed = frozenset(_checked(origin) for origin in allowed)
        self._names = frozenset([socket.gethostname().lower(), *(host.lower() for host in hosts if host)])

    def accepts(self, origin: str | None, host: str | None) -> bool:
        """True if a page of this origin may connect.

        Args:
            origin: the header ``Origin``; None if the request has none.
            host: the header ``Host``; None if the request has none.
        """
        if origin is None or "*" in self._allowed or origin.lower() in self._allowed:
            return True
        name = _host_of(origin)
        if name is None:
            return False
        if name in _LOCAL:
            return True
        return host is not None and name == _host_of(f"//{host}") and (name in self._names or is_ip(name))


def _checked(origin: str) -> str:
    if origin in ("*", "null"):
        return origin
    if _host_of(origin) is None or urlsplit(origin).path:
        raise UsageError(f"{origin!r} is no origin", hint='write it as "https://app.example:8443"')
    return origin.lower()


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def is_ip(name: str) -> bool:
    """True for a numeric address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
