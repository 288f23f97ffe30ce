"""Where the broker is: options, contexts, environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stomp.cli.config import passwords
from stomp.cli.config.settings import ConnectionSettings, settings
from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import CommandError
from stomp.cli.shell.connect import connection
from stomp.core.errors import AddressError, UsageError
from stomp.core.frames.limits import Leniency, Limits

Read = Callable[..., ConnectionSettings]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "stomp").mkdir()
    return tmp_path / "stomp" / "contexts.toml"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(*arguments: str, **environ: str) -> ConnectionSettings:
        args = registry.CLIENT.parser().read(arguments)
        return settings(args, {"XDG_CONFIG_HOME": str(tmp_path), **environ})

    return read


def urls(made: ConnectionSettings) -> list[str]:
    return [f"{address.transport} {address}{address.path}" for address in made.addresses]


def test_the_defaults_are_those_of_stomp_py(read: Read) -> None:
    made = read()
    assert urls(made) == ["tcp localhost:61613"]
    assert (made.login, made.password(), made.vhost, made.versions, made.tls) == (
        None,
        None,
        None,
        None,
        None,
    )
    assert made.url == "stomp://localhost:61613"
    assert made.where == "localhost:61613"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-H", "broker"], ["tcp broker:61613"]),
        (["-P", "1"], ["tcp localhost:1"]),
        (["-H", "::1"], ["tcp [::1]:61613"]),
        (["-H", "broker", "--ssl"], ["tls broker:61613"]),
        (["--ssl-ca-file", "ca.pem"], ["tls localhost:61613"]),
        (["--ssl-insecure"], ["tls localhost:61613"]),
        (["--url", "stomp+ssl://a,b:7"], ["tls a:61612", "tls b:7"]),
        (["--url", "stomp://a,b", "-H", "c", "-P", "5"], ["tcp c:5"]),
        (["--url", "failover:(stomp://a,stomp+ssl://b)"], ["tcp a:61613", "tls b:61612"]),
        (["--url", "ws://a/ws"], ["ws a:15674/ws"]),
        (["--url", "ws://a/ws", "--ssl"], ["wss a:15674/ws"]),
        (["--url", "unix:///run/broker.sock"], ["unix unix:/run/broker.sock/run/broker.sock"]),
    ],
)
def test_addresses_are_parsed(read: Read, arguments: list[str], expected: list[str]) -> None:
    assert urls(read(*arguments)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "stomp://a:1",
        "stomp+ssl://[::1]:5",
        "wss://a:15673/ws",
        "unix:///run/a%20b.sock",
        "failover:(stomp://a:1,stomp+ssl://b:2)",
    ],
)
def test_url_of_settings_has_the_same_addresses(read: Read, url: str) -> None:
    made = read("--url", url)
    assert made.url == url
    assert read("--url", made.url).addresses == made.addresses


def test_all_parts_of_a_url_are_used(read: Read) -> None:
    made = read("--url", "stomp://me:secret@a/shop?heartbeat=5000,6000&randomize=true&timeout=2.5")
    assert (made.login, made.password(), made.vhost) == ("me", "secret", "shop")
    assert (made.heartbeat, made.shuffle, made.timeout) == ((5000, 6000), True, 2.5)


def test_options_override_the_url(read: Read) -> None:
    made = read(
        *["--url", "stomp://me:secret@a/shop?heartbeat=5000"],
        *["-U", "you", "-W", "known", "--vhost", "/", "--heartbeats", "1,2", "-S", "1.2"],
        *["--connect-timeout", "1.5", "--connect-header", "client-id:c", "--proxy", "socks5://p:1"],
    )
    assert (made.login, made.password(), made.vhost, made.heartbeat) == ("you", "known", "/", (1, 2))
    assert (made.versions, made.timeout, made.headers) == (("1.2",), 1.5, {"client-id": "c"})
    assert made.proxy == "socks5://p:1"


def test_options_and_urls_set_leniency_and_limits(read: Read) -> None:
    made = read("--url", "stomp://a?max_body=1MiB&max-head=2KiB&lenient=no&window=5", "--max-body", "64KiB")
    assert made.reading == {"max-body": "64KiB", "max-head": "2KiB", "lenient": "no"}
    assert made.query == {"window": "5"}
    options = made.client()._settings.options
    assert options.limits == Limits(body=64 * 1024, head=2048)
    assert options.lenient is Leniency.STRICT
    # The interactive client is on the listener API.
    made = read("--url", "stomp://a?max_body=1MiB", "--lenient", "trim")
    options = connection(made).transport._options
    assert (options.limits, options.lenient) == (Limits(body=1024 * 1024), Leniency.TRIM)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-body", "much"], "max_body"),
        (["--lenient", "maybe"], "lenient"),
        (["--max-headers", "x"], "max_headers"),
    ],
)
def test_invalid_limits_are_refused(read: Read, arguments: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=f"{words} .*cannot be"):
        read(*arguments).client()


def test_environment_variables_are_used(read: Read) -> None:
    here = {"STOMP_URL": "stomp://me@there:7", "STOMP_PASSWORD": "secret"}
    assert urls(read(**here)) == ["tcp there:7"]
    assert read(**here).password() == "secret"
    assert read("--url", "stomp://other", **here).login is None
    # The password of one broker is not sent to another one for which no user was given.
    assert read("-H", "other", **here).password() is None
    assert read("-H", "other", "-U", "me", **here).password() == "secret"


CONTEXTS = """
default = "home"
[home]
host = "home.example.com"
user = "me"
password-command = "echo for-home"
[work]
url = "stomp+ssl://a,b/shop"
user = "robot"
password-command = "echo for-work"
ssl-ca-file = "~/ca.pem"
heartbeats = "1,2"
[work.connect-header]
client-id = "robot-1"
"""


def test_context_settings_are_used(read: Read, file: Path) -> None:
    file.write_text(CONTEXTS)
    home = read()
    assert (urls(home), home.login, home.password()) == (["tcp home.example.com:61613"], "me", "for-home")
    for work in (read("--context", "work"), read(STOMP_CONTEXT="work")):
        assert (urls(work), work.password()) == (["tls a:61612", "tls b:61612"], "for-work")
        assert (work.vhost, work.heartbeat, work.headers) == ("shop", (1, 2), {"client-id": "robot-1"})
        assert not work.tls.ca_certs.startswith("~")
    mine = read("--context", "work", "-U", "me", "--ask-password", "--vhost", "x")
    assert (mine.login, mine.vhost) == ("me", "x")


@pytest.mark.parametrize("arguments", [["-H", "other"], ["-P", "1"], ["--url", "stomp://other"]])
def test_password_of_another_broker_is_not_used(read: Read, file: Path, arguments: list[str]) -> None:
    file.write_text(CONTEXTS)
    for environ in ({}, {"STOMP_CONTEXT": "work"}):
        made = read(*arguments, **environ)
        assert (made.login, made.password(), made.headers) == (None, None, {})


def test_named_context_overrides_the_environment(read: Read, file: Path) -> None:
    file.write_text(CONTEXTS)
    made = read("--context", "home", STOMP_URL="stomp://you:key@there", STOMP_PASSWORD="x")
    assert (urls(made), made.password()) == (["tcp home.example.com:61613"], "for-home")
    assert urls(read(STOMP_URL="stomp://there", STOMP_CONTEXT="work")) == ["tcp there:61613"]


def test_context_without_address_uses_that_of_the_environment(read: Read, file: Path) -> None:
    file.write_text('[who]\nuser = "me"\n')
    made = read("--context", "who", STOMP_URL="stomp://there")
    assert (urls(made), made.login) == (["tcp there:61613"], "me")


def test_password_sources_have_an_order(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from file\n")
    assert read("-U", "u", "--password-file", str(tmp_path / "secret")).password() == "from file"
    assert read("-U", "u", "--password-command", "echo from command").password() == "from command"
    assert read("--url", "stomp://u:in-url@h", "-W", "given").password() == "given"
    asked: list[tuple[str | None, str]] = []

    def ask(user: str | None, where: str) -> str:
        asked.append((user, where))
        return "typed"

    monkeypatch.setattr(passwords, "from_keyboard", ask)
    made = read("-U", "u", "--ask-password")
    assert [made.password(), made.password()] == ["typed", "typed"]
    assert asked == [("u", "localhost:61613")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--heartbeats", "x"], "Invalid heartbeats, expecting cx,cy"),
        (["--heartbeats", "1,2x"], "Invalid heartbeats, expecting cx,cy"),
        (["--heartbeats", "1,2,3"], "Invalid heartbeats, expecting cx,cy"),
        (["-S", "9.9"], "unknown protocol '9.9'"),
        (["-P", "x"], "'x' is not a valid port .use a number from 1 to 65535"),
        (["-P", "65536"], "'65536' is not a valid port"),
        (["-H", "a b"], "the value of -H, --host is not a host name"),
        (["-H", "content-type: text/plain"], "not a host name .a URL is given with --url, the header of a"),
        (["-H", "stomp://a/b"], "not a host name"),
        (["--url", "gopher://x"], "unknown scheme"),
        (["--connect-timeout", "0"], "--connect-timeout"),
        (["--context", "x"], "no context 'x'"),
    ],
)
def test_invalid_settings_are_reported(read: Read, arguments: list[str], words: str) -> None:
    with pytest.raises((CommandError, AddressError), match=words):
        read(*arguments)


def test_repr_has_no_secret(read: Read) -> None:
    made = read("--url", "stomp://u:swordfish@h", "--proxy", "http://u:swordfish@p:1")
    assert "swordfish" not in repr(made)
    assert "swordfish" not in made.url


def test_client_arguments_have_all_settings(read: Read) -> None:
    made = read("--url", "failover:(stomp://me:secret@a,stomp://b)?randomize=true", "-S", "1.1")
    arguments = made.client_arguments()
    assert arguments["url"] == "failover:(stomp://a:61613,stomp://b:61613)"
    assert (arguments["login"], arguments["passcode"]()) == ("me", "secret")
    assert (arguments["versions"], arguments["shuffle"]) == (("1.1",), True)
    assert "heartbeat" not in arguments
    assert read("--heartbeats", "0,0").client_arguments()["heartbeat"] == (0, 0)
    assert read().client_arguments()["passcode"] is None
    with pytest.raises(CommandError, match="interactive client"):
        read("-S", "multicast").client_arguments()


def test_client_options_in_a_url_are_refused_by_the_shell(read: Read) -> None:
    made = read("--url", "failover:(stomp://a,stomp://b)?shuffle=true&window=5&on_unknown=resend")
    assert made.shuffle
    client = made.client()
    assert client._settings.config.window == 5
    assert client._settings.config.on_unknown.value == "resend"
    with pytest.raises(UsageError, match="no option 'colour'"):
        read("--url", "stomp://a?colour=red").client()
    with pytest.raises(
        CommandError, match="the interactive client does not support these options of the URL: window"
    ):
        connection(read("--url", "stomp://a?window=5"))
