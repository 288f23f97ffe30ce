"""The settings of a Kombu connection: URLs, credentials, TLS, failover, heart-beats."""

from __future__ import annotations

import ssl

import kombu
import pytest

import stomp
from stomp.broker import Broker
from stomp.core.errors import AuthenticationFailed
from stomp.kombu.settings import client_arguments
from tests.kombu.support import Received

TRANSPORT = "stomp.kombu:Transport"


def arguments_of(url, **settings):
    connection = kombu.Connection(url, **settings)
    assert connection.transport
    return client_arguments(connection)


@pytest.mark.parametrize("transport", [None, TRANSPORT])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("stomp://a:61614", "stomp://a:61614"),
        ("stomps://a:61612", "stomps://a:61612"),
        ("stomp+ssl://a:61612", "ssl://a:61612"),
        ("stomp://a,b:7000/vhost?timeout=3", "stomp://a,b:7000/vhost?timeout=3"),
        ("stomp://", "stomp://localhost"),
    ],
)
def test_a_url_is_that_of_the_client(url, expected, transport):
    assert arguments_of(url, transport=transport)["url"] == expected


def test_credentials_are_not_shown():
    connection = kombu.Connection("stomps://us%40er:se%2Fcret@a:61612/v")
    assert connection.as_uri() == "stomps://us%40er:**@a:61612/v"
    assert connection.as_uri(include_password=True) == "stomps://us%40er:se%2Fcret@a:61612/v"
    arguments = client_arguments(connection)
    assert (arguments["login"], arguments["passcode"]) == ("us@er", "se/cret")
    shown = {name: value for name, value in connection.info().items() if name != "password"}
    assert "cret" not in str(shown)
    assert connection.clone().as_uri(include_password=True) == connection.as_uri(include_password=True)


def test_separate_arguments_make_a_url():
    arguments = arguments_of(
        "a", userid="u", password="p", port=7, virtual_host="v", transport=TRANSPORT, heartbeat=2.5
    )
    assert arguments["url"] == "stomp://a:7"
    assert (arguments["login"], arguments["passcode"], arguments["vhost"]) == ("u", "p", "v")
    assert arguments["heartbeat"] == (2500, 2500)


def test_a_password_may_be_a_function():
    with Broker(users={"u": "p"}) as broker:
        settings = {"hostname": broker.host, "port": broker.port, "userid": "u", "transport": TRANSPORT}
        with kombu.Connection(**settings, password=lambda: "p") as connection:
            connection.connect()
        with (
            kombu.Connection(**settings, password="wrong") as connection,
            pytest.raises(AuthenticationFailed),
        ):
            connection.connect()


def test_ssl_encrypts_a_plain_url():
    arguments = arguments_of(
        "stomp://a:1", ssl={"ca_certs": "/ca.pem", "certfile": "/c.pem", "keyfile": "/k.pem"}
    )
    assert arguments["url"] == "stomp+ssl://a:1"
    assert arguments["tls"] == stomp.TlsSettings(ca_certs="/ca.pem", cert_file="/c.pem", key_file="/k.pem")
    assert arguments_of("stomp://a", ssl={"cert_reqs": ssl.CERT_NONE})["tls"].verify is False
    assert arguments_of("stomp://a", ssl=True)["tls"] == stomp.TlsSettings()
    assert "tls" not in arguments_of("stomp://a")


@pytest.mark.parametrize("ssl", [{"ca": "/ca.pem"}, 5])
def test_an_unknown_setting_of_ssl_is_refused(ssl):
    with pytest.raises(stomp.UsageError, match="ca_certs"):
        arguments_of("stomp://a", ssl=ssl)


def test_any_argument_of_the_client_may_be_given():
    options = {"client": {"url": "wss://a/ws", "timeout": 3}}
    arguments = arguments_of("stomp://b", transport_options=options)
    assert (arguments["url"], arguments["timeout"]) == ("wss://a/ws", 3)
    with pytest.raises(stomp.UsageError, match="client"):
        arguments_of("stomp://b", transport_options={"client": 5})


def test_messages_are_sent_over_tls(tls_broker, ca_file):
    url = f"stomps://{tls_broker.host}:{tls_broker.port}"
    with kombu.Connection(url, transport=TRANSPORT, ssl={"ca_certs": ca_file}) as connection:
        received = Received(connection)
        queue = kombu.Queue("q", kombu.Exchange("q"), "q")
        with connection.Consumer([queue], callbacks=[received]):
            connection.Producer().publish(1, exchange="q", routing_key="q")
            assert received.next().payload == 1


def test_the_next_broker_of_a_list_is_tried(url, free_port):
    with kombu.Connection(f"stomp://127.0.0.1:{free_port};{url}") as connection:
        connection.ensure_connection(max_retries=2, interval_start=0)
        assert connection.connected
        assert connection.default_channel


def test_a_broker_that_is_down_is_a_connection_error(free_port):
    with kombu.Connection(f"stomp://127.0.0.1:{free_port}") as connection:
        with pytest.raises(connection.connection_errors):
            connection.connect()
        with pytest.raises(kombu.exceptions.OperationalError):
            connection.ensure_connection(max_retries=1, interval_start=0)
