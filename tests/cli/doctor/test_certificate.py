"""What a certificate says, beside what `ssl` says of it."""

from __future__ import annotations

import datetime
import ssl

import pytest
import trustme

from stomp.cli.doctor import certificate


def test_certificate_fields_are_read() -> None:
    ca = trustme.CA(organization_name="Example é")
    start = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    end = datetime.datetime(2060, 1, 2, tzinfo=datetime.UTC)
    cert = ca.issue_cert(
        "broker.example.com", "127.0.0.1", "::1", not_before=start, not_after=end, common_name="broker"
    )
    read = certificate.read(ssl.PEM_cert_to_DER_cert(cert.cert_chain_pems[0].bytes().decode()))
    assert "CN=broker" in read.subject.split(", ")
    assert "O=Example é" in read.issuer.split(", ")
    assert read.names == ("broker.example.com", "127.0.0.1", "::1")
    assert (read.not_before, read.not_after) == (start, end)


def test_authority_has_no_alternative_names() -> None:
    read = certificate.read(ssl.PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode()))
    assert read.names == ()
    assert read.subject == read.issuer


@pytest.mark.parametrize("wrong", [b"", b"x", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00"])
def test_invalid_data_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        certificate.read(wrong)


def test_truncated_certificate_is_refused() -> None:
    der = ssl.PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode())
    for length in range(len(der)):
        with pytest.raises(ValueError, match="no certificate"):
            certificate.read(der[:length])
