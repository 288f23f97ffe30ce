"""The page in Chromium: every view, changes by its buttons, and text of clients that would be script."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from stomp.broker import Broker
from tests.broker.http.conftest import page_of
from tests.broker.rawclient import RawClient, eventually

selenium = pytest.importorskip("selenium.webdriver")

SCRIPT = "<img src=x onerror=\"document.title='attacked'\"><script>document.title='attacked'</script>"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,860",
)

pytestmark = [
    pytest.mark.slow(reason="starts a browser"),
    pytest.mark.skipif(
        (CHROMIUM is None or DRIVER is None) and os.environ.get("STOMP_REQUIRE_CHROMIUM") != "1",
        reason="chromium and chromedriver are not installed",
    ),
]


class Tab:
    """A tab of the browser."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def all(self, selector: str):
        return self.driver.find_elements("css selector", selector)

    def click(self, selector: str, text: str = "") -> None:
        """Click an element as soon as it is shown; the page may draw it anew at any time."""

        def clicked() -> bool:
            script = (
                "const found = [...document.querySelectorAll(arguments[0])]"
                ".find((each) => each.textContent.includes(arguments[1]) && each.offsetParent);"
                "if (found) found.click(); return !!found;"
            )
            return bool(self.driver.execute_script(script, selector, text))

        eventually(clicked)

    def type(self, selector: str, text: str) -> None:
        (field,) = self.all(selector)
        field.clear()
        field.send_keys(text)

    def text(self, selector: str) -> str:
        return str(
            self.driver.execute_script("return document.querySelector(arguments[0]).innerText", selector)
        )


@pytest.fixture
def tab() -> Iterator[Tab]:
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for each in OPTIONS:
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
    try:
        yield Tab(driver)
    finally:
        driver.quit()


def test_page_shows_and_changes_what_the_broker_has(broker: Broker, tab: Tab) -> None:
    with page_of(broker) as page, RawClient(broker) as client:
        client.connect(login=SCRIPT, user_agent=SCRIPT)
        client.send("SUBSCRIBE", id=SCRIPT, destination="/queue/taken", ack="client")
        client.sync()
        broker.put("/queue/" + SCRIPT, SCRIPT, {SCRIPT: SCRIPT})
        broker.put("/queue/json", '{"a": "<b>"}')
        tab.driver.get(page.url)
        eventually(lambda: SCRIPT in tab.text("#destinations"))
        tab.click("#destinations button", SCRIPT)
        eventually(lambda: tab.text("#messages").count(SCRIPT) >= 3)
        tab.click("#messages button", "Delete")
        eventually(lambda: broker.depth("/queue/" + SCRIPT) == 0)
        tab.click("nav button", "Connections")
        eventually(lambda: tab.text("#connections").count(SCRIPT) >= 3)
        tab.click("#connections button", "Stall")
        eventually(lambda: broker.subscriptions()[0].stalled)
        tab.click("nav button", "Send")
        tab.type("#send-destination", "/queue/sent")
        tab.type("#send-headers", "colour: red")
        tab.type("#send-body", SCRIPT)
        tab.click("#send button", "Send")
        (message,) = broker.wait_for("/queue/sent")
        assert (message.body.decode(), message.headers["colour"]) == (SCRIPT, "red")
        tab.click("nav button", "Frames")
        client.send("SEND", SCRIPT, destination="/queue/sent")
        eventually(lambda: SCRIPT in tab.text("#frames"))
        tab.click("nav button", "Faults")
        tab.click("#fault-logins")
        eventually(lambda: tab.text("#fault-logins") == "Accept again")
        tab.click("nav button", "Connections")
        tab.click("#connections button", "Drop")
        client.expect_end()
        assert tab.driver.title == "stomp broker"
        assert tab.driver.get_log("browser") == []


def test_login_form_opens_a_session(tab: Tab) -> None:
    with Broker(users={"admin": "secret"}) as broker, page_of(broker) as page:
        broker.put("/queue/a", "x")
        tab.driver.get(page.url)
        eventually(lambda: tab.all("#login-user")[0].is_displayed())
        tab.type("#login-user", "admin")
        tab.type("#login-password", "secret")
        tab.click("#login button")
        eventually(lambda: "/queue/a" in tab.text("#destinations"))
        tab.click("#logout")
        eventually(lambda: tab.all("#login-user")[0].is_displayed())
