"""TLS client certificates: required or optional, and the user from the common name."""

from __future__ import annotations

import ssl

import pytest
import trustme

from stomp.broker import Broker, Permissions
from stomp.broker.logins import common_name
from stomp.core.errors import UsageError
from tests.broker.rawclient import Ended, RawClient


@pytest.fixture(scope="module")
def foreign() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, mode: ssl.VerifyMode) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = mode
    return context


def client_context(authority: trustme.CA, issuer: trustme.CA | None, name: str = "robot") -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if issuer is not None:
        issuer.issue_cert("robot.example", common_name=name).configure_cert(context)
    return context


def test_a_required_certificate_must_be_of_the_authority(authority: trustme.CA, foreign: trustme.CA) -> None:
    with Broker(ssl_context=server_context(authority, ssl.CERT_REQUIRED)) as broker:
        with RawClient(broker, tls=client_context(authority, authority)) as client:
            client.connect()
        for issuer in (None, foreign):
            with (
                pytest.raises((ssl.SSLError, ConnectionError, Ended)),
                RawClient(broker, tls=client_context(authority, issuer)) as client,
            ):
                client.connect()


def test_an_optional_certificate_may_be_missing_but_not_wrong(
    authority: trustme.CA, foreign: trustme.CA
) -> None:
    with Broker(ssl_context=server_context(authority, ssl.CERT_OPTIONAL)) as broker:
        for issuer in (None, authority):
            with RawClient(broker, tls=client_context(authority, issuer)) as client:
                client.connect()
        with (
            pytest.raises((ssl.SSLError, ConnectionError, Ended)),
            RawClient(broker, tls=client_context(authority, foreign)) as client,
        ):
            client.connect()


def test_the_common_name_is_the_user_and_has_its_permissions(authority: trustme.CA) -> None:
    with (
        Broker(
            ssl_context=server_context(authority, ssl.CERT_REQUIRED),
            user_from_certificate=True,
            permissions={"robot": Permissions(write=["/queue/a"])},
        ) as broker,
        RawClient(broker, tls=client_context(authority, authority)) as client,
    ):
        client.connect()
        assert broker.connections[0].login == "robot"
        client.send("SEND", "x", destination="/queue/a", receipt="r")
        client.expect("RECEIPT")
        client.send("SEND", "x", destination="/queue/b")
        client.expect("ERROR", message="access refused")


@pytest.mark.parametrize(
    ("name", "login", "passcode", "user"),
    [
        ("robot", None, None, "robot"),
        ("robot", "robot", "wrong", "robot"),
        ("robot", "alice", "secret", "alice"),
        ("robot", "alice", "wrong", None),
        ("stranger", None, None, None),
        ("stranger", "stranger", "x", None),
        ("stranger", "robot", "", None),
        (None, None, None, None),
        (None, "robot", "", None),
        (None, "alice", "secret", "alice"),
    ],
)
def test_users_by_certificate_and_by_passcode(
    authority: trustme.CA, name: str | None, login: str | None, passcode: str | None, user: str | None
) -> None:
    issuer = None if name is None else authority
    headers = {"login": login, "passcode": passcode}
    given = {key: value for key, value in headers.items() if value is not None}
    with (
        Broker(
            ssl_context=server_context(authority, ssl.CERT_OPTIONAL),
            user_from_certificate=True,
            users={"robot": None, "alice": "secret"},
        ) as broker,
        RawClient(broker, tls=client_context(authority, issuer, name or "")) as client,
    ):
        client.send("CONNECT", accept_version="1.2", host="/", **given)
        client.expect("ERROR" if user is None else "CONNECTED")
        assert [each.login for each in broker.connections] == ([] if user is None else [user])


def test_without_users_a_client_needs_a_certificate_and_its_own_name(authority: trustme.CA) -> None:
    with Broker(
        ssl_context=server_context(authority, ssl.CERT_OPTIONAL), user_from_certificate=True
    ) as broker:
        for issuer, login in ((None, "robot"), (authority, "alice")):
            with RawClient(broker, tls=client_context(authority, issuer)) as client:
                client.send("CONNECT", accept_version="1.2", host="/", login=login)
                client.expect("ERROR")


def test_a_context_that_asks_for_no_certificate_is_refused(authority: trustme.CA) -> None:
    with pytest.raises(UsageError, match="asks for certificates"):
        Broker(user_from_certificate=True)
    with pytest.raises(UsageError, match="asks for certificates"):
        Broker(user_from_certificate=True, ssl_context=server_context(authority, ssl.CERT_NONE))


def test_two_common_names_are_no_name() -> None:
    both = {"subject": ((("commonName", "a"),), (("commonName", "b"),))}
    assert common_name(both) is None
    assert common_name({}) is None
    assert common_name({"subject": ((("organizationName", "a"),),)}) is None
