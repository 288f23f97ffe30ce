"""The documentation matches the code: its Python examples run, and its tables have the values of the code."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import logging
import re
import runpy
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import trustme

import stomp
from stomp.broker import LIMITS, Broker
from stomp.cli.framework import registry
from stomp.client import config
from stomp.client.arguments import SendOptions, SubscribeOptions
from stomp.client.options import Options
from stomp.core import errors
from stomp.core.engine.config import ClientConfig
from stomp.core.frames.limits import Leniency, Lenient, Limits
from stomp.core.session.state import Role, diagram
from stomp.net.address import parse
from stomp.testing.proxies import HttpProxy, Socks5Proxy
from stomp.testing.servers import ScriptedServer
from tests.documents import ROOT, blocks, run_page
from tests.multicasting import group_of_our_own
from tests.odd_frames import IN_DOUBT, ODD

DOCS = ROOT / "docs"
#: Pages whose examples are run by tests/testing/test_pytest_plugin.py, tests/test_frameworks.py and tests/kombu.
RUN_ELSEWHERE = (
    "testing",
    "spring",
    "django",
    "fastapi",
    "flask",
    "daemons",
    "celery",
    "rabbitmq",
    "activemq",
    "artemis",
)
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


def rows(name: str) -> list[list[str]]:
    """The cells of all tables of a page."""
    lines = [line for line in text_of(name).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


# ------------------------------------------------------------------------------------- pages that run


@pytest.fixture
def addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A broker, a broker with TLS, and the certificates that the pages use."""
    ca = trustme.CA()
    server, client = ca.issue_cert("localhost"), ca.issue_cert("client@example.com")
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    for blob in client.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "client.pem"), append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    monkeypatch.chdir(tmp_path)
    users = {"admin": "password"}
    with (
        Broker(listen=["stomp://127.0.0.1:0", "ws://127.0.0.1:0/ws"], users=users) as plain,
        Broker(
            listen=["stomp+ssl://localhost:0", "wss://localhost:0/ws"], users=users, ssl_context=context
        ) as tls,
        ScriptedServer(HttpProxy(login=("me", "secret"))) as proxy,
        ScriptedServer(Socks5Proxy()) as socks,
    ):
        yield {
            '"localhost", 61613': f'"{plain.host}", {plain.port}',
            '"broker.example.com", 61612': f'"localhost", {tls.port}',
            "stomp://admin:password@localhost:61613": f"stomp://admin:password@{plain.host}:{plain.port}",
            "stomp://admin:password@broker.example.com": f"stomp://admin:password@{plain.host}:{plain.port}",
            "proxy.example.com:3128": f"127.0.0.1:{proxy.port}",
            "proxy.example.com:1080": f"127.0.0.1:{socks.port}",
            "stomp+ssl://admin:password@broker.example.com": f"stomp+ssl://admin:password@localhost:{tls.port}",
            "ws://admin:password@broker.example.com:15674/ws": plain.urls[1].replace(
                "://", "://admin:password@"
            ),
            "wss://admin:password@broker.example.com:15673/ws": tls.urls[1].replace(
                "://", "://admin:password@"
            ),
            '"broker.example.com", 15674': f'"{plain.host}", {parse(plain.urls[1]).addresses[0].port}',
            '"broker.example.com", 15673': f'"localhost", {parse(tls.urls[1]).addresses[0].port}',
        }


@pytest.fixture
def log_levels() -> Iterator[None]:
    """Restore the levels and handlers that a page sets, for the tests that follow."""
    loggers = [logging.getLogger(name) for name in (None, "stomp.py", "stomp.client")]
    before = [(logger, logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    yield
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


@pytest.mark.usefixtures("log_levels")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "python") and page.stem not in RUN_ELSEWHERE],
    ids=lambda page: str(page.relative_to(DOCS)),
)
def test_examples_of_a_page_run(
    page: Path, addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with group_of_our_own(monkeypatch) if page.stem == "multicast" else nullcontext():
        run_page(page, addresses, monkeypatch)


def test_documentation_has_pages_that_run() -> None:
    assert sum(len(blocks(page, "python")) for page in PAGES) > 15


def test_each_name_in_the_programs_of_a_page_is_defined(tmp_path: Path) -> None:
    """Some pages run only where a real broker or a framework is."""
    for page in PAGES:
        if programs := [text for _, text in blocks(page, "python")]:
            name = "_".join(page.relative_to(DOCS).with_suffix(".py").parts)
            (tmp_path / name).write_text("\n".join(programs))
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--quiet", "--select", "F821"]
    done = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------------------------------- tables and pictures


def test_the_page_on_logging_has_all_loggers() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r"""getLogger\(["']([^"']+)["']\)""", source))
    table = {cells[0].strip("`") for cells in rows("howto/logging.md") if cells[0].startswith("`stomp")}
    assert used == table
    number = {3: "three", 4: "four", 5: "five"}[len(used)]
    assert f"There are {number} loggers" in text_of("howto/logging.md")


