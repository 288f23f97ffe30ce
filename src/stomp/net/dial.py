"""Opening sockets: names resolved anew each time, both address families, tuned for small frames."""

from __future__ import annotations

import selectors
import socket
import time
from typing import TYPE_CHECKING, Any

from stomp.core.errors import ConnectFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stomp.net.address import Address
    from stomp.net.tls import TlsLayer

#: keepalive: False or None for off, True for the system's settings, ("linux", idle, interval, count) in seconds
#: and probes (None leaves one as it is), or ("mac", interval).
Keepalive = object

#: A numeric address, as `socket.getaddrinfo` gives it.
SockAddr = tuple[Any, ...]

_READ = 64 * 1024
#: No try at one of several numeric addresses gets less than this many seconds, unless the whole has less.
_FAIR_SHARE = 2.0


class Deadline:
    """A moment on a clock that several steps share."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left, 0.0 when it has passed."""
        return max(0.0, self._at - self._clock())


def open_socket(
    address: Address, deadline: Deadline, *, bind: tuple[str, int] | None = None
) -> socket.socket:
    """Connect a TCP or Unix socket. It is blocking, and has TCP_NODELAY.

    All numeric addresses of the name are tried, IPv6 and IPv4 in turns.

    Raises:
        ConnectFailed: in phase "resolve" or "tcp", with one failure for each numeric address.
    """
    if address.transport == "unix":
        return _open_unix(address, deadline)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        reason = getattr(err, "strerror", None) or str(err)
        raise ConnectFailed(
            f"cannot resolve the host name {address.host!r}: {reason}",
            address=str(address),
            phase="resolve",
            failures=[err],
            hint="check the name, or give a numeric address",
        ) from err
    choices = _interleaved((family, sockaddr) for family, _, _, _, sockaddr in found)
    failures: list[OSError] = []
    for tried, (family, sockaddr) in enumerate(choices):
        share = max(deadline.left / (len(choices) - tried), _FAIR_SHARE)
        try:
            return _connect(family, sockaddr, min(share, deadline.left), bind)
        except OSError as err:
            failures.append(err)
    last = failures[-1]
    raise ConnectFailed(
        f"cannot connect to {address}: {_reason(last)}",
        address=str(address),
        phase="tcp",
        failures=failures,
        hint=_hint(last),
    ) from last


def _interleaved(found: Iterable[tuple[int, SockAddr]]) -> list[tuple[int, SockAddr]]:
    """The addresses, families alternating, in the resolver's order within a family (RFC 8305, section 4)."""
    families: dict[int, list[SockAddr]] = {}
    for family, sockaddr in found:
        known = families.setdefault(family, [])
        if sockaddr not in known:
            known.append(sockaddr)
    longest = max(map(len, families.values()))
    return [(f, known[i]) for i in range(longest) for f, known in families.items() if i < len(known)]


def _connect(family: int, sockaddr: SockAddr, seconds: float, bind: tuple[str, int] | None) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if bind is not None:
            sock.bind(bind)
        if seconds <= 0:
            raise TimeoutError("timed out")
        sock.settimeout(seconds)
        sock.connect(sockaddr)
        sock.settimeout(None)
        # Without it, a frame that follows another waits for the peer's delayed acknowledgement: 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _open_unix(address: Address, deadline: Deadline) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(deadline.left or 0.001)
        sock.connect(address.path)
        sock.settimeout(None)
    except OSError as err:
        sock.close()
        raise ConnectFailed(
            f"cannot connect to {address}: {_reason(err)}", address=str(address), phase="tcp", failures=[err]
        ) from err
    return sock


def _reason(err: OSError) -> str:
    if isinstance(err, TimeoutError):
        return "timed out"
    return (err.strerror or str(err)).lower()


def _hint(err: OSError) -> str:
    if isinstance(err, ConnectionRefusedError):
        return "is the broker running, and is this its STOMP port?"
    if isinstance(err, TimeoutError):
        return "a firewall may be dropping packets"
    return ""


def keep_alive(sock: socket.socket, keepalive: Keepalive) -> str:
    """Turn TCP keep-alive on as asked; returns what went wrong, in words, or an empty string.

    A connection without keep-alive works, so nothing is raised.
    """
    if not keepalive:
        return ""
    kind, values = "auto", tuple[Any, ...]()
    if keepalive is True:
        pass
    elif isinstance(keepalive, list | tuple):
        kind, values = str(keepalive[0]), tuple(keepalive[1:])
    else:
        return f"keepalive {keepalive!r} is not understood; it stays off"
    names = {
        "auto": (),
        "linux": ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"),
        # What Linux calls the idle time is the only setting that macOS names for itself.
        "mac": ("TCP_KEEPALIVE",),
    }.get(kind)
    if names is None or len(values) != len(names):
        return f"keepalive {keepalive!r} is not understood; it stays off"
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in zip(names, values, strict=True):
            if value is not None:
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), int(value))
    except (OSError, AttributeError, TypeError, ValueError) as err:
        return f"keepalive {keepalive!r} could not be set: {err}"
    return ""


def shake_hands(sock: socket.socket, layer: TlsLayer, address: Address, deadline: Deadline) -> None:
    """Do the TLS handshake over a connected socket. The socket is blocking again afterwards.

    Raises:
        ConnectFailed: in phase "tls".
    """
    try:
        done = layer.handshake()
        while True:
            if out := layer.outgoing():
                sock.settimeout(deadline.left or 0.001)
                sock.sendall(out)
            if done:
                break
            sock.settimeout(deadline.left or 0.001)
            data = sock.recv(_READ)
            if not data:
                raise ConnectionResetError("the broker closed the connection")
            done = layer.handshake(data)
        sock.settimeout(None)
    except OSError as err:  # ssl.SSLError is one
        verify = getattr(err, "verify_message", "")
        reason = f"certificate not accepted: {verify}" if verify else _tls_reason(err)
        raise ConnectFailed(
            f"TLS with {address} failed: {reason}",
            address=str(address),
            phase="tls",
            failures=[err],
            hint="check the host name and the CA file" if verify else _tls_hint(err),
        ) from err


def _tls_reason(err: OSError) -> str:
    if isinstance(err, TimeoutError):
        return "timed out"
    reason = getattr(err, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(err)


def _tls_hint(err: OSError) -> str:
    if getattr(err, "reason", None) in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return "the port does not speak TLS"
    return ""


def wait_ready(sock: socket.socket, *, read: bool, write: bool, seconds: float) -> tuple[bool, bool]:
    """Wait until the socket can be read or written, or time is up; returns (readable, writable)."""
    events = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
    kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
    with kind() as selector:
        try:
            selector.register(sock, events)
        except ValueError:
            # Closed meanwhile: reading or writing it will say so.
            return read, write
        ready = selector.select(seconds)
    happened = ready[0][1] if ready else 0
    return bool(happened & selectors.EVENT_READ), bool(happened & selectors.EVENT_WRITE)
