"""stomp.net.address"""

import contextlib
import doctest
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.core.errors import AddressError
from stomp.net import address
from stomp.net.address import Address, Target, pairs_of, parse

#: Marks a password: it must turn up in no text.
SECRET = "sWordfish"


def test_docstring_examples_are_correct() -> None:
    assert doctest.testmod(address).failed == 0


# ------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        ([("localhost", 61613)], [("localhost", 61613)]),
        ([("localhost", "61613")], [("localhost", 61613)]),
        ([("localhost", " 61613 ")], [("localhost", 61613)]),
        ([["localhost", 61613]], [("localhost", 61613)]),
        ((("a", 1), ["b", "2"]), [("a", 1), ("b", 2)]),
        (("localhost", 61613), [("localhost", 61613)]),
        (["localhost", "61613"], [("localhost", 61613)]),
        (["fe80::a00:27ff:fe90:3f1a%en1", 62613], [("fe80::a00:27ff:fe90:3f1a%en1", 62613)]),
        ([("[::1]", 61613)], [("::1", 61613)]),
        ([("höst", 1)], [("höst", 1)]),
        ([("a", 1), ("b", 65535)], [("a", 1), ("b", 65535)]),
        ([], []),
    ],
)
def test_host_and_port_pairs_are_accepted(given: object, pairs: list[tuple[str, int]]) -> None:
    assert pairs_of(given) == pairs


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        61613,
        "localhost:61613",
        {"localhost": 61613},
        [None],
        ["localhost"],
        ["localhost:1", "localhost:2"],
        [("localhost",)],
        [("localhost", 61613, 1)],
        [(b"localhost", 61613)],
        [("localhost", None)],
        [("localhost", "")],
        [("localhost", "http")],
        [("localhost", 0)],
        [("localhost", -1)],
        [("localhost", 65536)],
        [("localhost", "9" * 5000)],
        [("localhost", "٦١٦١٣")],
        [("localhost", 61613.0)],
        [("localhost", True)],
        [("", 61613)],
        [("local host", 61613)],
        [("localhost\n", 61613)],
        [("local\0host", 61613)],
        [("stomp://localhost", 61613)],
        [("::1]:61613", 61613)],
    ],
)
def test_invalid_pair_is_refused_with_a_hint(nonsense: object) -> None:
    with pytest.raises(AddressError) as caught:
        pairs_of(nonsense)
    assert caught.value.hint


def test_url_in_place_of_pairs_does_not_show_its_password() -> None:
    for value in (f"stomp://u:{SECRET}@h", [f"stomp://u:{SECRET}@h"], [(f"u:{SECRET}@h", 1)]):
        with pytest.raises(AddressError) as caught:
            pairs_of(value)
        assert SECRET not in text_and_hint(caught.value)


def text_and_hint(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(error.__dict__)


# --------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (Address("localhost", 61613), "localhost:61613"),
        (Address("127.0.0.1", 1, "tls"), "127.0.0.1:1"),
        (Address("::1", 61613), "[::1]:61613"),
        (Address("fe80::1%eth0", 61613), "[fe80::1%eth0]:61613"),
        (Address("", 0, "unix", "/run/broker.sock"), "unix:/run/broker.sock"),
    ],
)
def test_address_is_shown_as_a_url(one: Address, text: str) -> None:
    assert str(one) == text
    # Whoever copies it from a message gets where the message was about.
    assert parse(text).addresses[0].pair == one.pair


def test_address_has_host_and_port() -> None:
    assert Address("::1", 61613, "tls").pair == ("::1", 61613)


# -------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("url", "transport", "port"),
    [
        ("stomp://host", "tcp", 61613),
        ("tcp://host", "tcp", 61613),
        ("stomp+ssl://host", "tls", 61612),
        ("stomp+tls://host", "tls", 61612),
        ("stomps://host", "tls", 61612),
        ("ssl://host", "tls", 61612),
        ("ws://host", "ws", 15674),
        ("wss://host", "wss", 15673),
        ("STOMP+SSL://host", "tls", 61612),
        ("host", "tcp", 61613),
        ("  stomp://host\n", "tcp", 61613),
    ],
)
def test_schemes_set_transport_and_port(url: str, transport: str, port: int) -> None:
    assert parse(url) == Target((Address("host", port, transport),))


