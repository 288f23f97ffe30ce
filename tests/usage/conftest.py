"""What the programs here have in common: a broker to talk to, and connections that are gone in the end."""

import pytest

import stomp
from tests.listening import RecentFrames


@pytest.fixture
def address(broker):
    return broker.host, broker.port


@pytest.fixture
def connect(address):
    """Makes a logged-in connection and its recorder; all are closed in the end."""
    made = []

    def make(cls=stomp.Connection, **options):
        conn = cls([address], **options)
        conn.set_listener("recorder", recorder := RecentFrames())
        made.append(conn)
        conn.connect("user", "secret", wait=True)
        return conn, recorder

    yield make
    for conn in made:
        conn.transport.stop()
