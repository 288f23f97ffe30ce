"""Proxies without I/O: HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

A `Handshake` converts bytes to bytes; `stomp.net.dial.open_via_proxy` runs it over a socket. After it the socket is
connected to the broker, and TLS or a WebSocket start on it as without a proxy.

Rules of this file:

- The proxy resolves the broker's host name, because the name may exist only in the network of the proxy.
- The size of each answer of the proxy is limited before memory is allocated for it.
- No text contains a password.
"""

from __future__ import annotations

import binascii
import contextlib
import re
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from stomp.core.diagnostics import one_line
from stomp.core.errors import AddressError, UsageError
from stomp.core.frames.foreign_protocols import Finding, identify
from stomp.core.frames.frame import text_of
from stomp.net.address import Address, parse

#: The maximum size of the answer of an HTTP proxy in bytes. Real answers are much smaller.
MAX_HEAD = 16 * 1024
#: The default ports of proxies.
_PORTS = {"http": 3128, "socks5": 1080}
#: URL scheme -> kind. socks5h is curl's name for SOCKS5 with names resolved by the proxy, which is always so here.
_KINDS = {"http": "http", "socks5": "socks5", "socks5h": "socks5"}

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.[01] +(\d{3})(?: +([^\r\n]*))?\r?\n")


#: Returns the size of the answer at the beginning of the received bytes; None if it is incomplete.
_AnswerSize = Callable[[bytes], int | None]
#: A generator of one handshake: yields the bytes to send and the `_AnswerSize` of the answer; is sent the answer.
_Dialogue = Generator[tuple[bytes, _AnswerSize], bytes, None]


class ProxyError(ConnectionError):
    """The proxy refused the connection, or the peer is not such a proxy.

    Attributes:
        code: the HTTP status, or the reply code of SOCKS5 (RFC 1928, section 6); 0 for neither.
        hint: what to do about it, or an empty string.
    """

    def __init__(self, message: str, *, code: int = 0, hint: str = "") -> None:
        super().__init__(one_line(message))
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Proxy:
    """The address and credentials of a proxy. `parse_proxy` makes one from a URL.

    Attributes:
        kind: "http" or "socks5".
        host: a name or a numeric address, IPv6 without brackets.
        port: 1 to 65535.
        login: the user, or None.
        passcode: the password, or None. The repr does not show it.
    """

    kind: str
    host: str
    port: int
    login: str | None = None
    passcode: str | None = field(default=None, repr=False)

    @property
    def address(self) -> Address:
        """The address of the proxy."""
        return Address(self.host, self.port)


def parse_proxy(url: str) -> Proxy:
    """Parse the URL of a proxy: http://login:passcode@host:3128 or socks5://login:passcode@host:1080.

    Special characters of login and passcode are percent-encoded. The default port is 3128 for HTTP, 1080 for SOCKS5.

    >>> parse_proxy("http://me:secret@proxy.example.com")
    Proxy(kind='http', host='proxy.example.com', port=3128, login='me')

    Raises:
        AddressError: it is invalid or not supported. The text shows no part of the URL.
    """
    scheme, mark, rest = text_of(url).strip().partition("://")
    kind = _KINDS.get(scheme.lower()) if mark else None
    if kind is None:
        raise _unsupported_scheme(scheme.lower() if mark else "")
    authority = rest.rstrip("/")
    host_and_port = authority.rpartition("@")[2]
    has_no_port = host_and_port.endswith("]") or ":" not in host_and_port
    # Parsed as the address of a broker: the rules and the errors are the same.
    target = parse(f"stomp://{authority}:{_PORTS[kind]}" if has_no_port else f"stomp://{authority}")
    if len(target.addresses) != 1 or target.vhost or target.options:
        raise AddressError("a proxy has one host and port", hint=_URL_FORMS)
    login, passcode = target.login, target.passcode
    if login is None and passcode is not None:
        raise AddressError("the proxy has a password and no user", hint=_URL_FORMS)
    if kind == "http" and ":" in (login or ""):
        # RFC 7617, section 2: the first colon ends the user name.
        raise AddressError("the user of an HTTP proxy cannot have a colon in it")
    if kind == "socks5" and max(len((login or "").encode()), len((passcode or "").encode())) > 255:
        raise AddressError("user and password of a SOCKS5 proxy have 255 bytes at most")
    host, port = target.addresses[0].pair
    return Proxy(kind, host, port, login, passcode)


