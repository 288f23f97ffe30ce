"""`stomp queues` and `stomp top`, against the page of a broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stomp.broker import Broker
from tests.broker.http.conftest import page_of
from tests.cli.running import Command


@pytest.fixture
def shown(broker: Broker, tmp_path: Path) -> Iterator[Command]:
    """The command, with the URL of the page of a broker in the environment."""
    with page_of(broker) as page:
        command = Command(tmp_path)
        command.environ["STOMP_PAGE_URL"] = page.url.replace("//", "//admin:password@")
        yield command


def test_queues_are_printed_as_a_table(broker: Broker, shown: Command) -> None:
    for _ in range(3):
        broker.put("/queue/orders", "x")
    broker.put("/queue/\x1b[31mred", "x")
    ended = shown.run("queues")
    assert (ended.status, ended.err) == (0, "")
    heading, *rows = (line.split() for line in ended.out.splitlines())
    assert heading[:3] == ["destination", "waiting", "unacked"]
    assert ["/queue/orders", "3"] in [row[:2] for row in rows]
    assert "\x1b" not in ended.out


def test_queues_are_printed_as_json(broker: Broker, shown: Command) -> None:
    broker.put("/queue/a", "x")
    broker.put("/queue/b", "x")
    ended = shown.run("queues", "--json", "--match", "b")
    (row,) = map(json.loads, ended.out.splitlines())
    assert (row["name"], row["depth"]) == ("/queue/b", 1)


def test_top_draws_the_table_again(broker: Broker, shown: Command) -> None:
    with shown.console("top", "--interval", "0.1") as console:
        console.wait("0 messages")
        broker.put("/queue/orders", "x")
        console.wait("/queue/orders")
        console.wait("1 messages")
        console.press("\x03")


def test_top_ends_after_a_number_of_tables(broker: Broker, shown: Command) -> None:
    ended = shown.run("top", "-n", "2", "--interval", "0.1")
    assert (ended.status, ended.out.count("0 messages")) == (0, 2)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://localhost", "--page-url is no URL of a page"),
        ("http://127.0.0.1:1", "--page-port 8161"),
    ],
)
def test_error_says_what_to_do(shown: Command, url: str, text: str) -> None:
    ended = shown.run("queues", "--page-url", url)
    assert ended.status != 0
    assert text in ended.err


def test_missing_login_is_named(shown: Command) -> None:
    url = shown.environ["STOMP_PAGE_URL"].replace("admin:password@", "")
    ended = shown.run("queues", "--page-url", url)
    assert "status 401" in ended.err
    assert "user:password@host" in ended.err
