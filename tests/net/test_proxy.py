"""The handshakes with proxies, byte by byte."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.core.errors import AddressError, UsageError
from stomp.net.address import Address
from stomp.net.proxy import MAX_HEAD, Handshake, Proxy, ProxyError, parse_proxy

BROKER = Address("broker.example.com", 61613)
HTTP = Proxy("http", "proxy", 3128)
SOCKS = Proxy("socks5", "proxy", 1080)
SECRET = "pa:ss-4711"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy", HTTP),
        ("HTTP://proxy:8080/", Proxy("http", "proxy", 8080)),
        ("http://me:p%40ss@proxy", Proxy("http", "proxy", 3128, "me", "p@ss")),
        ("socks5://[::1]", Proxy("socks5", "::1", 1080)),
        ("socks5h://me@[::1]:9", Proxy("socks5", "::1", 9, "me")),
    ],
)
def test_proxy_urls_are_parsed(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"https://me:{SECRET}@proxy", "https"),
        (f"socks4a://me:{SECRET}@proxy", "SOCKS4"),
        (f"ftp://me:{SECRET}@proxy", "not a valid URL"),
        (f"me:{SECRET}@proxy:3128", "not a valid URL"),
        (f"http://me:{SECRET}@proxy/path", "one host"),
        (f"http://me:{SECRET}@proxy?a=b", "one host"),
        (f"http://me:{SECRET}@a,b", "one host"),
        (f"http://:{SECRET}@proxy", "no user"),
        ("http://proxy:port", "port"),
        ("http://", "host"),
        (f"http://a%3Ab:{SECRET}@proxy", "colon"),
        (f"socks5://me:{'x' * 256}@proxy", "255"),
    ],
)
def test_invalid_proxy_url_is_refused(url: str, words: str) -> None:
    with pytest.raises(AddressError, match=words) as caught:
        parse_proxy(url)
    assert SECRET not in str(caught.value)


def test_repr_has_no_password() -> None:
    assert SECRET not in repr(Proxy("http", "proxy", 3128, "me", SECRET))


# ------------------------------------------------------------------------------------- HTTP


def test_connect_request_is_sent() -> None:
    handshake = Handshake(HTTP, BROKER)
    assert handshake.outgoing() == (
        b"CONNECT broker.example.com:61613 HTTP/1.1\r\nHost: broker.example.com:61613\r\n\r\n"
    )
    assert handshake.outgoing() == b""
    assert not handshake.receive(b"HTTP/1.1 200 Connection est")
    assert not handshake.receive(b"ablished\r\nVia: 1.1 proxy\r\n\r")
    assert handshake.receive(b"\n")


@pytest.mark.parametrize(
    ("host", "written"),
    [("::1", b"[::1]:61613"), ("fe80::1%eth0", b"[fe80::1]:61613"), ("bücher.example", b"xn--")],
)
def test_hosts_are_written_for_http(host: str, written: bytes) -> None:
    assert b"CONNECT " + written in Handshake(HTTP, Address(host, 61613)).outgoing()


def test_login_is_sent_as_basic_authentication() -> None:
    said = Handshake(Proxy("http", "proxy", 3128, "me", SECRET), BROKER).outgoing()
    assert b"\r\nProxy-Authorization: Basic " + base64.b64encode(f"me:{SECRET}".encode()) + b"\r\n" in said


@pytest.mark.parametrize(
    ("answer", "words", "code", "hint"),
    [
        (b"HTTP/1.1 407 Who\r\n\r\n", "HTTP 407 Who", 407, "login:passcode"),
        (b"HTTP/1.1 401 No\r\n\r\n", "HTTP 401 No", 401, "login:passcode"),
        (b"HTTP/1.1 500 Unable to connect\r\n\r\n", "HTTP 500 Unable", 500, "cannot reach"),
        (b"HTTP/1.0 403 \x1b[31mNo\r\n\r\n", r"HTTP 403 \\x1b\[31mNo", 403, "443"),
        (b"HTTP/1.1 502\r\n\r\n", "HTTP 502", 502, "cannot reach"),
        (b"HTTP/1.1 101 Hm\r\n\r\n", "HTTP 101", 101, ""),
        (b"HTTP/1.1 200 ok\r\n\r\nhello", "more data than expected", 0, ""),
        (b"HTTP/2 200\r\n\r\n", "not HTTP", 0, "type"),
        (b"\5\xff", "not HTTP", 0, "type"),
        (b"ERROR\n", "not HTTP", 0, "type"),
        (b"", "closed the connection", 0, "type"),
    ],
)
def test_http_refusal_is_explained(answer: bytes, words: str, code: int, hint: str) -> None:
    handshake = Handshake(HTTP, BROKER)
    with pytest.raises(ProxyError, match=words) as caught:
        handshake.receive(answer)
    assert caught.value.code == code
    assert hint in caught.value.hint


def test_answer_of_an_http_proxy_is_limited() -> None:
    handshake = Handshake(HTTP, BROKER)
    assert not handshake.receive(b"HTTP/1.1 200 ok\r\n")
    with pytest.raises(ProxyError, match="larger"):
        for _ in range(MAX_HEAD // 1000 + 1):
            handshake.receive(b"a: " + b"b" * 995 + b"\r\n")


def test_wrong_login_and_missing_login_have_different_hints() -> None:
    handshake = Handshake(Proxy("http", "proxy", 3128, "me", SECRET), BROKER)
    with pytest.raises(ProxyError) as caught:
        handshake.receive(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    assert caught.value.hint == "check the login and passcode of the proxy"


# ------------------------------------------------------------------------------------- SOCKS5


@pytest.mark.parametrize("cut", [False, True])
def test_socks5_login_is_sent(cut: bool) -> None:
    handshake = Handshake(Proxy("socks5", "proxy", 1080, "me", "pw"), BROKER)
    assert handshake.outgoing() == b"\5\2\0\2"

    def receive(data: bytes) -> bool:
        pieces = [data[i : i + 1] for i in range(len(data))] if cut else [data]
        *early, last = [handshake.receive(piece) for piece in pieces]
        assert not any(early)
        return last

    assert not receive(b"\5\2")
    assert handshake.outgoing() == b"\1\2me\2pw"
    assert not receive(b"\1\0")
    assert handshake.outgoing() == b"\5\1\0\3\x12broker.example.com\xf0\xad"
    assert receive(b"\5\0\0\3\4name\0\1")


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("127.0.0.1", b"\1\x7f\0\0\1"),
        ("::1", b"\4" + bytes(15) + b"\1"),
        ("fe80::1%eth0", b"\4\xfe\x80" + bytes(13) + b"\1"),
        ("bücher.example", b"\3\x15xn--bcher-kva.example"),
    ],
)
def test_hosts_are_written_for_socks5(host: str, written: bytes) -> None:
    handshake = Handshake(SOCKS, Address(host, 61613))
    assert handshake.outgoing() == b"\5\1\0"
    assert not handshake.receive(b"\5\0")
    assert handshake.outgoing() == b"\5\1\0" + written + b"\xf0\xad"
    reply = written[:1] + {1: bytes(4), 4: bytes(16), 3: b"\0"}[written[0]] + b"\0\0"
    assert handshake.receive(b"\5\0\0" + reply)


@pytest.mark.parametrize("host", ["x" * 300, "ü" * 100])
def test_too_long_host_for_socks5_is_an_error(host: str) -> None:
    with pytest.raises(UsageError, match="host name"):
        Handshake(SOCKS, Address(host, 61613))


@pytest.mark.parametrize(
    ("answers", "words", "code"),
    [
        ([b"HTTP/1.1 400 Bad Request"], "not SOCKS5", 0),
        ([b"\5\xff"], "unsupported authentication method", 0),
        ([b"\5\2"], "unsupported authentication method", 0),
        ([b"\5\0", b"\5\5"], "the broker refused", 5),
        ([b"\5\0", b"\5\4\0\1\0\0\0\0\0\0"], "host cannot be reached", 4),
        ([b"\5\0", b"\5\x63\0\1"], "reply code 99", 99),
        ([b"\5\0", b"\4\0\0\1"], "not SOCKS5", 0),
        ([b"\5\0", b"\5\0\0\7\1"], "unknown type", 0),
        ([b"\5\0", b"\5\0\0\1\0\0\0\0\0\0!"], "more data than expected", 0),
        ([b"\5\0", b""], "closed the connection", 0),
    ],
)
def test_socks5_refusal_is_explained(answers: list[bytes], words: str, code: int) -> None:
    handshake = Handshake(SOCKS, BROKER)
    *before, last = answers
    for answer in before:
        assert not handshake.receive(answer)
    with pytest.raises(ProxyError, match=words) as caught:
        handshake.receive(last)
    assert caught.value.code == code


def test_http_proxy_in_place_of_socks5_is_recognised() -> None:
    handshake = Handshake(SOCKS, BROKER)
    with pytest.raises(ProxyError) as caught:
        handshake.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert caught.value.hint == "use http:// for it"


def test_server_that_speaks_first_is_recognised() -> None:
    handshake = Handshake(HTTP, BROKER)
    with pytest.raises(ProxyError) as caught:
        handshake.receive(b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH_9.2\r\n")
    assert str(caught.value) == "this is SSH, not STOMP"
    assert "STOMP is usually on port 61613" in caught.value.hint


def test_refused_socks5_login_is_explained() -> None:
    handshake = Handshake(Proxy("socks5", "proxy", 1080, "me", SECRET), BROKER)
    handshake.receive(b"\5\2")
    with pytest.raises(ProxyError, match="refused the login") as caught:
        handshake.receive(b"\1\1")
    assert SECRET not in str(caught.value) + caught.value.hint


@given(st.sampled_from([HTTP, SOCKS]), st.lists(st.binary(min_size=1, max_size=50), max_size=10))
def test_any_answer_is_accepted_or_refused(proxy: Proxy, pieces: list[bytes]) -> None:
    handshake = Handshake(proxy, BROKER)
    with contextlib.suppress(ProxyError):
        for piece in pieces:
            if handshake.receive(piece):
                break
            handshake.outgoing()