_URL_FORMS = "write http://login:passcode@host:3128 or socks5://login:passcode@host:1080"


def _unsupported_scheme(scheme: str) -> AddressError:
    if scheme == "https":
        return AddressError(
            "TLS to the proxy itself (https://) is not supported",
            hint="use http:// if the proxy accepts it; TLS to the broker stays encrypted end to end",
        )
    if scheme.startswith("socks4"):
        return AddressError(
            "SOCKS4 is not supported", hint="most of these proxies support SOCKS5: use socks5://"
        )
    return AddressError("the proxy is not a valid URL", hint=_URL_FORMS)


class Handshake:
    """The handshake with a proxy, without I/O.

    Write the bytes of `outgoing`, pass the bytes that are read to `receive`, and repeat until `receive` returns True.

    Args:
        proxy: the proxy.
        address: the broker.

    Raises:
        UsageError: SOCKS5 cannot represent the broker's host name.
    """

    def __init__(self, proxy: Proxy, address: Address) -> None:
        # A scope is only valid on this machine (RFC 6874, section 1).
        host = address.host.partition("%")[0]
        self._dialogue = _DIALOGUES[proxy.kind](proxy, host, address.port)
        self._buffer = b""
        self._out, self._answer_size = next(self._dialogue)

    def outgoing(self) -> bytes:
        """Return and clear the bytes to write."""
        out, self._out = self._out, b""
        return out

    def receive(self, data: bytes) -> bool:
        """Process bytes from the proxy; empty bytes mean the end of the stream.

        Returns:
            True once the proxy has connected to the broker.

        Raises:
            ProxyError: the proxy refused the connection, or the peer is not such a proxy.
        """
        if not data:
            raise ProxyError(
                "it closed the connection", hint="check the proxy's port and type (http or socks5)"
            )
        self._buffer += data
        while self._buffer and (size := self._answer_size(self._buffer)) is not None:
            answer, self._buffer = self._buffer[:size], self._buffer[size:]
            try:
                out, self._answer_size = self._dialogue.send(answer)
            except StopIteration:
                if self._buffer:
                    # A broker never sends first: a STOMP server waits for CONNECT, and TLS for the ClientHello.
                    found = identify(self._buffer) or Finding("it sent more data than expected", "")
                    raise ProxyError(found.words, hint=found.hint) from None
                return True
            self._out += out
        return False


def _bytes(count: int) -> _AnswerSize:
    return lambda buffer: count if len(buffer) >= count else None


# ------------------------------------------------------------------------------------- HTTP


def _http(proxy: Proxy, host: str, port: int) -> _Dialogue:
    with contextlib.suppress(UnicodeError):
        host = host.encode("idna").decode() if not host.isascii() else host
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.login is not None:
        secret = binascii.b2a_base64(f"{proxy.login}:{proxy.passcode or ''}".encode(), newline=False).decode()
        lines.append(f"Proxy-Authorization: Basic {secret}")
    head = yield "\r\n".join([*lines, "", ""]).encode(), _head
    status = _STATUS.match(head)
    if status is None:
        raise ProxyError("its answer is not HTTP", hint="check the proxy's port and type (http or socks5)")
    code = int(status[1])
    if not 200 <= code < 300:
        reason = one_line((status[2] or b"").decode("latin-1"), 100)
        raise ProxyError(
            f"it answered HTTP {code} {reason}".rstrip(), code=code, hint=_http_hint(proxy, code)
        )


def _head(buffer: bytes) -> int | None:
    if not b"HTTP/".startswith(buffer[:5]):
        raise ProxyError("its answer is not HTTP", hint="check the proxy's port and type (http or socks5)")
    end = _HEAD_END.search(buffer)
    if end is None and len(buffer) > MAX_HEAD:
        raise ProxyError(f"its answer is larger than {MAX_HEAD} bytes")
    return end.end() if end is not None else None


