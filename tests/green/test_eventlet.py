"""The whole client on eventlet's green threads, by the same program as for gevent.

Eventlet is deprecated and warns of that when it is imported: so that is done in the subprocess only.
"""

import importlib.util

import pytest

from stomp.broker import Broker
from tests.green.programs import run
from tests.green.test_gevent import AGAIN, EARLIER, ENDED, IMPORTED, PROGRAM, STILL_OPEN

pytestmark = pytest.mark.skipif(importlib.util.find_spec("eventlet") is None, reason="needs eventlet")

PATCHED = "import eventlet; eventlet.monkey_patch()\n"


def test_patched_program_works():
    with Broker(heartbeat=(300, 300), tolerance=1000) as broker:
        assert run(PATCHED + PROGRAM, broker.host, broker.port, warnings=("ignore",)) == ["done"]


def test_patched_program_works_over_tls(server_tls, ca_file):
    with Broker(heartbeat=(300, 300), tolerance=1000, ssl_context=server_tls) as broker:
        arguments = "localhost", broker.port, ca_file
        assert run(PATCHED + PROGRAM, *arguments, warnings=("ignore",)) == ["done"]


def test_program_patched_after_the_imports_works():
    with Broker(heartbeat=(300, 300), tolerance=1000) as broker:
        # Eventlet prints about locks that it could not replace.
        printed = run(
            IMPORTED + PATCHED + PROGRAM, broker.host, broker.port, warnings=("ignore",), noise=True
        )
        assert printed == ["done"]


def test_program_patched_after_its_connection_works():
    with Broker(heartbeat=(300, 300), tolerance=1000) as broker:
        program = EARLIER + ENDED + PATCHED + AGAIN + PROGRAM
        assert run(program, broker.host, broker.port, warnings=("ignore",), noise=True) == ["done"]


def test_patching_while_a_connection_is_open_warns():
    with Broker(heartbeat=(300, 300), tolerance=1000) as broker:
        program = EARLIER + PATCHED + STILL_OPEN
        (warning,) = run(program, broker.host, broker.port, warnings=("ignore",), noise=True)
        assert "while a connection was open" in warning