def test_the_pictures_are_current() -> None:
    """Run scripts/diagrams after a change of the table of states."""
    made = runpy.run_path(str(ROOT / "scripts" / "diagrams"))
    for name, text in made["pictures"]().items():
        assert (made["IMAGES"] / name).read_text() == text, name


@pytest.mark.parametrize("role", Role)
def test_the_picture_has_all_transitions_of_the_table(role: Role) -> None:
    text = (DOCS / f"images/session-{'client' if role is Role.CLIENT else 'broker'}.svg").read_text()
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    labels = [
        label for _, colon, label in (line.partition(": ") for line in diagram(role).splitlines()) if colon
    ]
    assert len(labels) == 10
    expected = {part for label in labels for part in label.split(" / ")}
    assert expected <= set(drawn)
    assert len(drawn) - 5 == sum(len(label.split(" / ")) for label in labels)


def test_every_picture_is_used_and_described() -> None:
    used: dict[str, str] = {}
    for page in PAGES:
        used |= {
            name: words
            for words, name in re.findall(r"!\[([^\]]*)\]\(\.\./images/([^)]+)\)", page.read_text())
        }
    assert used.keys() == {path.name for path in (DOCS / "images").iterdir()}
    assert all(len(words) > 20 for words in used.values())


def test_no_picture_is_made_of_characters() -> None:
    for page in PAGES:
        for kind, text in blocks(page, "text", "mermaid"):
            assert kind != "mermaid", page
            # The tree of errors is a listing, as `tree` prints it.
            assert not re.search(r"[┌┐┘]|-{3,}>|\+-{3,}\+", text), page


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    tree = blocks(DOCS / "reference/errors.md", "text")[0][1]
    assert textwrap.indent(tree.rstrip(), "    ") in (inspect.getdoc(errors) or "")
    classes = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.StompError)
    }
    assert set(re.findall(r"^[│├└─ ]*(\w+)", tree, re.MULTILINE)) == classes


def test_the_names_of_stomp_py_are_listed() -> None:
    for name in stomp.exception.__all__:
        kind = getattr(stomp.exception, name)
        [row] = [cells for cells in rows("reference/errors.md") if cells[0] == f"`{name}`"]
        assert row[1] == f"`{kind.__name__}`" or kind.__module__ == "stomp.exception"


def test_the_limits_are_those_of_the_code() -> None:
    table = {cells[0]: cells[2:] for cells in rows("reference/limits.md")}
    for name, value in dataclasses.asdict(Limits()).items():
        assert table[f"`{name}`"] == [str(value), str(getattr(LIMITS, name))]


def test_the_table_of_broken_rules_has_all_odd_frames_and_what_happens_to_them() -> None:
    documented = [cells for cells in rows("reference/leniency.md") if len(cells) == 5][1:]
    assert [cells[0] for cells in documented] == [*(odd.name for odd in ODD), *IN_DOUBT]
    for name, _, end, client, strict in documented:
        assert end.startswith("in doubt" if name in IN_DOUBT else "certain")
        assert client.startswith("delivered") or name in IN_DOUBT
        legal = [odd.legal for odd in ODD if odd.name == name]
        assert strict.startswith("delivered") is (legal == [True])


def test_every_value_of_lenient_is_explained() -> None:
    documented = [cells for cells in rows("reference/leniency.md") if len(cells) == 3][1:]
    values: list[Lenient] = [True, False, "trim"]
    assert [cells[0] for cells in documented] == ["`True`", "`False`", '`"trim"`']
    assert [cells[1] for cells in documented] == [f"`{Leniency.of(value).value}`" for value in values]


def test_the_times_are_those_of_the_code() -> None:
    table = text_of("reference/limits.md")
    options = Options()
    assert f"`timeout=` of the connection, {options.connect_timeout:g} seconds" in table
    assert f"| `send`, when the broker does not read | {options.send_timeout:g} seconds |" in table
    assert f"| the receipt of DISCONNECT | {options.disconnect_timeout:g} seconds |" in table
    assert f"`reconnect_attempts_max=`, {options.attempts}" in table


def test_every_callback_is_explained() -> None:
    documented = {cells[0].split("(")[0].strip("`") for cells in rows("reference/listeners.md")}
    methods = {name for name in vars(stomp.ConnectionListener) if name.startswith("on_")}
    assert methods == {name for name in documented if name.startswith("on_")}


