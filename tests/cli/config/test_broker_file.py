"""The TOML file of `stomp broker --config`: every key, and errors that name the key."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path

import pytest

from stomp.broker.store import Policy
from stomp.cli.config import broker_file
from stomp.cli.framework import registry
from stomp.core.errors import UsageError
from stomp.core.frames.limits import Limits

FULL = """
listen = ["stomp://127.0.0.1:0", "unix:///tmp/x.sock"]
dialect = "rabbitmq"
store = "messages.db"
heartbeat = [10000, 0]
allow-origins = ["https://app.example"]
versions = ["1.2"]
connect-timeout = 5
tolerance = 2.5

[page]
port = 8161
host = ""
allow-hosts = ["broker"]

[tls]
cert = "server.pem"
key = "/etc/server.key"
client-ca = "ca.pem"
client-optional = true
user-from-cert = true

[policy]
max-messages = 10
max-bytes = "1MiB"
slow-consumer = "disconnect"
dead-letter-queue = "/queue/dead"

[limits]
body = "64KiB"

[users.alice]
password = "pass-a"
read = ["/queue/a*"]
write = []

[users.bob]
password-file = "bob.txt"

[users.robot]
"""


def written(folder: Path, text: str) -> str:
    path = folder / "broker.toml"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_all_keys_are_read(tmp_path: Path) -> None:
    (tmp_path / "bob.txt").write_text("pass-b\nnot this\n")
    found = broker_file.read(written(tmp_path, FULL))
    assert found.listen == ["stomp://127.0.0.1:0", "unix:///tmp/x.sock"]
    assert found.options == {
        "dialect": "rabbitmq",
        "store": str(tmp_path / "messages.db"),
        "heartbeat": (10000, 0),
        "allow_origin": ["https://app.example"],
        "page_port": 8161,
        "page_host": "",
        "page_allow_host": ["broker"],
        "tls_cert": str(tmp_path / "server.pem"),
        "tls_key": "/etc/server.key",
        "tls_client_ca": str(tmp_path / "ca.pem"),
        "tls_client_optional": True,
        "tls_user_from_cert": True,
    }
    assert found.arguments == {"versions": ["1.2"], "connect_timeout": 5.0, "tolerance": 2.5}
    assert found.policy == {
        "max_messages": 10,
        "max_bytes": 1024 * 1024,
        "slow_consumer": "disconnect",
        "dead_letter_queue": "/queue/dead",
    }
    assert found.limits == {"body": 65536}
    assert found.users == {"alice": "pass-a", "bob": "pass-b", "robot": None}
    assert list(found.permissions) == ["alice"]
    assert found.permissions["alice"].read == ("/queue/a*",)
    assert found.permissions["alice"].write == ()
    assert "pass-" not in repr(found)


def test_every_field_of_policy_and_limits_has_a_key(tmp_path: Path) -> None:
    texts = {"slow_consumer": '"disconnect"', "dead_letter_queue": '"/queue/x"'}
    for table, kind in (("policy", Policy), ("limits", Limits)):
        lines = [f"{each.name.replace('_', '-')} = {texts.get(each.name, '7')}" for each in fields(kind)]
        found = broker_file.read(written(tmp_path, f"[{table}]\n" + "\n".join(lines)))
        assert set(getattr(found, table)) == {each.name for each in fields(kind)}
        kind(**getattr(found, table))


def test_every_option_has_a_key(tmp_path: Path) -> None:
    """But for those of one run, and for the logins, which are tables in the file."""
    (tmp_path / "bob.txt").write_text("pass-b\n")
    of_one_run = {"help", "config", "verbose", "command_line"}
    logins = {"user", "password_file", "login"}
    addresses = {"host", "port", "ws_port", "unix"}  # the key `listen`
    options = {each.dest for each in registry.BY_NAME["broker"].parser()._actions}
    tables = {each for each in options if each.startswith(("policy_", "limit_"))}  # the test above
    found = broker_file.read(written(tmp_path, FULL)).options
    assert options - of_one_run - logins - addresses - tables == set(found)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert broker_file.read(written(tmp_path, "")) == broker_file.BrokerFile()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("polcy = 1", "unknown key polcy (did you mean policy?)"),
        ("[policy]\nmax-mesages = 1", "unknown key policy.max-mesages (did you mean max-messages?)"),
        ("[policy]\nmax_messages = 1", "unknown key policy.max_messages (did you mean max-messages?)"),
        ("[limits]\nqqqq = 1", "unknown key limits.qqqq (there are body, early-frames"),
        ("[users.bob]\npasswort = 'geheim'", "unknown key users.bob.passwort (did you mean password?)"),
        ("[policy]\nmax-bytes = '64 apples'", "policy.max-bytes must be a number of at least 1, like 1000"),
        ("[policy]\nwindow = 0", "policy.window must be a number of at least 1"),
        ("[policy]\nwindow = true", "policy.window must be a number of at least 1"),
        (
            "[policy]\nslow-consumer = 'wait'",
            "policy.slow-consumer must be one of drop-oldest, disconnect, not 'wait'",
        ),
        ("[page]\nport = '8161'", "page.port must be a number from 0 to 65535"),
        ("[page]\nport = true", "page.port must be a number from 0 to 65535"),
        ("[page]\nhost = 1", "page.host must be text"),
        ("[page]\nhosts = []", "unknown key page.hosts (did you mean host?)"),
        ("dialect = 'qpid'", "dialect must be one of"),
        ("listen = 'stomp://x'", "listen must be a list of texts"),
        ("heartbeat = [1]", "heartbeat must be two numbers of milliseconds"),
        ("connect-timeout = 0", "connect-timeout must be a number above 0"),
        ("tolerance = inf", "tolerance must be a number above 0"),
        ("[tls]\nclient-optional = 'yes'", "tls.client-optional must be true or false"),
        ("store = ''", "store must be text that is not empty"),
        ("users = 1", "users must be a table"),
        ("[users]\nbob = 'geheim'", "users.bob must be a table, like [users.bob]"),
        ("[users.bob]\npassword = ['geheim']", "users.bob.password must be text"),
        (
            "[users.bob]\npassword = 'geheim'\npassword-file = 'x'",
            "users.bob has both password and password-file",
        ),
        ("[users.bob]\npassword-file = 'missing'", "users.bob.password-file cannot be read"),
        (
            "[users.bob]\nread = ['/topic/#']",
            "users.bob is invalid: the pattern '/topic/#' of read has # or >",
        ),
        ("[users.bob", "is not TOML"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        broker_file.read(written(tmp_path, text))
    assert words in str(error.value)
    assert "broker.toml" in str(error.value)
    assert "geheim" not in str(error.value)


def test_a_file_that_is_missing_or_not_utf8_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--config: .*No such file"):
        broker_file.read(str(tmp_path / "none.toml"))
    (tmp_path / "x.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(UsageError, match="is not TOML"):
        broker_file.read(str(tmp_path / "x.toml"))


def test_passwords_that_others_can_read_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, "[users.bob]\npassword = 'geheim'")
    with caplog.at_level(logging.WARNING):
        broker_file.read(path)
        assert caplog.text == ""
        Path(path).chmod(0o644)
        broker_file.read(path)
    assert "has passwords, and other users can read it" in caplog.text
    assert "geheim" not in caplog.text
