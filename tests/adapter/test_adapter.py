"""stomp.adapter: its modules can be had without importing them"""

import subprocess
import sys

import pytest

import stomp


def test_adapter_modules_are_available_after_import_stomp():
    program = "import stomp; print(stomp.adapter.ws.WSTransport.__name__, stomp.adapter.multicast.MCAST_GRP)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "WSTransport 224.1.1.1"
    assert {"multicast", "ws"} <= set(dir(stomp.adapter))


@pytest.mark.parametrize("module", [stomp.adapter.ws, stomp.adapter.multicast])
def test_reexported_names_of_stomp_py_exist(module):
    assert module.BaseConnection is stomp.connect.BaseConnection
    assert module.ConnectFailedException is stomp.exception.ConnectFailedException
    assert module.HDR_RECEIPT == "receipt"
    with pytest.raises(AttributeError, match="nothing"):
        module.nothing  # noqa: B018


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        stomp.adapter.nothing  # type: ignore[attr-defined]  # noqa: B018
