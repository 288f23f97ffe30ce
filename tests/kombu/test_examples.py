"""The examples in the docstrings of the transport are correct."""

from __future__ import annotations

import doctest

import pytest

from stomp.core.engine.broker_profiles import ACTIVEMQ, GENERIC, RABBITMQ
from stomp.kombu import destinations, payload, settings


@pytest.mark.parametrize("module", [destinations, settings], ids=lambda module: module.__name__)
def test_examples_in_docstrings_are_correct(module):
    failures, count = doctest.testmod(module)
    assert count
    assert not failures


def message(**changes):
    base = {"headers": {}, "properties": {"delivery_mode": 2}}
    return {**base, **changes}


@pytest.mark.parametrize(
    ("eta", "least", "most"),
    [
        ("2999-01-01T00:00:00+00:00", 1e9, 1e11),
        ("2020-01-01T00:00:00+00:00", None, None),
        ("2999-01-01T00:00:00", None, None),  # without a time zone only the worker can interpret it
        ("tomorrow", None, None),
        (None, None, None),
    ],
)
def test_only_a_future_eta_with_a_time_zone_is_delayed_by_the_broker(eta, least, most):
    found = payload.send_options(message(headers={"eta": eta}), ACTIVEMQ, delays=True).get("delay")
    assert found is None if least is None else least < found < most
    assert "delay" not in payload.send_options(message(headers={"eta": eta}), RABBITMQ, delays=True)
    assert "delay" not in payload.send_options(message(headers={"eta": eta}), ACTIVEMQ, delays=False)


@pytest.mark.parametrize(("expiration", "ttl"), [("1500", 1.5), (None, None), ("soon", None)])
def test_an_expiration_is_a_ttl(expiration, ttl):
    properties = {"expiration": expiration}
    assert payload.send_options(message(properties=properties), RABBITMQ, delays=True).get("ttl") == ttl
    assert "ttl" not in payload.send_options(message(properties=properties), GENERIC, delays=True)
