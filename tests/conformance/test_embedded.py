"""The conformance suite, run with the embedded broker over TCP, TLS and WebSockets."""

from __future__ import annotations

import pytest

from tests.conformance.carrying import Carrying
from tests.conformance.certified import Certified
from tests.conformance.connecting import Connecting
from tests.conformance.extending import Extending
from tests.conformance.settling import Acknowledging, Errors, Receipts, Transactions
from tests.conformance.sharing import Sharing
from tests.conformance.venues import EMBEDDED, EMBEDDED_WEB, VERSIONS, spread

VENUES = {
    "embedded_tcp": (EMBEDDED, VERSIONS),
    "embedded_tls": (EMBEDDED, VERSIONS),
    "embedded_ws": (EMBEDDED_WEB, EMBEDDED_WEB.versions),
    "embedded_wss": (EMBEDDED_WEB, EMBEDDED_WEB.versions),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spread(metafunc, VENUES)


class TestConnecting(Connecting):
    pass


class TestCarrying(Carrying):
    pass


class TestReceipts(Receipts):
    pass


class TestAcknowledging(Acknowledging):
    pass


class TestTransactions(Transactions):
    pass


class TestErrors(Errors):
    pass


class TestSharing(Sharing):
    pass


class TestExtending(Extending):
    pass


class TestCertified(Certified):
    pass
