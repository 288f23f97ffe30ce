"""Errors and hints for a failed TLS handshake or STOMP login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.errors import ConnectFailed, RemoteProtocolError
from stomp.core.frames.foreign_protocols import expected, identify

if TYPE_CHECKING:
    from stomp.core.errors import StompError

_CERTIFICATE = "give a client certificate: cert_file and key_file"
_OLD_TLS = "the broker's TLS is older than 1.2; an SSLContext of your own can allow that"
_NO_TLS = "the port does not speak TLS"

#: Substring of OpenSSL's name for an error (its `reason`) -> hint.
_TLS_HINTS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "PROTOCOL_VERSION": _OLD_TLS,
    "CERTIFICATE_REQUIRED": f"the broker asks for a client certificate; {_CERTIFICATE}",
    # Java's TLS sends this alert also if the client sent no certificate.
    "BAD_CERTIFICATE": f"the broker asks for a client certificate, or does not accept this one; {_CERTIFICATE}",
    "CERTIFICATE_UNKNOWN": f"the broker does not accept the client certificate; {_CERTIFICATE}",
    "HANDSHAKE_FAILURE": f"the broker may require other ciphers or a client certificate; {_CERTIFICATE}",
    "UNKNOWN_CA": "the broker does not trust the client certificate",
}


#: The maximum number of bytes of an unknown protocol that an error text shows.
_SHOWN = 32


def tls_hint(reason: str) -> str:
    """Return the hint for an OpenSSL error name, or an empty string."""
    return next((hint for part, hint in _TLS_HINTS.items() if part in reason), "")


def login_failed(address: object, why: StompError | None, *, tls: bool = False) -> ConnectFailed:
    """Return the error for a connection that was opened but got no CONNECTED.

    Args:
        address: the broker: a `stomp.net.address.Address` or any text.
        why: the error of the session; None if the broker did not answer CONNECT in time.
        tls: the connection uses TLS, even if the transport of the address does not say so.
    """
    where, transport = str(address), getattr(address, "transport", "")
    tls = tls or transport in ("tls", "wss")
    words = why.message if why is not None else "the broker did not answer CONNECT in time"
    hint = why.hint if why is not None else ""
    frame = getattr(why, "frame", None)
    alert = str(getattr(why.__cause__, "reason", None) or "") if why is not None else ""
    first = why.received if isinstance(why, RemoteProtocolError) else b""
    if (found := identify(first, tls=tls)) is not None:
        words, hint = found
    elif advice := tls_hint(alert):
        # In TLS 1.3 a server may reject the client's certificate after the client's handshake is complete
        # (RFC 8446, section 4.4.2.4).
        words, hint = f"the broker ended TLS: {alert.replace('_', ' ').lower()}", advice
    elif not hint and frame is None:
        if first:
            words = f"this is not STOMP: it began with {first[:_SHOWN]!r}"
        port, websocket = getattr(address, "port", 0), transport in ("ws", "wss")
        hint = expected(port, tls=tls, websocket=websocket) or _questions(tls)
    error = ConnectFailed(
        f"connecting to {where} failed: {words}",
        address=where,
        phase="stomp",
        frame=frame,
        failures=[why] if why is not None else [],
        hint=hint,
    )
    error.__cause__ = why
    return error


def _questions(tls: bool) -> str:
    wants = "requires a client certificate" if tls else "requires TLS"
    return f"check that this is the STOMP port, whether it {wants}, and that the broker behind it is running"