def _http_hint(proxy: Proxy, code: int) -> str:
    if code in (401, 407):  # tinyproxy answers 401 to a wrong login
        return (
            "it requires a login: write http://login:passcode@host:port"
            if proxy.login is None
            else "check the login and passcode of the proxy"
        )
    hints = {
        403: "its rules do not allow this host or port; many proxies allow port 443 only",
        405: "it may be a web server, or a proxy without CONNECT",
        **dict.fromkeys(
            (500, 502, 503), "it cannot reach the broker: check its name and port, as the proxy sees them"
        ),
        504: "the broker does not answer the proxy",
    }
    return hints.get(code, "")


# ------------------------------------------------------------------------------------- SOCKS5

_NO_LOGIN, _LOGIN, _NO_METHOD = 0, 2, 255

#: RFC 1928, section 6.
_REPLIES = {
    1: ("a general failure", ""),
    2: ("its rules do not allow this connection", ""),
    3: ("the network cannot be reached", ""),
    4: ("the host cannot be reached", "check the broker's name, as the proxy sees it"),
    5: (
        "the broker refused the connection",
        "check that the broker is running and that this is its STOMP port",
    ),
    6: ("the broker did not answer in time", ""),
    7: ("it does not support CONNECT", ""),
    8: ("it does not support this address type", "try another form of the broker's address"),
}


def _socks5(proxy: Proxy, host: str, port: int) -> _Dialogue:
    host_and_port = _socks_address(host) + port.to_bytes(2)
    methods = bytes([_NO_LOGIN] if proxy.login is None else [_NO_LOGIN, _LOGIN])
    answer = yield bytes([5, len(methods)]) + methods, _bytes(2)
    if answer[0] != 5:
        hint = "check the proxy's port and type (http or socks5)"
        raise ProxyError("its answer is not SOCKS5", hint="use http:// for it" if answer == b"HT" else hint)
    if answer[1] == _LOGIN and proxy.login is not None:
        login, passcode = proxy.login.encode(), (proxy.passcode or "").encode()
        # RFC 1929, section 2.
        answer = yield bytes([1, len(login)]) + login + bytes([len(passcode)]) + passcode, _bytes(2)
        if answer[1] != 0:
            raise ProxyError("it refused the login", hint="check the login and passcode of the proxy")
    elif answer[1] != _NO_LOGIN:
        hint = "" if proxy.login else "write socks5://login:passcode@host:port"
        raise ProxyError("it requires an unsupported authentication method", hint=hint)
    answer = yield bytes([5, 1, 0]) + host_and_port, _socks_reply
    if answer[1] != 0:
        reason, hint = _REPLIES.get(answer[1], (f"the reply code {answer[1]}", ""))
        raise ProxyError(reason, code=answer[1], hint=hint)


def _socks_address(host: str) -> bytes:
    for kind, family in ((1, socket.AF_INET), (4, socket.AF_INET6)):
        with contextlib.suppress(OSError, ValueError):
            return bytes([kind]) + socket.inet_pton(family, host)
    with contextlib.suppress(UnicodeError):
        name = host.encode("ascii" if host.isascii() else "idna")
        if len(name) <= 255:
            return bytes([3, len(name)]) + name
    raise UsageError(
        "the broker's host name cannot be sent to a SOCKS5 proxy", hint="give its numeric address"
    )


def _socks_reply(buffer: bytes) -> int | None:
    """Find the end of a reply: version, reply code, 0, address type, address and port (RFC 1928, section 6)."""
    if buffer[0] != 5:
        raise ProxyError("its answer is not SOCKS5")
    # Some proxies send nothing after the reply code if they refuse.
    if len(buffer) >= 2 and buffer[1] != 0:
        return len(buffer)
    if len(buffer) < 5:
        return None
    size = {1: 4, 4: 16, 3: 1 + buffer[4]}.get(buffer[3])
    if size is None:
        raise ProxyError("its answer has an address of an unknown type")
    return 4 + size + 2 if len(buffer) >= 4 + size + 2 else None


_DIALOGUES = {"http": _http, "socks5": _socks5}
