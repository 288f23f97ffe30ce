"""TLS as a layer over `ssl.MemoryBIO`. The same code is used for blocking and asyncio sockets and for WebSockets.

Rule of this file: no `ssl.SSLSocket`. One that two threads use can deadlock (CPython issue 137583); memory BIOs cannot.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_READ = 256 * 1024


def client_context(
    *,
    ca_certs: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    password: str | Callable[[], str] | None = None,
    verify: bool = True,
    factory: Callable[[int], ssl.SSLContext] | None = None,
) -> ssl.SSLContext:
    """Make a context for clients: TLS 1.2 or newer, with the broker's certificate and host name verified.

    Args:
        ca_certs: a PEM file with the trusted certificate authorities; None for those of the system.
        cert_file: a PEM file with the client certificate, if the broker requires one.
        key_file: a PEM file with its key, if the key is not in `cert_file`.
        password: the password of the key, or a function that returns it.
        verify: False accepts any certificate. A man in the middle can then read and change all data.
        factory: creates the context instead of `ssl.SSLContext`. It then decides whether the host name is verified and
            which versions of TLS are allowed.

    Raises:
        UsageError: a file cannot be read or is invalid, or there is a key without a certificate.
    """
    if key_file is not None and cert_file is None:
        raise UsageError("a TLS key without its certificate", hint="give cert_file, too")
    context = (factory or ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
    if factory is None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # With renegotiation a write may have to wait for a read, and there have been several attacks on it.
        context.options |= ssl.OP_NO_RENEGOTIATION
    if not verify:
        context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    using = "authorities of the system"
    try:
        if ca_certs is not None:
            using = f"CA file {ca_certs!r}"
            context.load_verify_locations(cafile=ca_certs)
        elif verify:
            context.load_default_certs()
        if cert_file is not None:
            using = f"certificate {cert_file!r}" + (f" with key {key_file!r}" if key_file else "")
            # Without a password callback OpenSSL would prompt on the terminal, and block.
            context.load_cert_chain(cert_file, key_file, _no_password if password is None else password)
    except (OSError, ValueError) as err:  # ssl.SSLError is an OSError
        reason = str(getattr(err, "reason", None) or "").replace("_", " ").lower()
        reason = reason or getattr(err, "strerror", None) or str(err)
        raise UsageError(f"cannot use the TLS {using}: {reason}") from err
    return context


def _no_password() -> str:
    raise UsageError("the TLS key is encrypted", hint="give its password")


class TlsLayer:
    """One TLS connection. Call `handshake` until it returns True, then use it as a `Layer`.

    Args:
        context: the verification settings and the own certificate.
        server_hostname: the name for SNI and verification; None for a server. The scope of an IPv6 address and the
            trailing dot of a name are removed, because certificates contain neither.
        server_side: True for a server.
    """

    def __init__(
        self, context: ssl.SSLContext, server_hostname: str | None, *, server_side: bool = False
    ) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        if server_hostname is not None:
            server_hostname = server_hostname.partition("%")[0].removesuffix(".")
        self._tls = context.wrap_bio(self._in, self._out, server_side, server_hostname)
        self.failure: OSError | None = None
        self.ended: bool = False
        self.is_websocket: bool = False

    def handshake(self, data: bytes = b"") -> bool:
        """Process bytes of the handshake. Write `outgoing` after each call.

        Returns:
            True once the handshake is complete.

        Raises:
            ssl.SSLError: it failed; `ssl.SSLCertVerificationError` if the certificate was not accepted.
        """
        if data:
            self._in.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def peer_certificate(self) -> dict[str, object]:
        """Return the verified certificate of the peer, as `ssl.SSLSocket.getpeercert` does; else an empty dict."""
        return dict(self._tls.getpeercert() or {})

    def peer_certificate_der(self) -> bytes:
        """Return the certificate of the peer in DER, verified or not; empty bytes if there is none."""
        return self._tls.getpeercert(binary_form=True) or b""

    def receive(self, data: bytes) -> bytes:
        """See `Layer.receive`."""
        if self.failure is not None:
            raise self.failure
        if data:
            self._in.write(data)
        parts: list[bytes] = []
        try:
            while part := self._tls.read(_READ):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as err:
            # The data before it must be delivered: a broker may send the reason in an ERROR frame before the alert.
            if not parts:
                raise
            self.failure = err
            self.ended = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def send(self, parts: list[bytes]) -> None:
        """See `Layer.send`."""
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[self._tls.write(rest) :]

    def outgoing(self) -> bytes:
        """See `Layer.outgoing`."""
        return self._out.read() if self._out.pending else b""

    def close(self) -> None:
        """See `Layer.close`."""
        # SSLWantReadError: our close_notify is in the output, and we do not wait for the peer's. After any other error
        # the connection is unusable anyway.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
