"""The whole client on eventlet's green threads, by the same program as for gevent.

Eventlet is deprecated and warns of that when it is imported: so that is done in the subprocess only.
"""

import importlib.util

import pytest

from stomp.broker import Broker
from tests.green.programs import run
from tests.green.test_gevent import PROGRAM

pytestmark = pytest.mark.skipif(importlib.util.find_spec("eventlet") is None, reason="needs eventlet")

PATCHED = "import eventlet; eventlet.monkey_patch()\n"


def test_a_program_that_is_patched():
    with Broker(heartbeat=(300, 300)) as broker:
        assert run(PATCHED + PROGRAM, broker.host, broker.port, warnings=("ignore",)) == ["done"]


def test_a_program_over_tls(server_tls, ca_file):
    with Broker(heartbeat=(300, 300), ssl_context=server_tls) as broker:
        arguments = "localhost", broker.port, ca_file
        assert run(PATCHED + PROGRAM, *arguments, warnings=("ignore",)) == ["done"]
