"""Opening of sockets.

Rules of this file: each connect resolves the host name again, tries IPv6 and IPv4 addresses, and sets TCP_NODELAY for
small frames. Each step has a deadline.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stomp.core.connect_errors import tls_hint
from stomp.core.errors import AddressError, ConnectFailed
from stomp.core.frames.foreign_protocols import EXAMINED_BYTES, expected, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stomp.net.address import Address
    from stomp.net.proxy import Handshake, Proxy
    from stomp.net.tls import TlsLayer

#: TCP keep-alive: False or None for off, True or ("auto",) for the settings of the system, ("linux", idle, interval,
#: count) in seconds and number of probes (None keeps the setting of the system), or ("mac", idle). The names are those
#: of stomp.py: both forms work on every system that has the settings.
Keepalive = object

#: A socket address, as returned by `socket.getaddrinfo`.
SockAddr = tuple[Any, ...]

_READ = 64 * 1024


class Deadline:
    """A deadline that several steps share.

    Args:
        seconds: the time from now.
        clock: returns the time in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    @property
    def left(self) -> float:
        """The seconds left; 0.0 once the deadline has passed."""
        return max(0.0, self._at - self._clock())

    def check(self) -> float:
        """Return the seconds left for the next step.

        Raises:
            TimeoutError: the deadline has passed.
        """
        remaining = self.left
        if not remaining:
            raise TimeoutError("timed out")
        return remaining


def open_socket(
    address: Address, deadline: Deadline, *, bind: tuple[str, int] | None = None
) -> socket.socket:
    """Connect a TCP or Unix socket. It is blocking, and a TCP socket has TCP_NODELAY.

    All numeric addresses of the host are tried, IPv6 and IPv4 alternating. Each gets an equal share of the remaining
    time.

    Args:
        address: the address to connect to.
        deadline: the deadline for all of this, the resolver included.
        bind: the local (host, port) to bind to; the system chooses a port if it is 0.

    Raises:
        ConnectFailed: in phase "resolve" or "tcp", with one failure for each numeric address.
        AddressError: `bind` is not an address.
    """
    if address.transport == "unix":
        return _open_unix(address, deadline)
    choices = resolve(address, deadline)
    failures: list[tuple[str, OSError]] = []
    for number, (family, sockaddr) in enumerate(choices):
        try:
            return _connect(family, sockaddr, deadline.check() / (len(choices) - number), bind)
        except OSError as err:
            failures.append((str(sockaddr[0]), err))
    raise connect_error(address, failures) from failures[-1][1]


def open_by(
    connect: Callable[..., socket.socket],
    address: Address,
    seconds: float,
    *,
    bind: tuple[str, int] | None = None,
) -> socket.socket:
    """Connect a TCP socket with a function that has the signature of `socket.create_connection`.

    Args:
        connect: the function.
        address: the address to connect to.
        seconds: the timeout that is passed to the function, in seconds.
        bind: the local (host, port) to bind to.

    Raises:
        ConnectFailed: in phase "tcp".
    """
    try:
        sock = connect(address.pair, seconds, *([bind] if bind is not None else []))
    except (OSError, ValueError) as err:
        raise connect_error(address, [(address.host, err)]) from err
    sock.settimeout(None)
    set_nodelay(sock)
    return sock


def connect_error(address: Address, failures: Sequence[tuple[str, Exception]]) -> ConnectFailed:
    """Return the error for an address. `failures` has (numeric address, error) for each attempt."""
    reasons: dict[str, list[str]] = {}
    for host, err in failures:
        reasons.setdefault(_reason(err), []).append(host)
    if len(failures) == 1 and failures[0][0] == address.host:
        reason_text = _reason(failures[0][1])
    else:
        reason_text = "; ".join(f"{reason} ({', '.join(hosts)})" for reason, hosts in reasons.items())
    errors = [err for _, err in failures]
    return ConnectFailed(
        f"cannot connect to {address}: {reason_text}",
        address=str(address),
        phase="tcp",
        failures=errors,
        hint=next(filter(None, map(_hint, errors)), ""),
    )