def test_every_setting_of_the_clients_is_explained() -> None:
    documented = {
        cells[0].strip("`"): cells[1:3] for cells in rows("reference/clients.md") if len(cells) == 4
    }
    parameters = inspect.signature(stomp.Client).parameters
    assert documented.keys() - {"setting", "---"} == parameters.keys()
    in_urls = {name for name, (in_url, _) in documented.items() if in_url == "yes"}
    in_urls |= set(re.findall(r"`(\w+)`", documented["limits"][0]))
    assert in_urls | {"verify", "ca_certs", "cert_file", "key_file"} == set(config._QUERY)
    terms = ClientConfig()
    for name, (_, default) in documented.items():
        value = getattr(terms, name, None)
        if default.startswith("`") and isinstance(value, bool | int | float) and name != "connect_timeout":
            assert default == f"`{value:g}`" if isinstance(value, float) else f"`{value}`", name


def test_every_option_of_sends_and_subscriptions_is_explained() -> None:
    page = text_of("reference/clients.md")
    for options, title in ((SendOptions, "send"), (SubscribeOptions, "subscription")):
        section = page.partition(f"## Options of a {title}")[2].partition("\n## ")[0]
        documented = {
            name for line in section.splitlines() for name in re.findall(r"`(\w+)`", line.partition("| ")[2])
        }
        assert set(options.__annotations__) <= documented


def test_every_verb_of_the_clients_is_explained() -> None:
    page = text_of("reference/clients.md")
    for name in dir(stomp.Client):
        if not name.startswith("_"):
            assert re.search(rf"`(?:Client\.)?{name}\b", page), name


def test_every_option_of_the_broker_is_explained() -> None:
    documented = {}
    for cells in rows("reference/broker-command.md"):
        if option := re.search("`(--[-a-z]+)", cells[0]):
            documented[option[1]] = cells
    actions = {
        name: action
        for action in registry.BY_NAME["broker"].parser().actions
        for name in action.option_strings
        if name.startswith("--")
    }
    assert documented.keys() == actions.keys()
    for name, action in actions.items():
        cell, _, default = documented[name]
        assert all(f"`{short}`" in cell for short in action.option_strings if not short.startswith("--"))
        assert action.metavar is None or f"`{name} {action.metavar}`" in cell
        if action.default not in (None, 0, [], argparse.SUPPRESS):
            value = action.default
            assert default == (",".join(map(str, value)) if isinstance(value, tuple) else str(value))


# ------------------------------------------------------------------------------------- how-to pages


HOWTO = [page for page in PAGES if page.parent.name == "howto" and page.stem != "index"]


def test_every_guide_says_which_api_it_is_for() -> None:
    for page in HOWTO:
        assert re.match(r"# [^\n]+\n\n\*\*For\*\* [^\n]+\.\n\n", page.read_text()), page.stem


def test_every_guide_is_in_one_group() -> None:
    listed = [line for _, body in TOCTREES for line in body.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(page.stem for page in HOWTO)


TOCTREES = re.findall(r"```\{toctree\}\n:caption: ([^\n]+)\n(.*?)```", text_of("howto/index.md"), re.DOTALL)


def test_each_guide_has_queues_of_its_own() -> None:
    """So that all pages can be followed on one broker."""
    # Their brokers are of their own.
    own_broker = {"embedded-broker", "testing", "dialects"}
    users: dict[str, set[str]] = {}
    for page in [*HOWTO, DOCS / "tutorial/client.md", DOCS / "tutorial/quickstart.md"]:
        if page.stem in own_broker:
            continue
        for _, text in blocks(page, "python", "sh", "text"):
            for name in re.findall(r"/queue/[\w.-]+", text):
                users.setdefault(name, set()).add(page.stem)
    shared = {name: pages for name, pages in users.items() if len(pages) > 1 and "DLQ" not in name}
    assert shared == {}


# ------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+\.md)[^)]*\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_troubleshooting_has_every_error_and_no_text_that_does_not_exist() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    # The last part is a text of the operating system.
    foreign = {"cannot connect to HOST:PORT: connection refused"}
    spans = {
        span
        for first, *_ in rows("howto/troubleshooting.md")
        for span in re.findall(r"`([^`]+)`", first)
        if span not in foreign
    }
    names = {span for span in spans if span in vars(errors)}
    leaves = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.StompError)
    }
    assert leaves - names == {"StompError", "NotConnected", "ConnectionLost", "ConnectFailed"}
    assert [text for text in spans - names if text not in source] == []


def test_the_table_of_brokers_is_current() -> None:
    """Run scripts/broker-table after a change of the broker profiles."""
    script = ROOT / "scripts" / "broker-table"
    made = runpy.run_path(str(script))
    assert made["PAGE"].read_text() == made["page"]()


def test_the_compose_file_is_yaml_with_different_ports() -> None:
    yaml = pytest.importorskip("yaml")
    [(_, text)] = blocks(DOCS / "brokers/docker.md", "yaml")
    file = yaml.safe_load(text)
    assert file["services"].keys() == {"rabbitmq", "activemq", "artemis"}
    ports = [port.partition(":")[0] for service in file["services"].values() for port in service["ports"]]
    assert len(ports) == len(set(ports))
    sources = {config["source"] for config in file["services"]["rabbitmq"]["configs"]}
    assert sources == file["configs"].keys()