def test_url_with_all_parts_is_parsed() -> None:
    target = parse(
        "stomp+ssl://ad%40min:s%2Fe%3Ac@a,[::1]:7000,b:7001/my%2Fhost?heartbeat=5000&x=&heartbeat=6000"
    )
    assert target == Target(
        (Address("a", 61612, "tls"), Address("::1", 7000, "tls"), Address("b", 7001, "tls")),
        "ad@min",
        "s/e:c",
        "my/host",
        {"heartbeat": "6000", "x": ""},
    )


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("stomp://[::1]", "::1"),
        ("stomp://[fe80::1%eth0]", "fe80::1%eth0"),
        ("stomp://[fe80::1%25eth0]", "fe80::1%eth0"),
        ("stomp://[fe80::1%12]", "fe80::1%12"),
        ("stomp://h%C3%B6st", "höst"),
        ("stomp://host:", "host"),
    ],
)
def test_hosts_are_parsed(url: str, host: str) -> None:
    assert parse(url).addresses == (Address(host, 61613),)


@pytest.mark.parametrize(
    ("url", "credentials"),
    [
        ("stomp://host", (None, None)),
        ("stomp://u@host", ("u", None)),
        ("stomp://u:@host", ("u", "")),
        ("stomp://u:p@host", ("u", "p")),
        ("stomp://:p@host", (None, "p")),
        ("stomp://u:p:q@host", ("u", "p:q")),
        ("stomp://u:p@q@host", ("u", "p@q")),
        ("u:p@host", ("u", "p")),
        ("stomp://u:a+b@host", ("u", "a+b")),
        ("stomp://host?login=u&passcode=p", ("u", "p")),
        ("stomp://v:w@host?login=u&passcode=p", ("v", "w")),
        ("unix://u:p@/run/x", ("u", "p")),
    ],
)
def test_credentials_are_decoded(url: str, credentials: tuple[str | None, str | None]) -> None:
    target = parse(url)
    assert (target.login, target.passcode) == credentials
    assert target.options == {}


@pytest.mark.parametrize(
    ("url", "vhost"),
    [
        ("stomp://host", None),
        ("stomp://host/", None),
        ("stomp://host/%2F", "/"),
        ("stomp://host/a", "a"),
        ("stomp://host/a?vhost=b", "b"),
        ("stomp://host?vhost=b", "b"),
        ("ws://host/ws", None),
        ("ws://host/ws?vhost=b", "b"),
        ("failover:(stomp://host)?vhost=b", "b"),
    ],
)
def test_vhost_is_the_path(url: str, vhost: str | None) -> None:
    target = parse(url)
    assert target.vhost == vhost
    assert target.options == {}


