"""Listening addresses of the embedded broker."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import trustme

from stomp.broker import Broker
from stomp.net.address import parse
from tests.conformance.venues import EMBEDDED, EMBEDDED_WEB, TlsVenues, Venue

USERS = {"admin": "password"}
BEAT = 250


@pytest.fixture(scope="session")
def embedded(server_tls: ssl.SSLContext) -> Iterator[list[int]]:
    """The ports of one broker: TCP, TLS, WebSocket, WebSocket over TLS."""
    urls = [f"{scheme}://127.0.0.1:0" for scheme in ("stomp", "stomp+ssl", "ws", "wss")]
    with Broker(listen=urls, users=USERS, heartbeat=(BEAT, BEAT), ssl_context=server_tls) as broker:
        yield [parse(url).addresses[0].port for url in broker.urls]


@pytest.fixture(scope="session")
def embedded_tcp(embedded: list[int]) -> Venue:
    return Venue(EMBEDDED, ("127.0.0.1", embedded[0]), beat=BEAT)


@pytest.fixture(scope="session")
def embedded_tls(embedded: list[int], ca_file: str) -> Venue:
    return Venue(EMBEDDED, ("127.0.0.1", embedded[1]), tls={"ca_certs": ca_file}, beat=BEAT)


@pytest.fixture(scope="session")
def embedded_ws(embedded: list[int]) -> Venue:
    return Venue(EMBEDDED_WEB, ("127.0.0.1", embedded[2]), web=True, beat=BEAT)


@pytest.fixture(scope="session")
def embedded_wss(embedded: list[int], ca_file: str) -> Venue:
    return Venue(EMBEDDED_WEB, ("127.0.0.1", embedded[3]), tls={"ca_certs": ca_file}, web=True, beat=BEAT)


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> Venue:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Venue)
    return found


@pytest.fixture(scope="session")
def tls_venues(
    authority: trustme.CA, ca_file: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsVenues]:
    folder = tmp_path_factory.mktemp("certificates")
    foreign, clients = trustme.CA(), trustme.CA()
    foreign.cert_pem.write_to_path(folder / "foreign.pem")
    clients.issue_cert("stomp-client").private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    wanting = serving(authority.issue_cert("127.0.0.1"))
    clients.configure_trust(wanting)
    wanting.verify_mode = ssl.CERT_REQUIRED
    past = datetime.datetime(2020, 2, 1, tzinfo=datetime.UTC)
    contexts = {
        "open": serving(authority.issue_cert("127.0.0.1")),
        "mutual": wanting,
        "expired": serving(authority.issue_cert("127.0.0.1", not_before=past, not_after=past)),
    }
    # Each name has a separate authority, so that no certificate is accepted for another name.
    authorities = {name: trustme.CA() for name in ("my.example.com", "my.example.org")}
    for name, of_name in authorities.items():
        of_name.cert_pem.write_to_path(folder / f"{name}.pem")
    named = {name: serving(of_name.issue_cert(name)) for name, of_name in authorities.items()}
    contexts["named"] = by_name(named)
    with contextlib.ExitStack() as stack:
        venues = {
            name: Venue(
                EMBEDDED,
                ("127.0.0.1", stack.enter_context(Broker(users=USERS, ssl_context=context)).port),
                tls={"ca_certs": ca_file},
            )
            for name, context in contexts.items()
        }
        port = venues["named"].address[1]
        yield TlsVenues(
            open=venues["open"],
            foreign_ca=folder / "foreign.pem",
            expired=venues["expired"],
            mutual=replace(
                venues["mutual"], tls={"ca_certs": ca_file, "cert_file": str(folder / "client.pem")}
            ),
            names={
                name: Venue(EMBEDDED, (name, port), tls={"ca_certs": str(folder / f"{name}.pem")})
                for name in named
            },
        )


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def by_name(contexts: Mapping[str, ssl.SSLContext]) -> ssl.SSLContext:
    """A server context that selects the certificate by the host name of the client (SNI)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def pick(connection: ssl.SSLObject, name: str, _: ssl.SSLContext) -> int | None:
        if name not in contexts:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = contexts[name]
        return None

    context.sni_callback = pick
    return context
