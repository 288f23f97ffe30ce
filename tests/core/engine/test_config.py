from __future__ import annotations

from stomp.core.engine.config import ClientConfig, OnUnknown


def test_repr_has_no_secrets() -> None:
    config = ClientConfig(login="me", passcode="swordfish", headers={"token": "swordfish"})
    assert "swordfish" not in repr(config)
    assert "me" in repr(config)


def test_resend_is_off_by_default() -> None:
    assert ClientConfig().on_unknown is OnUnknown.RAISE
