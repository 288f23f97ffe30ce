"""The examples of the stomp.py 4.1.22 documentation, on the embedded broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from stomp.broker import Broker
from tests.seed_examples import SECTION_3_1_IPV6, Reader, SeedExamples, Site

USERS = {"admin": "password"}


class TestEmbedded(SeedExamples):
    @pytest.fixture
    def site(self) -> Iterator[Site]:
        with Broker(users=USERS) as broker:
            yield Site(broker.host, broker.port)


class TestIPv6:
    """Section 3.1 has an IPv6 address, too. Its list lacks the inner parentheses."""

    @pytest.fixture
    def site(self) -> Iterator[Site]:
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"this machine has no IPv6: {error}")
        with Broker("::1", users=USERS) as broker:
            yield Site(broker.host, broker.port)

    reader = SeedExamples.reader

    def test_3_1_ipv6(self, reader: Reader, site: Site) -> None:
        printed = "'fe80::a00:27ff:fe90:3f1a%en1', 62613"
        reader.types(SECTION_3_1_IPV6, {printed: f"'{site.host}', {site.port}"})
        reader.types(">>> c.start()\n>>> c.connect('admin', 'password', wait=True)")
        assert reader["c"].is_connected()
        assert reader["c"].transport.current_host_and_port == ("::1", site.port)
