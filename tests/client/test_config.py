from __future__ import annotations

import socket
import ssl

import pytest

from stomp.client.config import setup
from stomp.client.connect import TlsSettings
from stomp.client.options import Options
from stomp.core.engine.broker_profiles import RABBITMQ
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.failover import Backoff
from stomp.core.errors import AddressError, UsageError
from stomp.core.frames.limits import Leniency, Limits


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOMP_URL", "STOMP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_default_is_the_local_broker() -> None:
    found = setup()
    assert [str(address) for address in found.config.addresses] == ["localhost:61613"]
    assert (found.config.login, found.config.vhost, found.config.heartbeat) == (None, "/", (10_000, 10_000))


def test_url_sets_login_address_and_options() -> None:
    found = setup(
        "stomp://me:secret@a,b:7000/vh?heartbeat=5000&timeout=3&attempts=7&reconnect=no&shuffle=1&broker=rabbitmq"
        "&on_unknown=resend&window=5&versions=1.1,1.2&client_id=c"
    ).config
    assert [str(address) for address in found.addresses] == ["a:61613", "b:7000"]
    assert (found.login, found.passcode, found.vhost, found.client_id) == ("me", "secret", "vh", "c")
    assert (found.heartbeat, found.timeout, found.attempts) == ((5000, 5000), 3.0, 7.0)
    assert (found.reconnect, found.shuffle, found.profile) == (False, True, RABBITMQ)
    assert (found.on_unknown, found.window, found.versions) == (OnUnknown.RESEND, 5, ("1.1", "1.2"))


def test_arguments_override_the_url() -> None:
    found = setup("stomp://me:secret@a/vh?heartbeat=1,2", login="you", vhost="other", heartbeat=(0, 0)).config
    assert (found.login, found.passcode, found.vhost, found.heartbeat) == ("you", "secret", "other", (0, 0))


def test_environment_supplies_missing_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOMP_URL", "stomp://me@a")
    monkeypatch.setenv("STOMP_PASSWORD", "secret")
    assert (setup().config.login, setup().config.passcode) == ("me", "secret")
    # A password without a user is not sent about.
    assert setup("stomp://b").config.passcode is None
    assert setup("stomp://me:other@b").config.passcode == "other"