def test_websocket_path_is_kept() -> None:
    assert parse("wss://host/a/b").addresses == (Address("host", 15673, "wss", "/a/b"),)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("unix:///run/broker.sock", "/run/broker.sock"),
        ("unix:/run/broker.sock", "/run/broker.sock"),
        ("unix:///run/a%20b?vhost=x", "/run/a b"),
    ],
)
def test_unix_socket_urls_are_parsed(url: str, path: str) -> None:
    assert parse(url).addresses == (Address("", 0, "unix", path),)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("failover:(a,b:1)", Target((Address("a", 61613), Address("b", 1)))),
        ("failover://(tcp://a,ssl://b)", Target((Address("a", 61613), Address("b", 61612, "tls")))),
        ("FAILOVER:( stomp://a , )", Target((Address("a", 61613),))),
        (
            "failover:(stomp://u:p%29%2C@a/v?x=1,stomp://b?y=2)?x=3&randomize=true",
            Target(
                (Address("a", 61613), Address("b", 61613)),
                "u",
                "p),",
                "v",
                {"x": "3", "y": "2", "randomize": "true"},
            ),
        ),
        # A host without a scheme has that of the one before it, or it would get the password in clear text.
        ("failover:(ssl://a,b)", Target((Address("a", 61612, "tls"), Address("b", 61612, "tls")))),
        # Credentials may stand at any of them, and hold for all.
        ("failover:(a,u:p@b)", Target((Address("a", 61613), Address("b", 61613)), "u", "p")),
        ("failover:(u:p@a,u:p@b)", Target((Address("a", 61613), Address("b", 61613)), "u", "p")),
    ],
)
def test_failover_lists_are_parsed(url: str, target: Target) -> None:
    assert parse(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "stomp://",
        "stomp:///vhost",
        "://host",
        "http://host",
        "stomp://a,",
        "stomp://host:http",
        "stomp://host:0",
        "stomp://host:65536",
        "stomp://host:-1",
        "stomp://::1",
        "stomp://[::1",
        "stomp://[::1]61613",
        "stomp://[nonsense]",
        "stomp://ho st",
        "stomp://ho%00st",
        "stomp://host%2Fpath",
        "stomp://host#fragment",
        "stomp://%FF@host",
        "stomp://u:%FF@host",
        "stomp://u@host/%FF",
        "unix://run/broker.sock",
        "unix://",
        "unix:///a%00b",
        "failover:",
        "failover:()",
        "failover:(a",
        "failover:a,b",
        "failover:(a)b",
        "failover:(failover:(a))",
        "failover:(u:p@a,u:q@b)",
        "failover:(a/v,b/w)",
    ],
)
def test_invalid_url_is_refused_with_a_hint(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(url)
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        # The @host was forgotten, or a character of the password was not encoded.
        f"stomp://u:{SECRET}",
        f"u:{SECRET}",
        f"stomp://u:{SECRET}/@host",
        f"stomp://u:1/{SECRET}@host",
        f"stomp://u:{SECRET}?x@host",
        f"stomp://u:{SECRET}#@host",
        f"stomp://u:[{SECRET}@host:http",
        f"stomp://u:{SECRET}@host:http",
        f"stomp://u:{SECRET}@[host",
        f"stomp://u:{SECRET}℀@ho st",
        f"stomp://u:%FF{SECRET}@host",
        f"http://u:{SECRET}@host",
        f"failover:(stomp://u:{SECRET},x@host)",
        f"failover:(stomp://u:{SECRET})x@host)",
        f"failover:(stomp://u:{SECRET}@host",
        f"failover:stomp://u:{SECRET}@host",
        f"unix://u:{SECRET}@run/x",
    ],
)
def test_errors_do_not_show_the_password(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(url)
    assert SECRET not in text_and_hint(caught.value)
    assert caught.value.__context__ is None


def test_repr_does_not_show_the_password() -> None:
    for url in (
        f"stomp://u:{SECRET}@host/v?a=b",
        f"stomp://host?passcode={SECRET}&a=b",
        f"failover:(stomp://u:{SECRET}@host)?password={SECRET}&a=b",
    ):
        target = parse(url)
        assert SECRET not in repr(target)
        assert "'a': 'b'" in repr(target)


HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z]{1,3})?", fullmatch=True) | st.ip_addresses().map(str)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


@given(
    st.lists(st.builds(Address, HOSTS, st.integers(1, 65535)), min_size=1, max_size=4),
    TEXTS.filter(bool),
    TEXTS,
    TEXTS.filter(bool),
)
def test_quoted_values_are_decoded(addresses: list[Address], login: str, passcode: str, vhost: str) -> None:
    hosts = ",".join(map(str, addresses))
    quoted = [quote(text, safe="") for text in (login, passcode, vhost)]
    url = f"stomp://{quoted[0]}:{quoted[1]}@{hosts}/{quoted[2]}"
    target = Target(tuple(addresses), login, passcode, vhost)
    assert parse(url) == target
    assert parse(f"failover:({url})") == target


@given(st.text(max_size=40) | st.text("stomp:/@,[]%?#&=()failover1", max_size=40))
def test_any_text_is_parsed_or_an_address_error(text: str) -> None:
    for candidate in (text, f"stomp://{text}", f"failover:({text})", f"unix:{text}"):
        with contextlib.suppress(AddressError):
            assert all(a.port or a.transport == "unix" for a in parse(candidate).addresses)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    )
)
def test_any_value_gives_pairs_or_an_address_error(value: object) -> None:
    with contextlib.suppress(AddressError):
        assert all(host and 0 < port < 65536 for host, port in pairs_of(value))
