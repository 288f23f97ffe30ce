"""The fixtures for pytest, in a pytest of their own. What docs/howto/testing.md says is run here."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.documents import ROOT, blocks

PLUGIN = ["-p", "stomp.testing.pytest_plugin"]


def run(folder: Path, test: str, *options: str) -> str:
    """Run pytest on the text of a test module; returns what it said."""
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        # No entry points: they may be those of an older installation, and each other plugin takes time to import.
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.slow(reason="starts pytest, and cuts 16 connections")
def test_examples_of_the_testing_page_pass(tmp_path: Path) -> None:
    text = "\n".join(code for _, code in blocks(ROOT / "docs/howto/testing.md", "python"))
    output = run(tmp_path, text, *PLUGIN)
    assert "5 passed" in output, output


def test_each_test_gets_a_new_broker(tmp_path: Path) -> None:
    text = """
import pytest

ports = []

@pytest.mark.parametrize("number", [1, 2])
def test_it(stomp_broker, stomp_relay, stomp_server, number):
    assert stomp_relay.target_port == stomp_broker.port
    assert stomp_broker.destinations() == {}
    ports.append(stomp_broker)
    if number == 2:
        assert ports[0] is not ports[1]
        with pytest.raises(Exception, match="stopped"):
            ports[0].depth("/queue/a")
"""
    output = run(tmp_path, text, *PLUGIN)
    assert "2 passed" in output, output


SCOPES = """
import pytest

pytestmark = pytest.mark.stomp_broker(users={"admin": "password"})
brokers = []

@pytest.fixture(scope="session")
def stomp_broker_settings():
    return {"versions": ["1.1"]}

@pytest.mark.parametrize("number", [1, 2])
def test_it(stomp_broker, stomp_module_broker, stomp_session_broker, number):
    brokers.append((stomp_broker, stomp_module_broker, stomp_session_broker))
    assert len({id(broker) for broker in brokers[-1]}) == 3
    if number == 2:
        assert brokers[0][0] is not stomp_broker
        assert brokers[0][1:] == (stomp_module_broker, stomp_session_broker)

@pytest.mark.parametrize("scope, refused", [("function", True), ("module", True), ("session", False)])
def test_marker_of_the_module_and_settings_are_used(request, scope, refused):
    import stomp
    broker = request.getfixturevalue("stomp_broker" if scope == "function" else f"stomp_{scope}_broker")
    client = stomp.Client(broker.url, login="admin", passcode="guess")
    if refused:
        with pytest.raises(stomp.AuthenticationFailed):
            client.connect()
    else:
        with client:
            assert client.version == "1.1"
"""


def test_brokers_of_modules_and_sessions_are_shared(tmp_path: Path) -> None:
    output = run(tmp_path, SCOPES, *PLUGIN)
    assert "5 passed" in output, output


@pytest.mark.slow(reason="starts pytest and two workers")
def test_fixtures_work_under_xdist(tmp_path: Path) -> None:
    output = run(tmp_path, SCOPES, *PLUGIN, "-p", "xdist", "-n", "2", "--dist", "loadfile")
    assert "5 passed" in output, output


@pytest.mark.parametrize("fixture", ["stomp_broker", "stomp_module_broker"])
def test_positional_arguments_of_the_marker_are_refused(tmp_path: Path, fixture: str) -> None:
    text = f"""
import pytest

pytestmark = pytest.mark.stomp_broker("127.0.0.1", 61613)

def test_it({fixture}): ...
"""
    output = run(tmp_path, text, *PLUGIN)
    assert "1 error" in output, output
    assert "test_it.py" in output
    assert "positional arguments: pass keywords, as in @pytest.mark.stomp_broker(heartbeat=(0, 0))" in output


@pytest.mark.parametrize(
    ("settings", "hint"),
    [("useres={}", "did you mean users?"), ("frobnicate=1", "see the arguments of stomp.broker.Broker")],
)
def test_unknown_settings_of_the_marker_are_refused(tmp_path: Path, settings: str, hint: str) -> None:
    text = f"""
import pytest

@pytest.mark.stomp_broker({settings})
def test_it(stomp_broker): ...
"""
    output = run(tmp_path, text, *PLUGIN)
    assert "1 error" in output, output
    name = settings.partition("=")[0]
    assert f"test_it.py::test_it: the marker stomp_broker has no setting {name!r}: {hint}" in output


def test_other_spellings_of_settings_are_accepted(tmp_path: Path) -> None:
    text = """
import pytest

@pytest.mark.filterwarnings("ignore:the argument 'heartbeats'")
@pytest.mark.stomp_broker(heartbeats=(0, 0))
def test_it(stomp_broker): ...
"""
    assert "1 passed" in run(tmp_path, text, *PLUGIN)


def test_fixtures_work_with_pytest_asyncio(tmp_path: Path) -> None:
    text = """
import asyncio
import pytest
import pytest_asyncio
import stomp

@pytest_asyncio.fixture
async def client(stomp_broker):
    async with stomp.AsyncClient(stomp_broker.url) as client:
        yield client

@pytest.mark.asyncio
async def test_it(client, stomp_broker):
    await client.send("/queue/a", b"x", confirm=True)
    assert stomp_broker.depth("/queue/a") == 1

@pytest.mark.asyncio
async def test_relay_of_a_shared_broker(stomp_session_broker, stomp_relay):
    async with stomp.AsyncClient(stomp_relay.url, on_unknown="resend") as client:
        await client.send("/queue/a", b"x", confirm=True)
        stomp_relay.cut()
        await client.send("/queue/a", b"x", confirm=True)
"""
    options = ["-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"]
    output = run(tmp_path, text, *PLUGIN, *options)
    assert "2 passed" in output, output


def test_fixtures_are_listed_with_descriptions(tmp_path: Path) -> None:
    output = run(tmp_path, "", *PLUGIN, "--fixtures")
    for name in ("stomp_broker", "stomp_relay", "stomp_server"):
        assert f"\n{name} -- " in output, output
    for name in ("stomp_module_broker [module scope]", "stomp_session_broker [session scope]"):
        assert f"\n{name} -- " in output, output
    assert "no docstring" not in output
    assert "@pytest.mark.stomp_broker(**settings)" in run(tmp_path, "", *PLUGIN, "--markers")


def test_unused_plugin_imports_little(tmp_path: Path) -> None:
    text = """
import sys
from pathlib import Path

def test_it():
    Path("modules.txt").write_text("\\n".join(sys.modules))

def test_of_the_plugin():
    names = {name.removeprefix("stomp.") for name in sys.modules if name.partition(".")[0] == "stomp"}
    ours = {"stomp", "_installation", "_version", "classic", "classic.module_aliases"}
    assert names <= {*ours, "testing", "testing.pytest_plugin"}
"""
    output = run(tmp_path, text, *PLUGIN)
    assert "2 passed" in output, output
    modules = tmp_path / "modules.txt"
    loaded = set(modules.read_text().split())
    assert "1 passed" in run(tmp_path, text, "-k", "test_it and not of")
    # pytest itself imports pdb, and that imports asyncio since Python 3.14.
    assert loaded - set(modules.read_text().split()) <= {name for name in loaded if name.startswith("stomp")}


def test_installed_plugin_is_found_by_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"stompkit": "stomp.testing.pytest_plugin"}


@pytest.mark.parametrize("name", ["Relay", "SessionPair", "FakeClock", "frame_cuts"])
def test_testing_package_exports_its_names(name: str) -> None:
    import stomp.testing

    assert getattr(stomp.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = stomp.testing.nothing  # type: ignore[attr-defined]
