"""Support for programs that monkey-patch `socket.create_connection` or `stomp.transport.ssl`.

Programs for stomp.py do so to trust the certificate authorities of the system, to accept a certificate of another name,
to replace DNS, or to test without a network. stomp.py connected with these names, so `stomp.Connection` uses them, too,
if they are patched. `stomp.Client` has arguments for all of this.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

#: Called with (host, port), the timeout, and optionally the address to bind to; returns a connected socket.
CreateConnection = Callable[..., socket.socket]

#: Modules whose `create_connection` does not count as patched: libraries of green threads replace it by an equivalent.
_SAME = ("socket", "gevent", "eventlet")


def create_connection(module: Any) -> CreateConnection | None:
    """The patched `create_connection` of `stomp.transport.socket`; None if it is not patched.

    Args:
        module: the module `socket`, or its replacement.
    """
    found: CreateConnection | None = getattr(module, "create_connection", None)
    if found is None or str(getattr(found, "__module__", "")).partition(".")[0] in _SAME:
        return None
    return found


def tls_context(module: Any, settings: Mapping[str, Any]) -> ssl.SSLContext | None:
    """A context of the patched `stomp.transport.ssl`, with the settings of `set_ssl`; None if it is not patched.

    Args:
        module: the value that a program has set as `stomp.transport.ssl`; None if it has not.
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
