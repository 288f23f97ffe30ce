import dataclasses
import inspect
import threading

import pytest

from stomp.client.options import Options, start_daemon
from tests.listening import PATIENCE


def test_options_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().attempts = 7  # type: ignore[misc]


def test_every_field_is_documented():
    assert Options.__doc__ is not None
    for field in dataclasses.fields(Options):
        assert f"\n    {field.name}: " in inspect.cleandoc(Options.__doc__)


def test_every_wait_is_finite():
    options = Options()
    assert 0 < options.connect_timeout < 3600
    assert 0 < options.send_timeout < 3600
    assert 0 < options.disconnect_timeout < 3600


def test_threads_are_daemons():
    started = threading.Event()
    thread = start_daemon(started.set)
    assert started.wait(PATIENCE)
    assert thread.daemon
    thread.join(PATIENCE)
