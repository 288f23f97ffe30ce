from __future__ import annotations

from stomp.core.engine.config import ClientConfig, OnUnknown


def test_terms_do_not_show_secrets() -> None:
    config = ClientConfig(login="me", passcode="swordfish", headers={"token": "swordfish"})
    assert "swordfish" not in repr(config)
    assert "me" in repr(config)


def test_nothing_is_repeated_unless_asked_for() -> None:
    assert ClientConfig().on_unknown is OnUnknown.RAISE