def test_some_options_have_a_second_name() -> None:
    found = setup("failover:(stomp://a,stomp://b)?randomize=true&heart-beat=0,0").config
    assert (found.shuffle, found.heartbeat) == (True, (0, 0))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("stomp://a?colour=red", "no option 'colour'"),
        ("stomp://a?heartbeat=soon", "heartbeat of the URL cannot be 'soon'"),
        ("stomp://a?reconnect=maybe", "reconnect of the URL cannot be 'maybe'"),
        ("stomp://a?broker=kafka", "no kind of broker called 'kafka'"),
        ("stomp://a?on_unknown=hope", "use raise or resend"),
        ("stomp://a?timeout=0", "timeout is 0.0"),
        ("stomp://a?window=-1", "window is -1"),
        ("stomp://a?heartbeat=-5", "heartbeat is"),
        ("stomp://a?max_body=much", "max_body of the URL cannot be 'much'"),
        ("stomp://a?max_body=0", "max_body of the URL cannot be '0'"),
        ("stomp://a?max_body=-1", "max_body of the URL cannot be '-1'"),
        ("stomp://a?max_body=1TiB", "max_body of the URL cannot be '1TiB'"),
        ("stomp://a?max_body=MiB", "max_body of the URL cannot be 'MiB'"),
        ("stomp://a?max_headers=0", "Limits.headers is 0"),
        ("stomp://a?lenient=maybe", "lenient of the URL cannot be 'maybe'"),
    ],
)
def test_invalid_url_options_are_refused(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        setup(url)


def test_invalid_address_does_not_show_its_password() -> None:
    with pytest.raises(AddressError) as caught:
        setup("stomp://me:swordfish@")
    assert "swordfish" not in str(caught.value)


def test_repr_has_no_secrets() -> None:
    found = setup("stomp://me:swordfish@a?proxy=http://u:swordfish@p:1")
    assert "swordfish" not in repr(found)


@pytest.mark.parametrize("tls", [TlsSettings(ca_certs="ca.pem"), ssl.create_default_context()])
def test_tls_options_with_a_plain_address_are_refused(tls) -> None:
    for url in ("stomp://a", "ws://a", "failover:(stomp+ssl://a,stomp://b)"):
        with pytest.raises(UsageError, match="not to be encrypted"):
            setup(url, tls=tls)
    with pytest.raises(UsageError, match="write stomp\\+ssl://"):
        setup("stomp://a?verify=false")


def test_tls_is_set_by_context_settings_or_url() -> None:
    context = ssl.create_default_context()
    assert setup("stomp+ssl://a", tls=context).tls.context is context
    assert setup("wss://a", tls=TlsSettings(ca_certs="x")).tls.ca_certs == "x"
    by_url = setup("stomp+ssl://a?verify=false&cert_file=c&key_file=k&ca_certs=x").tls
    assert (by_url.verify, by_url.cert_file, by_url.key_file, by_url.ca_certs) == (False, "c", "k", "x")


def test_other_options_are_kept() -> None:
    found = setup("stomp://a", options=Options(send_timeout=1.5, connect_timeout=2.0), proxy="http://p:1")
    assert (found.options.send_timeout, found.options.proxy) == (1.5, "http://p:1")
    assert found.config.connect_timeout == 2.0
    found = setup("stomp://a", connect_timeout=3.0, backoff=Backoff(initial=9.0))
    assert (found.options.connect_timeout, found.config.backoff.initial) == (3.0, 9.0)


def test_per_address_makes_a_config_for_each_address() -> None:
    each = setup("stomp://a,b").per_address()
    assert [[str(address) for address in one.config.addresses] for one in each] == [["a:61613"], ["b:61613"]]
    assert each[0].config.nonce != each[1].config.nonce


def test_per_address_resolves_to_numeric_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", (f"127.0.0.{n}", 61612)) for n in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    each = setup("stomp+ssl://brokers.example.com").per_address(resolve=True)
    addresses = [one.config.addresses[0] for one in each]
    assert [(address.host, address.via) for address in addresses] == [
        ("brokers.example.com", "127.0.0.1"),
        ("brokers.example.com", "127.0.0.2"),
    ]
    assert str(addresses[0]) == "brokers.example.com:61612 (127.0.0.1)"
    assert addresses[0].url == "stomp+ssl://brokers.example.com:61612"


def test_client_names_are_unique() -> None:
    assert setup("stomp://a").config.nonce != setup("stomp://a").config.nonce


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("65536", 65536),
        ("64KiB", 65536),
        ("64kib", 65536),
        ("1MiB", 1024**2),
        ("2GiB", 2 * 1024**3),
        ("5kB", 5000),
        ("5MB", 5_000_000),
        ("1%20GB", 10**9),
        ("7B", 7),
    ],
)
def test_url_limits_may_have_units(text: str, size: int) -> None:
    assert setup(f"stomp://a?max_body={text}").options.limits == Limits(body=size)
    assert setup(f"stomp://a?max-header-line={text}").options.limits == Limits(header_line=size)


def test_url_sets_all_limits() -> None:
    found = setup(
        "stomp://a?max_frame=1&max_body=2&max_head=3&max_header_line=4&max_headers=5"
    ).options.limits
    assert found == Limits(frame=1, body=2, head=3, header_line=4, headers=5)
    assert setup("stomp://a").options.limits == Limits()


def test_limits_of_the_arguments_replace_those_of_the_url_and_of_the_options() -> None:
    options = Options(limits=Limits(head=9), lenient=False)
    assert setup("stomp://a", options=options).options.limits == Limits(head=9)
    assert setup("stomp://a?max_body=2", options=options).options.limits == Limits(body=2)
    found = setup(
        "stomp://a?max_body=2&lenient=no", options=options, limits=Limits(headers=3), lenient="trim"
    )
    assert (found.options.limits, found.options.lenient) == (Limits(headers=3), Leniency.TRIM)


@pytest.mark.parametrize(
    ("text", "leniency"), [("yes", Leniency.LENIENT), ("no", Leniency.STRICT), ("Trim", Leniency.TRIM)]
)
def test_url_sets_leniency(text: str, leniency: Leniency) -> None:
    assert setup(f"stomp://a?lenient={text}").options.lenient is leniency
    assert setup("stomp://a").options.lenient is Leniency.LENIENT


@pytest.mark.parametrize(
    "wrong", [{"limits": 100}, {"limits": {"body": 1}}, {"lenient": "yes"}, {"lenient": 1}]
)
def test_limits_and_leniency_of_other_types_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is"):
        setup("stomp://a", **wrong)
