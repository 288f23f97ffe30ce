"""Connections to the embedded broker are cut at frame boundaries and at random positions: no message is lost."""

from __future__ import annotations

import pytest

from stomp.broker import Broker
from tests.pulling.conftest import at_embedded
from tests.pulling.faces import KINDS, makers
from tests.pulling.moving import COUNT, move


@pytest.mark.slow(reason="10,000 messages over 300 connections")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_when_connections_are_cut(kind: str, embedded: Broker, ca_file: str) -> None:
    place = at_embedded(embedded, "stomp", ca_file)
    with makers(kind, place) as client:
        result = move(client, place, (embedded.host, embedded.port))
    assert result["seen"] == COUNT
    assert result["silently"] == 0
    assert result["cuts"] > 300
