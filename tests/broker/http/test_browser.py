"""The page in Chromium: every control, by mouse and by keyboard, while programs use the broker.

``STOMP_PICTURES=docs/howto`` has the first test write the pictures of docs/howto/broker-page.md there.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stomp.broker import Broker, Permissions
from tests.broker.http.chromium import DESKTOP, MARKS, PHONE, Keys, Tab, chromium, controls_of_the_page, until
from tests.broker.http.conftest import monitor_of, page_of, server_of
from tests.broker.http.traffic import Traffic, missing
from tests.broker.rawclient import RawClient

pytestmark = MARKS
PICTURES = ("broker-page", "broker-page-message", "broker-page-dark", "broker-page-phone")
FOREIGN = ("stompjs", "go-stomp")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    with chromium(downloads=tmp_path) as found:
        yield found


class Visit:
    """One visit of the page that uses every control.

    Args:
        tab: the browser.
        broker: the broker of the page, with the users "guest" and "admin".
        url: the address of the page.
        folder: where downloads go.
    """

    def __init__(self, tab: Tab, broker: Broker, url: str, folder: Path) -> None:
        self.tab = tab
        self.broker = broker
        self.url = url
        self.folder = folder
        self.known = controls_of_the_page()

    def check_controls(self) -> None:
        """Every control that is shown has a name that the source of the page has."""
        shown = self.tab.shown_controls()
        assert shown - {""} <= self.known, shown - self.known

    def view(self, name: str) -> None:
        self.tab.click(f'nav [data-view="{name}"]')
        self.check_controls()

    def depth(self, name: str, number: int) -> None:
        until(lambda: self.broker.depth(name) == number)

    # ------------------------------------------------------------------------------------- the parts

    def log_in(self) -> None:
        tab = self.tab
        tab.open(self.url)
        tab.has("#live", "login needed")
        self.check_controls()
        tab.type("#login-user", "admin")
        tab.type("#login-password", "wrong")
        tab.click("#login-go")
        tab.has("#notice", "the user or the password is wrong")
        tab.click("#notice-close")
        until(lambda: not tab.find("#notice"))
        tab.type("#login-password", "secret")
        tab.press(Keys.ENTER)
        tab.has("#live", "live")
        tab.has("#user", "admin")

    def header(self) -> None:
        tab = self.tab
        tab.click("#copy-url")
        until(lambda: tab.clipboard() == self.broker.url)
        for theme in ("light", "dark", "auto"):
            tab.click("#theme")
            tab.has("#theme", theme)
        tab.has("#count-connections", str(len(self.broker.connections)))

    def destinations(self) -> None:
        tab = self.tab
        tab.has("#destinations", "/queue/orders")
        until(lambda: tab.find("#destinations .plot .line.in"))
        for key in ("depth", "consumers", "received", "delivered", "name"):
            tab.click(f"#sort-{key}")
            until(lambda: tab.find(f'th[aria-sort] [data-sort="{key}"]'))  # noqa: B023
        self.check_controls()
        tab.type("#match", "archive")
        until(lambda: "/queue/orders" not in tab.text("#destinations"))
        tab.row("/queue/archive", '[data-action="pause"]')
        tab.has("#destinations", "paused")
        tab.has("#count-faults", "1 on")
        tab.row("/queue/archive", '[data-action="pause"]')
        until(lambda: "paused" not in tab.text("#destinations"))
        tab.type("#match", "")
        tab.has("#destinations", "/queue/orders")
        for number in range(150):
            self.broker.put(f"/queue/many.{number:03}", "x")
        tab.click("#destinations-after")
        tab.has("#destination-range", "101 to ")
        tab.click("#destinations-before")
        tab.has("#destination-range", "1 to 100 of ")
        for number in range(150):
            self.broker.purge(f"/queue/many.{number:03}")
        tab.click("#new-message")
        tab.has("#view-send", "Template")
        self.view("destinations")

    def messages(self) -> None:
        tab = self.tab
        tab.type("#match", "archive")
        tab.row("/queue/archive", '[data-action="open"]')
        tab.has("#message-count", "1 to 50 of 60")
        self.check_controls()
        tab.click("#after")
        tab.has("#message-count", "51 to 60 of 60")
        tab.click("#before")
        tab.has("#message-count", "1 to 50 of 60")
        tab.select("#order", "newest")
        tab.has("#messages li", "number 59")
        tab.select("#order", "oldest")
        tab.has("#messages li", "number 0")
        tab.type("#message-text", "number 3")
        tab.has("#message-count", "1 to 11 of 11")
        tab.type("#message-text", "no such text")
        tab.has("#no-messages", "No message has this text.")
        tab.type("#message-text", "")
        tab.has("#message-count", "1 to 50 of 60")
        tab.click("#messages li", "number 3")
        tab.has("#detail pre", '"text": "number 3"')
        tab.has("#detail pre", "12345678901234567890.10")  # as it was sent
        for form, text in (("text", '"text":"number 3"'), ("hex", "7b 22"), ("JSON", '  "text"')):
            tab.click(f'#detail [data-action="form"][data-of="{form}"]')
            tab.has("#detail pre", text)
        tab.click('#detail [data-action="download"]')
        until(lambda: b"number 3" in b"".join(each.read_bytes() for each in self.folder.glob("message-*")))
        tab.click('#detail [data-action="copy"]')
        until(lambda: tab.clipboard().startswith("stomp send"))
        self.run_command(tab.clipboard())
        self.depth("/queue/archive", 61)
        tab.click('#detail [data-action="delete"]')
        self.depth("/queue/archive", 60)
        tab.click('#detail [data-action="move"]')
        tab.answer(None)
        tab.click('#detail [data-action="move"]')
        tab.answer("/queue/moved")
        self.depth("/queue/moved", 1)
        tab.click("#move-all")
        tab.answer("/queue/moved")
        self.depth("/queue/moved", 60)
        tab.has("#no-messages", "No messages wait here.")
        tab.click("#pause")
        tab.has("#pause", "Resume")
        tab.click("#pause")
        tab.has("#pause", "Pause")
        tab.click("#back")
        tab.type("#match", "moved")
        tab.row("/queue/moved", '[data-action="open"]')
        tab.has("#message-count", "1 to 50 of 60")
        tab.click("#purge")
        tab.answer("")
        self.depth("/queue/moved", 0)
        tab.click("#back")
        tab.type("#match", "")

    def run_command(self, command: str) -> None:
        """Run a command that the page has copied."""
        where = self.broker.url.replace("://", "://guest:secret@")
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"STOMP_URL": where, "PATH": path}
        done = subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (command, done.stderr)

    def dead_letters(self) -> None:
        tab = self.tab
        for number in range(3):
            self.broker.put(
                "/queue/DLQ", f"dead {number}", {"original-destination": "/queue/again", "reason": "refused"}
            )
        tab.has("#total-dead", "3")
        tab.click("#open-dead")
        tab.has("#messages", "dead 2")
        tab.click('#detail [data-action="retry"]')
        self.depth("/queue/again", 1)
        tab.click("#retry-all")
        self.depth("/queue/again", 3)
        self.depth("/queue/DLQ", 0)

    def send(self) -> None:
        tab = self.tab
        tab.click("#send-here")
        until(lambda: tab.find("#detail #send"))  # the form is beside the messages
        tab.type("#send-destination", "/queue/sent")
        tab.type("#send-headers", "no header")
        tab.click("#send-go")
        tab.has("#notice", 'A header is written NAME:VALUE, not "no header"')
        tab.type("#send-headers", "colour: red\nprice: 1:2")
        tab.type("#send-body", "it's\n$(a) `body`")
        tab.click("#send-go")
        (message,) = self.broker.wait_for("/queue/sent")
        assert message.body.decode() == "it's\n$(a) `body`"
        assert (message.headers["colour"], message.headers["price"]) == ("red", "1:2")
        tab.click("#send-copy")
        until(lambda: "colour" in tab.clipboard())
        self.run_command(tab.clipboard())
        first, second = self.broker.wait_for("/queue/sent", 2)
        assert (first.body, first.headers["price"]) == (second.body, second.headers["price"])
        self.view("send")
        tab.click("#save-template")
        tab.answer("my own")
        tab.select("#template", "JSON")
        until(
            lambda: "application/json" in tab.script("return document.getElementById('send-headers').value")
        )
        tab.select("#template", "my own")
        until(lambda: "colour" in tab.script("return document.getElementById('send-headers').value"))
        tab.click("#delete-template")
        until(lambda: "my own" not in tab.text("#template"))
        self.view("destinations")
        tab.type("#match", "sent")
        tab.row("/queue/sent", '[data-action="open"]')
        tab.click("#messages li", "it's")
        tab.click('#detail [data-action="send-again"]')
        tab.type("#send-body", "again")
        tab.press_control(Keys.ENTER)
        self.depth("/queue/sent", 3)
        tab.press(Keys.ESCAPE, Keys.ESCAPE)
        tab.has("#detail", "Copy as command")
        tab.press(Keys.ESCAPE)
        tab.type("#match", "")

    def connections(self, client: RawClient) -> None:
        tab = self.tab
        client.send("SUBSCRIBE", id="own", destination="/queue/stalled", ack="client", prefetch_count="5")
        client.sync()
        (number,) = (each.number for each in self.broker.connections if each.client_name == "visitor/1")
        self.view("connections")
        tab.has("#connections", "visitor/1")
        own, subscription = f'tr[data-key="{number}"]', f'tr[data-key="{number} own"]'
        tab.click(f'{subscription} [data-action="stall"]')
        until(lambda: any(each.stalled for each in self.broker.subscriptions()))
        tab.has("#connections", "stalled")
        tab.click(f'{subscription} [data-action="destination"]')
        tab.has("#consumers", "visitor/1")
        self.view("faults")
        tab.click('#stalled [data-action="continue"]')
        until(lambda: not any(each.stalled for each in self.broker.subscriptions()))
        self.view("connections")
        tab.click(f'{own} [data-action="frames"]')
        tab.has("#frames", "/queue/stalled")
        until(lambda: tab.text("#frames li").count("\n") >= 2)
        assert tab.script("return document.getElementById('frame-connection').value") == str(number)
        self.view("connections")
        tab.click(f'{own} [data-action="drop"]')
        client.expect_end()

    def frames(self) -> None:
        tab = self.tab
        self.view("frames")
        tab.type("#frame-connection", "999999")
        tab.has("#no-frames", "No frames yet")
        tab.type("#frame-connection", "")
        tab.has("#frames", "/queue/orders")
        tab.select("#frame-commands", "ACK,NACK")
        until(lambda: "SEND" not in tab.text("#frames") and "ACK" in tab.text("#frames"))
        tab.select("#frame-commands", "")
        tab.type("#frame-destination", "invoices")
        until(lambda: "orders" not in tab.text("#frames") and "invoices" in tab.text("#frames"))
        tab.type("#frame-text", "no such text")
        until(lambda: tab.text("#frames") == "")
        for field in ("#frame-destination", "#frame-text"):
            tab.type(field, "")
        tab.has("#frames", "SEND")
        tab.click("#frame-pause")
        tab.has("#frame-missed", "held")
        first = tab.script("return document.querySelector('#frames li').dataset.key")
        tab.click("#frame-pause")
        until(lambda: int(tab.script("return document.querySelector('#frames li').dataset.key")) > int(first))
        keys = tab.script(
            "return [...document.querySelectorAll('#frames li')].map((each) => Number(each.dataset.key))"
        )
        assert keys == sorted(keys, reverse=True)
        tab.click("#frame-pause")
        tab.click('#frames [data-action="frame"]', "SEND")
        tab.has("#frames dl", "destination")
        self.check_controls()
        tab.click("#frame-clear")
        until(lambda: tab.text("#frames") == "")
        tab.click("#frame-pause")
        tab.has("#frames", "SEND")

    def faults(self) -> None:
        tab, faults = self.tab, server_of(self.broker).faults
        self.view("faults")
        tab.click("#fault-logins")
        tab.has("#fault-logins", "Accept again")
        with RawClient(self.broker) as client:
            client.send("CONNECT", accept_version="1.2", login="guest", passcode="secret")
            client.expect("ERROR")
        tab.click("#fault-logins")
        tab.has("#fault-logins", "Refuse")
        tab.type("#fault-count", "2")
        tab.type("#fault-destination", "/queue/faulty")
        tab.click("#fault-send-go")
        tab.has("#errors-on", "2 left to /queue/faulty")
        tab.type("#fault-seconds", "0.2")
        tab.click("#fault-delay-go")
        until(lambda: faults.delay == 0.2)
        self.broker.put("/queue/held", "x")
        self.view("destinations")
        tab.type("#match", "held")
        tab.row("/queue/held", '[data-action="pause"]')
        tab.type("#match", "")
        self.view("faults")
        tab.click('#paused [data-action="resume"]')
        until(lambda: not server_of(self.broker).engine.state.paused)
        tab.has("#count-faults", "2 on")
        tab.click("#faults-off")
        until(lambda: not tab.text("#count-faults"))
        assert (faults.delay, faults.errors_on_send, faults.refuse_logins) == (0, 0, False)

    def keyboard(self) -> None:
        tab = self.tab
        tab.press("c")
        until(lambda: tab.find("#view-connections"))
        tab.press("d", "/")
        tab.press(*"orders")
        until(lambda: tab.text("#destinations").count("/queue/") == 1)
        tab.press(Keys.ESCAPE, Keys.ARROW_DOWN, Keys.ENTER)
        tab.has("#messages-name", "/queue/orders")
        tab.press("n")
        until(lambda: tab.find("#detail #send"))
        tab.press(Keys.ESCAPE, Keys.ESCAPE, Keys.ESCAPE)
        until(lambda: tab.find("#destinations"))
        tab.type("#match", "")
        tab.press(Keys.ESCAPE, "f")
        tab.press("p")
        tab.has("#frame-pause", "Continue")
        tab.press("p", "/")
        until(lambda: tab.script("return document.activeElement.id") == "frame-text")
        tab.press(Keys.ESCAPE, "s")
        until(lambda: tab.find("#view-send"))
        tab.press("a")
        until(lambda: tab.find("#view-faults"))
        tab.press("d")

    def tidy(self) -> None:
        """Remove what a picture should not show, and add what it should."""

        async def forget() -> None:
            monitor = monitor_of(self.broker)
            for name in set(monitor.counters) - kept:
                monitor._active.pop(name, None)
                del monitor.counters[name]

        kept = {"/queue/orders", "/queue/invoices", "/topic/prices.eur", "/topic/prices.*", "/queue/DLQ"}
        for name in set(self.broker.destinations()) - kept:
            self.broker.purge(name)
        loop = self.broker._loop
        assert loop is not None
        asyncio.run_coroutine_threadsafe(forget(), loop).result(20)
        for number in range(1, 13):
            order = {
                "id": 7_000_000_000_000_000_000 + number,
                "customer": "Ada",
                "lines": [{"sku": "A-7", "count": 2}],
            }
            headers = {"content-type": "application/json", "priority": str(number % 10), "tenant": "north"}
            self.broker.put(
                "/queue/orders.archive", json.dumps({**order, "paid": True, "note": None}), headers
            )
        for number in range(2):
            self.broker.put("/queue/DLQ", f"order {number}", {"original-destination": "/queue/orders"})

    def pictures(self, folder: Path) -> None:
        tab = self.tab
        self.tidy()
        tab.press(Keys.ESCAPE, "d")
        tab.script("document.activeElement.blur()")
        tab.colours("light")
        tab.resize(DESKTOP)
        tab.has("#destinations", "/queue/orders.archive")
        tab.has("#total-dead", "2")
        tab.save_picture(folder / "broker-page.png")
        tab.row("/queue/orders.archive", '[data-action="open"]')
        tab.click("#messages li", "0002")
        tab.has("#detail pre", "0002,")
        tab.has("#messages-facts", "12 waiting")
        tab.save_picture(folder / "broker-page-message.png")
        tab.colours("dark")
        self.view("frames")
        tab.has("#frames", "/topic/prices.eur")
        tab.save_picture(folder / "broker-page-dark.png")
        tab.resize(PHONE)
        self.view("destinations")
        tab.has("#destinations", "/queue/orders")
        tab.save_picture(folder / "broker-page-phone.png")
        for name in ("connections", "frames", "send", "faults", "destinations"):
            self.view(name)
            assert tab.script("return document.documentElement.scrollWidth") == PHONE[0], name
        tab.resize(DESKTOP)

    def links_and_logout(self) -> None:
        tab = self.tab
        for link, text in (("#link-metrics", "stomp_broker_messages"), ("#link-api", "openapi")):
            tab.click(link)
            tab.has("body", text)
            tab.driver.back()
            tab.has("#live", "live")
        tab.has("#user", "admin")  # the session goes on
        tab.click("#logout")
        tab.has("#login", "Log in")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "foreign", [pytest.param((), id="python"), pytest.param(FOREIGN, id="foreign", marks=pytest.mark.foreign)]
)
def test_every_control_works_while_programs_use_the_broker(
    tab: Tab, tmp_path: Path, foreign: tuple[str, ...]
) -> None:
    if foreign and (reason := missing(foreign)):
        if set(foreign) <= set(os.environ.get("STOMP_REQUIRE_FOREIGN", "").split()):
            pytest.fail(reason)
        pytest.skip(reason)
    users: dict[str, str | None] = {"guest": "secret", "admin": "secret"}
    listen = ["stomp://127.0.0.1:0", "ws://127.0.0.1:0/ws"]
    wanted = os.environ.get("STOMP_PICTURES")
    with (
        Broker(listen=listen, users=users) as broker,
        page_of(broker) as page,
        Traffic(broker, foreign) as traffic,
        RawClient(broker) as client,
    ):
        client.connect(login="guest", passcode="secret", user_agent="visitor/1")
        for number in range(60):
            body = f'{{"text":"number {number}","exact":12345678901234567890.10,"more":[1,null,{{}}]}}'
            broker.put("/queue/archive", body, {"content-type": "application/json", "number": str(number)})
        visit = Visit(tab, broker, page.url, tmp_path)
        visit.log_in()
        visit.header()
        for name in foreign:
            wait_for_job(traffic, name, 0)
        folder = Path(wanted) if wanted else tmp_path
        visit.destinations()
        visit.messages()
        visit.dead_letters()
        visit.send()
        visit.connections(client)
        visit.frames()
        visit.faults()
        visit.keyboard()
        before = dict(traffic.done)
        for name in foreign:  # they work on, after all faults
            wait_for_job(traffic, name, before[name])
        visit.pictures(folder)
        visit.links_and_logout()
        assert tab.used() >= visit.known, f"not used: {visit.known - tab.used()}"
        noise = [each["message"] for each in tab.driver.get_log("browser")]
        assert [each for each in noise if "401" not in each] == []  # before the login
    for name in PICTURES:
        data = (folder / f"{name}.png").read_bytes()
        size = (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
        assert (data[:8], size) == (b"\x89PNG\r\n\x1a\n", PHONE if "phone" in name else DESKTOP)


def wait_for_job(traffic: Traffic, name: str, before: int) -> None:
    """Wait until a foreign client has done its job once more."""
    try:
        until(lambda: traffic.done[name] > before, 90)
    except AssertionError as error:
        raise AssertionError(f"{name} did not do its job: {traffic.problems}") from error


def test_user_with_permissions_sees_what_he_may(tab: Tab) -> None:
    users: dict[str, str | None] = {"alice": "secret"}
    limited = {"alice": Permissions(read=["/queue/a*"], write=["/queue/a"])}
    with Broker(users=users, permissions=limited) as broker, page_of(broker) as page:
        broker.put("/queue/a", "x")
        broker.put("/queue/b", "x")
        tab.open(page.url)
        tab.has("#live", "login needed")
        tab.type("#login-user", "alice")
        tab.type("#login-password", "secret")
        tab.click("#login-go")
        tab.has("#destinations", "/queue/a")
        assert "/queue/b" not in tab.text("#destinations")
        assert not tab.find('[data-action="pause"]')
        tab.click('nav [data-view="faults"]')
        tab.has("#no-faults", "This user may use some destinations only.")
        assert not tab.find("#fault-logins")
        tab.click('nav [data-view="send"]')
        tab.type("#send-destination", "/queue/b")
        tab.click("#send-go")
        tab.has("#notice", "this user may not write to '/queue/b'")
