"""stomp.core.observe"""

import pytest

from stomp.core.frame import Frame, Headers
from stomp.core.observe import MASK, Counters, describe, is_secret, redacted


@pytest.mark.parametrize(
    "name", ["passcode", "Passcode", "x-password", "client_secret", "token", "Authorization"]
)
def test_secrets_are_known_by_their_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["login", "destination", "message-id", "receipt"])
def test_other_headers_are_not(name: str) -> None:
    assert not is_secret(name)


def test_redaction_is_a_copy() -> None:
    headers = Headers(login="admin", passcode="swordfish")
    assert redacted(headers) == {"login": "admin", "passcode": MASK}
    assert headers["passcode"] == "swordfish"


def test_a_description_holds_neither_credentials_nor_body() -> None:
    headers = Headers.of([("passcode", "swordfish"), ("host", "/"), ("passcode", "sword2")])
    line = describe(Frame("CONNECT", headers, b"swordfish"))
    assert "sword" not in line
    assert line == f"CONNECT {{'passcode': '{MASK}', 'host': '/'}} 9 bytes"


def test_counters_begin_at_zero() -> None:
    counters = Counters()
    assert {getattr(counters, name) for name in Counters.__slots__} == {0}