def open_via_proxy(
    proxy: Proxy, address: Address, deadline: Deadline, *, bind: tuple[str, int] | None = None
) -> socket.socket:
    """Connect a TCP socket to a proxy, and through it to an address.

    Args:
        proxy: the proxy.
        address: the address to connect to. The proxy resolves its host name.
        deadline: the deadline for all of this.
        bind: see `open_socket`.

    Raises:
        ConnectFailed: in phase "proxy".
        UsageError: the address cannot be sent to this kind of proxy.
    """
    # Imported here because connections without a proxy do not need it.
    from stomp.net.proxy import Handshake

    handshake = Handshake(proxy, address)
    try:
        sock = open_socket(proxy.address, deadline, bind=bind)
    except ConnectFailed as err:
        raise ConnectFailed(
            f"cannot reach the proxy on the way to {address}: {err.message}",
            address=str(address),
            phase="proxy",
            failures=err.failures,
            hint="check that the proxy is running on this port" if err.phase == "tcp" else err.hint,
        ) from err
    try:
        _ask_proxy(sock, handshake, deadline)
    except OSError as err:
        sock.close()
        timed_out = isinstance(err, TimeoutError)
        raise ConnectFailed(
            f"the proxy {proxy.address} cannot reach {address}: {_reason(err)}",
            address=str(address),
            phase="proxy",
            failures=[err],
            hint="the proxy or the broker does not answer" if timed_out else getattr(err, "hint", ""),
        ) from err
    except BaseException:
        sock.close()
        raise
    return sock


def _ask_proxy(sock: socket.socket, handshake: Handshake, deadline: Deadline) -> None:
    done = False
    while not done:
        if out := handshake.outgoing():
            sock.settimeout(deadline.check())
            sock.sendall(out)
        sock.settimeout(deadline.check())
        done = handshake.receive(sock.recv(_READ))
    sock.settimeout(None)


def resolve(address: Address, deadline: Deadline) -> list[tuple[int, SockAddr]]:
    """Resolve a host: return (family, socket address) pairs in the order in which to try them.

    Raises:
        ConnectFailed: in phase "resolve".
    """
    try:
        found = _look_up(address.via or address.host, address.port, deadline)
        if not found:
            raise OSError("it has no address")
    except (OSError, ValueError) as err:  # UnicodeError is a ValueError
        timed_out = isinstance(err, TimeoutError)
        raise ConnectFailed(
            f"cannot resolve the host name {address.host!r}: {_reason(err)}",
            address=str(address),
            phase="resolve",
            failures=[err],
            hint="the name server does not answer"
            if timed_out
            else "check the name, or give a numeric address",
        ) from err
    return _interleaved((family, sockaddr) for family, _, _, _, sockaddr in found)


def resolve_each(address: Address, deadline: Deadline) -> list[Address]:
    """Return an `Address` for each numeric address to which its host resolves now, IPv6 and IPv4 alternating.

    Raises:
        ConnectFailed: in phase "resolve".
    """
    if address.transport == "unix":
        return [address]
    return [replace(address, via=str(sockaddr[0])) for _, sockaddr in resolve(address, deadline)]


def _look_up(host: str, port: int, deadline: Deadline) -> list[Any]:
    """Call `socket.getaddrinfo` with a deadline: the resolver may take minutes, and has no timeout argument."""

    def look_up() -> list[Any]:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    def look_up_and_store() -> None:
        try:
            answers.append((look_up(), None))
        except Exception as err:
            answers.append(([], err))

    if is_ipv4(host):
        # The same result as `getaddrinfo`, without calling it.
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))]
    if ":" in host and _is_numeric(host):
        return look_up()
    answers: list[tuple[list[Any], Exception | None]] = []
    # After the deadline the thread continues in the background, and its result is ignored.
    thread = threading.Thread(target=look_up_and_store, name="stomp-resolver", daemon=True)
    thread.start()
    thread.join(deadline.left)
    if not answers:
        raise TimeoutError("timed out")
    [(found, error)] = answers
    if error is not None:
        raise error
    return found


def is_ipv4(host: str) -> bool:
    """True for a numeric IPv4 address."""
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


def _is_numeric(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, host.partition("%")[0])
            return True
    return False


