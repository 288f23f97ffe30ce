"""Each field of each broker profile, compared with what the broker does: RabbitMQ, ActiveMQ, Artemis ... and Spring."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import fields

import pytest

from stomp.core.engine.broker_profiles import PROFILES, BrokerProfile
from tests.brokers import option_checks, settling_checks, spring_checks, web_checks
from tests.brokers.conftest import FURTHER, RealBroker, at, spring_address
from tests.brokers.places import Place
from tests.brokers.spring_checks import SpringPlace

FIELDS = {field.name for field in fields(BrokerProfile) if not field.name.startswith("_")}
CHECKS = {
    check.__name__: check for check in (*option_checks.CHECKS, *settling_checks.CHECKS, *web_checks.CHECKS)
}
SPRING_CHECKS = {check.__name__: check for check in spring_checks.CHECKS}
#: The check of the name compares them, too.
WITH_NAME = {"title", "server"}


def test_each_field_has_a_check() -> None:
    assert {*CHECKS, *WITH_NAME} == FIELDS
    compared = [name for names in spring_checks.CHECKS.values() for name in names]
    assert sorted(compared) == sorted(FIELDS)


def test_each_profile_has_a_broker() -> None:
    # The profile "generic" is for brokers that are not known.
    kinds = {"rabbitmq", "activemq", "spring", "embedded", *(name.partition("-")[0] for name in FURTHER)}
    assert {kind.rstrip("0123456789") for kind in kinds} == set(PROFILES) - {"generic"}


@at("rabbitmq", "activemq", *FURTHER, "embedded")
@pytest.mark.parametrize("field", CHECKS)
def test_field_is_what_the_broker_does(broker: RealBroker, field: str) -> None:
    with ExitStack() as stack:
        CHECKS[field](Place(broker, stack))


@pytest.mark.parametrize("check", SPRING_CHECKS)
def test_field_is_what_spring_does(check: str) -> None:
    with ExitStack() as stack:
        SPRING_CHECKS[check](SpringPlace(spring_address(), stack))
