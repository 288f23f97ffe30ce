"""What a program has put into the place of `socket.create_connection` or of `stomp.transport.ssl`.

Programs written for stomp.py do so to trust the authorities of the system, to accept a certificate of another name, to
replace DNS, or to have no network in a test. stomp.py connected by these names, so `stomp.Connection` does, too, where
they are not the originals. `stomp.Client` has arguments for all of that.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

#: Called with (host, port), the timeout, and where to bind if anywhere; returns a connected socket.
CreateConnection = Callable[..., socket.socket]

#: Those who bring another kind of threads replace it for all programs, by one that does the same.
_SAME = ("socket", "gevent", "eventlet")


def create_connection(module: Any) -> CreateConnection | None:
    """The `create_connection` of what `stomp.transport.socket` is now; None if that is the original.

    Args:
        module: the module `socket`, or what stands in its place.
    """
    found: CreateConnection | None = getattr(module, "create_connection", None)
    if found is None or str(getattr(found, "__module__", "")).partition(".")[0] in _SAME:
        return None
    return found


def tls_context(module: Any, settings: Mapping[str, Any]) -> ssl.SSLContext | None:
    """A context from what `stomp.transport.ssl` is now, with the settings of `set_ssl`; None if that is the original.

    Args:
        module: what a program has set as `stomp.transport.ssl`; None if nothing.
        settings: the arguments of `set_ssl`.

    Raises:
        UsageError: a file cannot be used.
    """
    if module is None or module is sys.modules.get("ssl"):
        return None
    from stomp.net.tls import client_context

    return client_context(
        ca_certs=settings["ca_certs"],
        cert_file=settings["cert_file"] or settings["key_file"],
        key_file=settings["key_file"],
        password=settings["password"],
        verify=settings["verify"],
        factory=module.SSLContext,
    )
