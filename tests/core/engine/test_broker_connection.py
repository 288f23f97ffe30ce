from __future__ import annotations

from stomp.core.engine.broker_profiles import GENERIC
from tests.core.stage import FakeLink, Stage


def test_new_connection_has_the_number_of_its_session() -> None:
    stage = Stage(max_decompressed_size=5)
    link = FakeLink(stage, "a:1")
    connection = stage.engine.attach(link, "a:1")
    assert connection.generation == link.session.generation == 1
    assert (connection.address, connection.max_decompressed_size) == ("a:1", 5)
    assert not connection.connected
    assert connection.profile is GENERIC
