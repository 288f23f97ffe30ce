"""An application built by PyInstaller has what stompkit imports by name."""

from __future__ import annotations

import subprocess

import pytest

from stomp._version import __version__
from stomp.broker import Broker
from tests.packaging.conftest import Environment

pytestmark = [pytest.mark.index, pytest.mark.timeout(600)]

PROGRAM = """
import sys

if sys.argv[1] == "lazy":
    import stomp
    print(stomp.Client.__name__, stomp.AsyncClient.__name__, stomp.WSConnection.__name__)
    import stomp.broker
    with stomp.broker.Broker() as broker, stomp.Client(broker.url) as client:
        client.send("/queue/a", "hello", confirm=True)
else:
    from stomp.__main__ import main
    sys.exit(main())
"""


def test_an_application_has_the_commands_and_the_lazy_names(environment: Environment) -> None:
    environment.pip("install", "pyinstaller")
    (environment.folder / "app.py").write_text(PROGRAM)
    environment.run("pyinstaller", "--log-level", "WARN", "--noconfirm", "app.py")

    def run(*arguments: str) -> str:
        command = [str(environment.folder / "dist/app/app"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version") == f"{__version__}\n"
    assert run("send", "--help").startswith("Usage: stomp send")
    assert run("lazy") == "Client AsyncClient WSStompConnection\n"
    with Broker() as broker:
        run("send", "--url", broker.url, "/queue/a", "hello")
        assert run("listen", "--url", broker.url, "/queue/a", "-n", "1", "--raw") == "hello"
