"""Reads X.509 certificates (RFC 5280), including unverified ones, which the module `ssl` does not decode.

Only the subject, the issuer, the alternative names and the dates are read. This module does not verify a certificate.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_OID, _UTC_TIME = 0x06, 0x17
_VERSION, _EXTENSIONS = 0xA0, 0xA3
#: Encoded object identifiers, and the short names of the attributes (RFC 4514, section 3).
_ATTRIBUTES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"
_DNS, _IP = 0x82, 0x87


class Certificate(NamedTuple):
    """The fields of a certificate.

    Attributes:
        subject: the name of the owner, as "CN=broker.example.com, O=Example".
        issuer: the name of the authority that signed it, in the same format.
        names: the DNS names and IP addresses for which it is valid.
        not_before: the start of its validity.
        not_after: the end of its validity.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


def read(der: bytes) -> Certificate:
    """Read a certificate.

    Args:
        der: the certificate in DER, as it is sent in TLS.

    Raises:
        ValueError: the bytes are not a certificate.
    """
    try:
        _, whole = next(_items(der))
        fields = list(_items(next(_items(whole))[1]))
        if fields[0][0] == _VERSION:
            fields = fields[1:]
        # serial number, signature, issuer, validity, subject, key, ...
        issuer, validity, subject = fields[2][1], fields[3][1], fields[4][1]
        not_before, not_after = (_time(tag, data) for tag, data in _items(validity))
        extensions = next((data for tag, data in fields if tag == _EXTENSIONS), b"")
        return Certificate(_name(subject), _name(issuer), tuple(_names(extensions)), not_before, not_after)
    except (IndexError, StopIteration, ValueError, UnicodeError) as err:
        raise ValueError("this is no certificate") from err


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and contents of consecutive elements (X.690, section 8.1).

    Raises:
        ValueError: an element is cut off.
    """
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count])
            at += count
        if at + length > len(data):
            raise ValueError("it is cut off")
        yield tag, data[at : at + length]
        at += length


def _name(data: bytes) -> str:
    parts: list[str] = []
    for _, group in _items(data):
        for _, pair in _items(group):
            (_, kind), (tag, value) = _items(pair)
            text = value.decode("utf-16-be" if tag == 0x1E else "utf-8", "replace")
            parts.append(f"{_ATTRIBUTES.get(kind, 'other')}={text}")
    return ", ".join(parts)


def _time(tag: int, data: bytes) -> datetime:
    text = data.decode("ascii")
    if tag == _UTC_TIME:  # two digits for a year from 1950 to 2049
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(extensions: bytes) -> Iterator[str]:
    for _, listed in _items(extensions):
        for _, extension in _items(listed):
            parts = list(_items(extension))
            if parts[0] != (_OID, _ALTERNATIVE_NAMES):
                continue
            for _, names in _items(parts[-1][1]):
                for tag, value in _items(names):
                    if tag == _DNS:
                        yield value.decode("ascii", "replace")
                    elif tag == _IP:
                        yield str(ipaddress.ip_address(value))
