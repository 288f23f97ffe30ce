"""`stomp context`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stomp.broker import Broker
from stomp.cli.app import main
from stomp.cli.config import contexts


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("STOMP_URL", "STOMP_CONTEXT", "STOMP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return Path(contexts.path())


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["context", *arguments])
    out, err = capfd.readouterr()
    return status, out, err


def test_added_context_is_used_by_a_command(
    file: Path, broker: Broker, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"stomp://{broker.host}:{broker.port}"
    given = ("add", "here", "--url", url, "-U", "admin", "-W", "password", "--connect-header", "a:b")
    assert run(capfd, *given)[0] == 0
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert main(["--context", "here", "send", "/queue/context", "x"]) == 0
    assert broker.depth("/queue/context") == 1
    assert run(capfd, "select", "here")[0] == 0
    assert main(["send", "/queue/context", "x"]) == 0
    assert broker.depth("/queue/context") == 2


def test_list_shows_the_default_and_no_password(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, "add", "one", "--url", "stomp://me:secret@one.example.com")
    run(capfd, "add", "two", "--host", "two.example.com", "--port", "61614", "-W", "secret")
    run(capfd, "select", "two")
    assert run(capfd, "ls") == (0, "  one  stomp://one.example.com\n* two  two.example.com:61614\n", "")
    assert run(capfd, "show", "one")[1] == "url = stomp://one.example.com\n"
    assert run(capfd, "show")[1] == "host = two.example.com\nport = 61614\npassword = ********\n"


def test_changes_leave_the_rest_of_the_file_as_it_is(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(
        '# mine\n\n[one]\nurl = "stomp://a"  # old\n[one.connect-header]\nx = "y"\n\n[two]\nurl = "stomp://b"\n'
    )
    file.chmod(0o600)
    run(capfd, "add", "one", "--url", "stomp://new")
    run(capfd, "select", "two")
    assert file.read_text() == (
        'default = "two"\n# mine\n\n[two]\nurl = "stomp://b"\n\n[one]\nurl = "stomp://new"\n'
    )
    run(capfd, "rm", "two")
    assert file.read_text() == '# mine\n\n[one]\nurl = "stomp://new"\n'
    assert contexts.default_name(file) is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("add", "a b", "--url", "stomp://x"), "'a b' cannot be the name of a context"),
        (("add", "default", "--url", "stomp://x"), "'default' cannot be the name"),
        (("add", "x"), "no connection options were given"),
        (("add",), "stomp context add needs a name"),
        (("rm", "x"), "there is no context 'x'"),
        (("select", "x"), "there is no context 'x'"),
        (("copy", "x"), "copy"),
    ],
)
def test_wrong_arguments_change_nothing(
    file: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    status, _, err = run(capfd, *arguments)
    assert (status, text in err, file.exists()) == (1, True, False)


def test_edit_runs_the_editor(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "touch")
    assert run(capfd, "edit")[0] == 0
    assert file.exists()
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    assert "set VISUAL or EDITOR" in run(capfd, "edit")[2]
