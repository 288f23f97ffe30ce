"""TLS as a layer over `ssl.MemoryBIO`: the same path serves plain sockets, WebSockets and Unix sockets.

One `SSLSocket` used by two threads can deadlock (CPython issue 137583); bytes through memory cannot.
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
    """A context for connecting: TLS 1.2 or newer, the broker's certificate and name verified.

    Args:
        ca_certs: a PEM file with the authorities to trust; the system's if None.
        cert_file: a PEM file with the client's certificate, if the broker asks for one.
        key_file: its key, where that is not in the same file.
        password: the password of the key.
        verify: False accepts any certificate: whoever sits in between can read and change everything.
        factory: makes the context, in the place of `ssl.SSLContext`. Whether it checks the name, and from which
            version of TLS on, is up to the factory then.

    Raises:
        UsageError: a file cannot be read or is not what it should be.
    """
    if key_file is not None and cert_file is None:
        raise UsageError("a TLS key without its certificate", hint="give cert_file, too")
    context = (factory or ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
    if factory is None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A write must never have to wait for a read; and renegotiation has a history of attacks.
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
            # Without a password OpenSSL would ask at the terminal, and wait.
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
        context: how to verify, what to present.
        server_hostname: the name to ask for (SNI) and to verify; None for a server. The scope of an IPv6 address
            and the dot at the end of a full name are left out, as certificates have neither.
        server_side: accept instead of connect.
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
        """Go on with the handshake; True when it is done. Write `outgoing` after each call.

        Raises:
            ssl.SSLError: it failed; `ssl.SSLCertVerificationError` when the certificate is to blame.
        """
        if data:
            self._in.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def peer_certificate(self) -> dict[str, object]:
        """The verified certificate of the peer as `ssl.SSLSocket.getpeercert` gives it, else an empty dict."""
        return dict(self._tls.getpeercert() or {})

    def peer_certificate_der(self) -> bytes:
        """The certificate of the peer as it came (DER), verified or not."""
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
            # What came before it counts: a broker may say why in an ERROR frame, and then in an alert.
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
        # Want-read: our close_notify is out, the peer's is not waited for. Anything else: it is gone anyway.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
