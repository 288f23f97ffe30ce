from __future__ import annotations

from stomp.core.engine.broker_profiles import ACTIVEMQ
from stomp.core.engine.config import ClientConfig, OnUnknown


def test_repr_has_no_secrets() -> None:
    config = ClientConfig(login="me", passcode="swordfish", headers={"token": "swordfish"})
    assert "swordfish" not in repr(config)
    assert "me" in repr(config)


def test_resend_is_off_by_default() -> None:
    assert ClientConfig().on_unknown is OnUnknown.RAISE


def test_checks_of_frames_are_those_of_the_configured_broker() -> None:
    assert ClientConfig().web_message_check("RabbitMQ/4.0.5") is None
    assert ClientConfig().web_message_check("ActiveMQ/5.17.2") is not None
    assert ClientConfig(profile=ACTIVEMQ).web_message_check("RabbitMQ/4.0.5") is not None