def _interleaved(found: Iterable[tuple[int, SockAddr]]) -> list[tuple[int, SockAddr]]:
    """Order addresses: families alternating, in the resolver's order within each family (RFC 8305, section 4)."""
    families: dict[int, list[SockAddr]] = {}
    for family, sockaddr in found:
        sockaddrs = families.setdefault(family, [])
        if sockaddr not in sockaddrs:
            sockaddrs.append(sockaddr)
    longest = max(map(len, families.values()), default=0)
    return [
        (family, sockaddrs[i])
        for i in range(longest)
        for family, sockaddrs in families.items()
        if i < len(sockaddrs)
    ]


def _connect(family: int, sockaddr: SockAddr, seconds: float, bind: tuple[str, int] | None) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if bind is not None:
            _bind(sock, bind)
        sock.settimeout(seconds)
        sock.connect(sockaddr)
        refuse_self_connection(sock)
        sock.settimeout(None)
        set_nodelay(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def refuse_self_connection(sock: socket.socket) -> None:
    """Check that a TCP socket is not connected to itself.

    This can happen if a client repeatedly tries a port of the ephemeral range on which no server listens: the system
    may choose the same port as the local one. The socket would then receive its own frames as those of the broker.

    Raises:
        ConnectionRefusedError: it is connected to itself.
    """
    try:
        is_itself = sock.getsockname() == sock.getpeername()
    except OSError:  # the peer has already closed the connection: the next read reports that
        return
    if is_itself:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def set_nodelay(sock: socket.socket) -> None:
    """Set TCP_NODELAY: otherwise a second frame would wait 40 ms for the peer's delayed acknowledgement."""
    # On macOS it fails if the peer has already closed the connection. The next read gives a better error.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _bind(sock: socket.socket, bind: tuple[str, int]) -> None:
    try:
        sock.bind(bind)
    except OSError as err:
        raise OSError(err.errno, f"cannot bind to {bind[0]}:{bind[1]}: {_reason(err)}") from err
    except (TypeError, ValueError, OverflowError) as err:
        raise AddressError(f"cannot connect from {bind!r}", hint="give (host, port) to bind to") from err


def _open_unix(address: Address, deadline: Deadline) -> socket.socket:
    try:
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            raise OSError("this system has no Unix sockets")
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(deadline.check())
            sock.connect(address.path)
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
    except (OSError, ValueError) as err:
        raise ConnectFailed(
            f"cannot connect to {address}: {_reason(err)}",
            address=str(address),
            phase="tcp",
            failures=[err],
            hint=_hint(err),
        ) from err
    return sock


def _reason(err: Exception) -> str:
    if isinstance(err, TimeoutError):
        return "timed out"
    text = getattr(err, "strerror", None) or str(err)
    return text[:1].lower() + text[1:]


def _hint(err: Exception) -> str:
    if isinstance(err, ConnectionRefusedError):
        return "check that the broker is running and that this is its STOMP port"
    if isinstance(err, TimeoutError):
        return "a firewall may be dropping packets"
    if isinstance(err, BlockingIOError):  # a Unix socket; TCP would wait
        return "the broker is too busy to accept connections"
    if isinstance(err, FileNotFoundError):
        return "check that the broker is running and that this is its socket"
    if isinstance(err, PermissionError):
        return "check that this user may write to it"
    return ""


def set_keepalive(sock: socket.socket, keepalive: Keepalive) -> str:
    """Set TCP keep-alive.

    Returns:
        An error text, or an empty string. No exception is raised, because the connection works without keep-alive.
    """
    if not keepalive:
        return ""
    values: tuple[Any, ...] = tuple(keepalive) if isinstance(keepalive, list | tuple) else (keepalive,)
    if values[0] is True:
        values = ("auto", *values[1:])
    # macOS has another name for the idle time.
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"
    forms = {"auto": (), "linux": (idle, "TCP_KEEPINTVL", "TCP_KEEPCNT"), "mac": (idle,)}
    names = forms.get(values[0]) if isinstance(values[0], str) else None
    if names is None or len(names) != len(values) - 1 or isinstance(keepalive, str):
        return f"keepalive {keepalive!r} is invalid; keepalive stays off"
    failed: list[str] = []
    for level, name, value in [
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        *((socket.IPPROTO_TCP, name, value) for name, value in zip(names, values[1:], strict=True)),
    ]:
        if value is None:
            continue
        try:
            sock.setsockopt(level, getattr(socket, name), int(value))
        except (OSError, AttributeError, TypeError, ValueError, OverflowError) as err:
            failed.append(f"{name}: {err}")
    return f"keepalive {keepalive!r} could not be set: {', '.join(failed)}" if failed else ""


def tls_handshake(sock: socket.socket, layer: TlsLayer, address: Address, deadline: Deadline) -> None:
    """Do the TLS handshake over a connected socket. The socket is blocking again afterwards.

    Raises:
        ConnectFailed: in phase "tls". The socket is still open.
    """
    first = bytearray()
    try:
        _run_tls_handshake(sock, layer, deadline, first)
    except OSError as err:  # ssl.SSLError is one
        is_websocket = address.transport in ("ws", "wss")
        found = identify(first, tls=True, websocket=is_websocket, handshake=True)
        reason, hint = found or _tls_reason(err)
        if not first:
            hint = expected(address.port, tls=True, websocket=is_websocket) or hint
        raise ConnectFailed(
            f"TLS with {address} failed: {reason}",
            address=str(address),
            phase="tls",
            failures=[err],
            hint=hint,
        ) from err


def _run_tls_handshake(sock: socket.socket, layer: TlsLayer, deadline: Deadline, first: bytearray) -> None:
    """See `tls_handshake`. The first bytes from the broker are added to `first`, for the error."""

    def flush() -> None:
        if out := layer.outgoing():
            sock.settimeout(deadline.check())
            sock.sendall(out)

    data = b""
    while True:
        try:
            done = layer.handshake(data)
        except OSError:
            # Send our TLS alert, so that the broker can log the reason.
            with contextlib.suppress(OSError):
                flush()
            raise
        flush()
        if done:
            sock.settimeout(None)
            return
        sock.settimeout(deadline.check())
        data = sock.recv(_READ)
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        if not first:
            first += data[:EXAMINED_BYTES]
            if identify(first, tls=True, handshake=True) is not None:
                # Fail now: the bytes may be too few for OpenSSL to reject them, and the peer may wait for an answer.
                raise ConnectionError("not TLS")


#: X509_V_ERR code of OpenSSL -> hint.
_VERIFY_HINTS = {
    **dict.fromkeys((9, 10), "renew the broker's certificate, or correct the clock of this machine"),
    **dict.fromkeys((18, 19, 20, 21), "give the authority that signed the broker's certificate as CA file"),
    **dict.fromkeys((62, 64), "use a host name that is in the broker's certificate"),
}


def _tls_reason(err: OSError) -> tuple[str, str]:
    """Return (reason, hint) for a failed TLS handshake."""
    if isinstance(err, TimeoutError):
        return "timed out", "the port may not speak TLS"
    if verify := getattr(err, "verify_message", ""):
        hint = _VERIFY_HINTS.get(getattr(err, "verify_code", 0), "check the host name and the CA file")
        return f"certificate not accepted: {verify}", hint
    name = str(getattr(err, "reason", None) or "")
    if not name:
        return _reason(err), "the port may not speak TLS, or the broker asks for a client certificate"
    return name.replace("_", " ").lower(), tls_hint(name)


def wait_ready(sock: socket.socket, *, read: bool, write: bool, seconds: float) -> tuple[bool, bool]:
    """Wait until the socket is readable or writable, for at most `seconds`.

    Returns:
        (readable, writable). A broken or closed socket is reported as ready for the requested operations, which then
        raise the error.
    """
    fd = sock.fileno()
    if fd < 0:
        return read, write
    if not hasattr(select, "poll"):  # Windows
        reading, writing = [fd] if read else [], [fd] if write else []
        can_read, can_write, failed = select.select(reading, writing, writing, seconds)
        return bool(can_read), bool(can_write or failed)
    poller = select.poll()
    poller.register(fd, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
    ready = poller.poll(math.ceil(seconds * 1000))
    ready_events = ready[0][1] if ready else 0
    # POLLERR, POLLHUP and POLLNVAL make the socket both readable and writable.
    return read and bool(ready_events & ~select.POLLOUT), write and bool(ready_events & ~select.POLLIN)
