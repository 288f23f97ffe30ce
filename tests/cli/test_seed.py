"""Section 1.2 and chapter 4 of the stomp.py 4.1.22 documentation, on the embedded broker."""

from __future__ import annotations

import pytest

from stomp.broker import Broker
from tests.cli.seed_commands import SeedCommands, Site


class TestEmbedded(SeedCommands):
    @pytest.fixture
    def site(self, broker: Broker) -> Site:
        return Site(broker.host, broker.port, "admin", "password")
