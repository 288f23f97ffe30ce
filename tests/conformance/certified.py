"""TLS: verification of server and client certificates, and the errors when it fails."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stomp.core.errors import UsageError
from stomp.exception import ConnectFailedException
from tests.conformance.lobby import CLASSES, Guest
from tests.conformance.venues import TlsVenues, Venue
from tests.listening import stomp_threads, wait_until

#: Maximum time until a failure is reported, in seconds.
SOON = 20.0


def works(guest: Guest) -> None:
    guest.enter()
    assert guest.conn.is_connected()
    guest.leave()


def refused(venue: Venue, **options: Any) -> ConnectFailedException:
    """Try to connect, which must fail; return the error."""
    guest = Guest(venue, "1.2", reconnect_attempts_max=1, **options)
    began = time.monotonic()
    with pytest.raises(ConnectFailedException) as caught:
        guest.enter()
    assert time.monotonic() - began < SOON
    assert not guest.conn.is_connected()
    assert "on_connected" not in guest.recorder.methods
    host, port = venue.address
    assert caught.value.address == f"{host}:{port}"
    return caught.value


class Certified:
    """Subclasses have a fixture `tls_doors`."""

    @pytest.fixture(autouse=True)
    def no_thread_is_left(self) -> Any:
        yield
        wait_until(lambda: not stomp_threads())

    @pytest.fixture
    def names_of_this_machine(self, monkeypatch: pytest.MonkeyPatch, tls_venues: TlsVenues) -> None:
        """Resolve the names of the certificates to this machine, as if they were in /etc/hosts."""
        look_up = socket.getaddrinfo

        def here(host: Any, *args: Any, **options: Any) -> Any:
            return look_up("127.0.0.1" if host in tls_venues.names else host, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", here)

    @pytest.mark.parametrize("version", CLASSES)
    def test_trusted_certificate_is_accepted(self, tls_venues: TlsVenues, version: str) -> None:
        works(Guest(tls_venues.open, version))

    def test_untrusted_certificate_is_refused(self, tls_venues: TlsVenues) -> None:
        error = refused(replace(tls_venues.open, tls={"ca_certs": str(tls_venues.foreign_ca)}))
        assert error.phase == "tls"
        assert "certificate" in str(error)

    def test_system_authorities_refuse_the_certificate(self, tls_venues: TlsVenues) -> None:
        error = refused(replace(tls_venues.open, tls={}))
        assert error.phase == "tls"
        assert "certificate" in str(error)

    def test_verification_can_be_turned_off(self, tls_venues: TlsVenues) -> None:
        works(Guest(replace(tls_venues.open, tls={"verify": False}), "1.2"))
        works(Guest(replace(tls_venues.expired, tls={"verify": False}), "1.2"))

    def test_expired_certificate_is_refused(self, tls_venues: TlsVenues) -> None:
        error = refused(tls_venues.expired)
        assert error.phase == "tls"
        assert "expired" in str(error)

    @pytest.mark.usefixtures("names_of_this_machine")
    def test_server_name_selects_the_certificate(self, tls_venues: TlsVenues) -> None:
        assert len(tls_venues.names) >= 2
        for venue in tls_venues.names.values():
            works(Guest(venue, "1.2"))

    @pytest.mark.usefixtures("names_of_this_machine")
    def test_certificate_of_another_name_is_refused(self, tls_venues: TlsVenues) -> None:
        one, two = tls_venues.names.values()
        error = refused(replace(one, tls=two.tls))
        assert error.phase == "tls"
        assert "certificate" in str(error)

    @pytest.mark.usefixtures("names_of_this_machine")
    def test_name_that_is_not_in_the_certificate_is_refused(self, tls_venues: TlsVenues) -> None:
        """The certificate is trusted, but is not for the requested host name."""
        name = next(iter(tls_venues.names))
        error = refused(replace(tls_venues.open, address=(name, tls_venues.open.address[1])))
        assert error.phase == "tls"
        assert name in str(error)

    def test_client_certificate_is_accepted(self, tls_venues: TlsVenues) -> None:
        works(Guest(tls_venues.mutual, "1.2"))

    def test_missing_client_certificate_is_refused(self, tls_venues: TlsVenues) -> None:
        """With TLS 1.3 the error arrives after the handshake, so the phase that it is reported in varies."""
        assert tls_venues.mutual.tls is not None
        error = refused(replace(tls_venues.mutual, tls={"ca_certs": tls_venues.mutual.tls["ca_certs"]}))
        assert error.phase in ("tls", "stomp")

    def test_missing_file_is_an_error(self, tls_venues: TlsVenues, tmp_path: Path) -> None:
        for option in ("ca_certs", "cert_file"):
            venue = replace(
                tls_venues.open, tls={**(tls_venues.open.tls or {}), option: str(tmp_path / "none")}
            )
            with pytest.raises(UsageError, match="none"):
                Guest(venue, "1.2").enter()

    def test_plain_text_to_the_tls_port_fails(self, tls_venues: TlsVenues) -> None:
        error = refused(replace(tls_venues.open, tls=None), timeout=3)
        assert error.phase == "stomp"

    def test_cert_validator_decides(self, tls_venues: TlsVenues) -> None:
        seen: list[Any] = []

        def accept(certificate: Any, host: str) -> tuple[bool, str]:
            seen.append((certificate, host))
            return len(seen) > 1, "not today"

        venue = replace(tls_venues.open, tls={**(tls_venues.open.tls or {}), "cert_validator": accept})
        assert "not today" in str(refused(venue))
        works(Guest(venue, "1.2"))
        certificate, host = seen[0]
        assert host == venue.address[0]
        assert certificate["subject"]
