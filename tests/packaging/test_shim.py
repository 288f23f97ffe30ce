"""Programs that depend on stomp.py run on stompkit, where the shim is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stomp._version import __version__
from stomp.broker import Broker
from tests.documents import ROOT
from tests.packaging.conftest import Environment

pytestmark = [pytest.mark.index, pytest.mark.timeout(600)]

SHIM = ROOT / "shim"

BLUESKY_STOMP = """
import sys, threading
from bluesky_stomp.messaging import StompClient
from bluesky_stomp.models import Broker, MessageQueue

arrived = threading.Event()
texts = []

def take(message: dict, context) -> None:
    texts.append(message)
    arrived.set()

client = StompClient.for_broker(Broker(host=sys.argv[1], port=int(sys.argv[2])))
client.connect()
client.subscribe(MessageQueue(name="shoes"), take)
client.send(MessageQueue(name="shoes"), {"pairs": 2})
assert arrived.wait(30)
client.disconnect()
print(texts)
"""

WORKFLOWS = """
import sys, threading
from workflows.transport.stomp_transport import StompTransport

arrived = threading.Event()
texts = []

def take(header, message):
    texts.append(message)
    arrived.set()

StompTransport.defaults |= {"--stomp-host": sys.argv[1], "--stomp-port": int(sys.argv[2])}
transport = StompTransport()
transport.connect()
transport.subscribe("shoes", take)
transport.send("shoes", {"pairs": 2})
assert arrived.wait(30)
transport.disconnect()
print(texts)
"""

DJANGO_STOMP = """
import sys, threading
from django.conf import settings

settings.configure(
    STOMP_SERVER_HOST=sys.argv[1], STOMP_SERVER_PORT=sys.argv[2], STOMP_USE_SSL="False",
    STOMP_SERVER_USER="admin", STOMP_SERVER_PASSWORD="password", STOMP_LISTENER_CLIENT_ID="shop",
)
from django_stomp.builder import build_listener, build_publisher

arrived = threading.Event()
texts = []

def take(payload):
    texts.append(payload.body)
    payload.ack()
    arrived.set()

listener = build_listener("/queue/shoes", client_id="shop")
listener.start(take, wait_forever=False)
publisher = build_publisher("shop")
publisher.start()
publisher.send({"pairs": 2}, "/queue/shoes")
assert arrived.wait(30)
publisher.close()
listener.close()
print(texts)
"""

WHOLE = """
import importlib.metadata, json, stomp
import stomp.broker, stomp.testing
print(json.dumps([importlib.metadata.version("stomp.py"), stomp.__version__, stomp.Client.__name__]))
"""


@pytest.mark.parametrize(
    ("package", "version", "program"),
    [
        pytest.param("bluesky-stomp", "9.1.0", BLUESKY_STOMP, id="bluesky-stomp"),
        pytest.param("workflows", "9.1.0", WORKFLOWS, id="workflows"),
        # Its requirement is stomp.py~=8.0.
        pytest.param("django-stomp==6.1.0", "8.99", DJANGO_STOMP, id="django-stomp"),
    ],
)
def test_a_program_that_depends_on_stomp_py_runs_on_stompkit(
    environment: Environment, package: str, version: str, program: str
) -> None:
    environment.pip("install", SHIM, STOMP_PY_VERSION=version)
    environment.pip("install", package, *(["django"] if "django" in package else []))
    assert json.loads(environment.python(WHOLE)) == [version, __version__, "Client"]
    with Broker() as broker:
        assert environment.python(program, broker.host, str(broker.port)) == "[{'pairs': 2}]\n"
    environment.pip("check")


def test_the_shim_has_no_files_but_metadata(environment: Environment) -> None:
    environment.pip("install", SHIM)
    files = json.loads(
        environment.python(
            "import importlib.metadata, json; print(json.dumps(list(map(str, importlib.metadata.files('stomp.py')))))"
        )
    )
    assert {Path(file).parts[0] for file in files} == {"stomp_py-9.1.0.dist-info"}


def test_constraint_replaces_stomp_py_with_the_shim(environment: Environment) -> None:
    (environment.folder / "constraints.txt").write_text(f"stomp.py @ {SHIM.as_uri()}\n")
    # In one go, without the shim being installed before.
    environment.pip("install", "-c", "constraints.txt", "stomp.py>=8")
    assert json.loads(environment.python(WHOLE)) == ["9.1.0", __version__, "Client"]


def test_uninstalling_the_shim_leaves_stompkit_whole(environment: Environment) -> None:
    environment.pip("install", SHIM)
    environment.pip("uninstall", "--yes", "stomp.py")
    environment.python("import stomp.broker; stomp.Client")
