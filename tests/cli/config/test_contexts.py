"""Named settings in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from stomp.cli.config import contexts
from stomp.cli.framework.exit_status import CommandError

KNOWN = {"url": str, "port": str, "password": str, "ssl": bool, "connect-header": dict}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "contexts.toml"


def test_path_follows_xdg_config_home(tmp_path: Path) -> None:
    home = {"HOME": "/home/me"}
    assert contexts.path(home) == str(Path("/home/me/.config/stomp/contexts.toml"))
    assert contexts.path({**home, "XDG_CONFIG_HOME": "/etc/x"}) == str(Path("/etc/x/stomp/contexts.toml"))
    assert contexts.path({**home, "XDG_CONFIG_HOME": "relative"}) == contexts.path(home)


def test_missing_file_has_no_contexts(file: Path) -> None:
    assert contexts.names(file) == []
    assert contexts.default_name(file) is None
    with pytest.raises(CommandError, match=r"no context 'x'.*the file has no contexts"):
        contexts.look_up("x", file, KNOWN)


def test_context_has_its_settings(file: Path) -> None:
    file.write_text(
        'default = "a"\n[a]\nurl = "stomp://x"\nport = 61614\nssl = true\n[a.connect-header]\nclient-id = "c"\n[b]\n'
    )
    assert contexts.names(file) == ["a", "b"]
    assert contexts.default_name(file) == "a"
    assert contexts.look_up("b", file, KNOWN) == {}
    assert contexts.look_up("a", file, KNOWN) == {
        "url": "stomp://x",
        "port": "61614",
        "ssl": True,
        "connect-header": {"client-id": "c"},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]\nurl = ", "is not TOML"),
        ("[a]\nurls = 1", "unknown key 'urls' in a .known keys: url, port"),
        ("[a]\nurl = true", "url of a must be text"),
        ("[a]\nssl = 1", "ssl of a must be true or false"),
        ("[a]\nconnect-header = 1", "must be a table"),
        ("[b]\n[c]\n", "no context 'a'.*known contexts: b, c"),
        ("a = 1", "no context 'a'"),
    ],
)
def test_invalid_context_is_reported(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(CommandError, match=words):
        contexts.look_up("a", file, KNOWN)


def test_file_that_is_not_utf8_or_toml_is_an_error(file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(CommandError, match="not UTF-8"):
        contexts.names(file)


def test_error_does_not_show_the_value(file: Path) -> None:
    file.write_text("[a]\npassword = [1234567]")
    with pytest.raises(CommandError) as caught:
        contexts.look_up("a", file, KNOWN)
    assert "1234567" not in str(caught.value)


def test_file_with_password_must_be_private(file: Path) -> None:
    file.write_text('[a]\npassword = "x"')
    file.chmod(0o644)
    with pytest.raises(CommandError, match="chmod 600"):
        contexts.look_up("a", file, KNOWN)
    file.chmod(0o600)
    assert contexts.look_up("a", file, KNOWN) == {"password": "x"}
