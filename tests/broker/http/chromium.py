"""Chromium for tests: real clicks and keys, and a record of the controls that were used."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
errors = pytest.importorskip("selenium.common.exceptions")

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,800",
)
MARKS = [
    pytest.mark.slow(reason="starts a browser"),
    pytest.mark.skipif(
        (CHROMIUM is None or DRIVER is None) and os.environ.get("STOMP_REQUIRE_CHROMIUM") != "1",
        reason="chromium and chromedriver are not installed",
    ),
]
DESKTOP, PHONE = (1280, 800), (390, 844)

#: Notes the control of each event, by its id or its data-action.
_RECORDER = """
window.keyOf = (element) => {
  const controls = "button, input, select, textarea, a, summary, [role=option]";
  const control = element.closest ? element.closest(controls) : null;
  return control ? control.dataset.action || control.id || "without a name: " + control.outerHTML.slice(0, 80) : "";
};
for (const name of ["click", "input", "change"]) {
  document.addEventListener(name, (event) => {
    const key = keyOf(event.target);
    if (!key) return;
    const used = new Set(JSON.parse(sessionStorage.getItem("used") || "[]"));
    used.add(key);
    sessionStorage.setItem("used", JSON.stringify([...used]));
  }, true);
}
"""


#: Seconds until a condition must hold, and between two looks: each is a request to the browser, which has work to do.
_PATIENCE, _PAUSE = 30.0, 0.05


def until(condition: Callable[[], object], patience: float = _PATIENCE) -> None:
    """Wait until a condition of the browser holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(_PAUSE)


def controls_of_the_page() -> set[str]:
    """The controls in the source of the page: the ids of its HTML, and the actions of its scripts."""
    folder = files("stomp.broker.http") / "static"
    html = (folder / "index.html").read_text()
    found = set(re.findall(r'<(?:button|input|select|textarea|a)\b[^>]*? id="([^"]+)"', html))
    number = len(re.findall(r"<(?:button|input|select|textarea|a)\b", html))
    assert len(found) == number, "a control of the page has no id"
    script = (folder / "page.js").read_text()
    return found | set(re.findall(r'(?:button\(|"data-action": |dataset\.action = )"([a-z-]+)"', script))


class Tab:
    """A tab of the browser.

    Args:
        driver: the driver of the browser.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.driver.execute_script(_RECORDER)

    def script(self, text: str, *arguments: object) -> Any:
        return self.driver.execute_script(text, *arguments)

    def used(self) -> set[str]:
        """The controls that were used since `open`."""
        return set(self.script("return JSON.parse(sessionStorage.getItem('used') || '[]')"))

    def shown_controls(self) -> set[str]:
        return set(
            self.script(
                "return [...document.querySelectorAll('button, input, select, textarea, a, summary, [role=option]')]"
                ".filter((each) => each.getClientRects().length).map(keyOf)"
            )
        )

    def find(self, selector: str, text: str = "") -> Any:
        """The first shown element with this text; None if there is none."""
        return self.script(
            "return [...document.querySelectorAll(arguments[0])]"
            ".find((each) => each.textContent.includes(arguments[1]) && each.getClientRects().length)",
            selector,
            text,
        )

    def click(self, selector: str, text: str = "") -> None:
        """Click an element with the mouse, as soon as it is shown; the page may draw it anew at any time."""

        def clicked() -> bool:
            found = self.find(selector, text)
            if found is None:
                return False
            try:
                found.click()
            except (errors.StaleElementReferenceException, errors.ElementClickInterceptedException):
                return False
            return True

        until(clicked)

    def row(self, name: str, selector: str) -> None:
        """Click a control in the row of a destination."""
        self.click(f'#destinations tr[data-key="{name}"] {selector}')

    def type(self, selector: str, text: str) -> None:
        """Replace the text of a field, by keys."""
        field = self.driver.find_element("css selector", selector)
        field.send_keys(Keys.CONTROL + "a")
        field.send_keys(Keys.BACKSPACE + text)

    def select(self, selector: str, value: str) -> None:
        """Choose an option; a list that is drawn anew at the same time may lose the click."""

        def chosen() -> bool:
            self.driver.find_element("css selector", f'{selector} option[value="{value}"]').click()
            return bool(self.script("return document.querySelector(arguments[0]).value", selector) == value)

        until(chosen)

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def press_control(self, key: str) -> None:
        """Press a key together with Control."""
        actions = webdriver.ActionChains(self.driver, duration=0)
        actions.key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def text(self, selector: str) -> str:
        return str(
            self.script(
                "const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector
            )
        )

    def has(self, selector: str, text: str) -> None:
        """Wait until an element contains a text."""
        until(lambda: text in self.text(selector))

    def answer(self, text: str | None) -> None:
        """Answer the dialog: None cancels it, "" only confirms."""
        until(lambda: self.find("#ask"))
        if text:
            self.type("#ask-value", text)
        self.click("#ask-no" if text is None else "#ask-yes")
        until(lambda: not self.find("#ask"))

    def clipboard(self) -> str:
        return str(
            self.driver.execute_async_script(
                "navigator.clipboard.readText().then(arguments[0], (error) => arguments[0](String(error)))"
            )
        )

    def colours(self, scheme: str) -> None:
        """What the system prefers: "light" or "dark"."""
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )

    def resize(self, size: tuple[int, int]) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE},
        )

    def save_picture(self, path: Path) -> None:
        assert self.driver.save_screenshot(str(path))


@contextmanager
def chromium(*options: str, downloads: Path | None = None) -> Iterator[Tab]:
    """A browser with one tab."""
    chosen = webdriver.ChromeOptions()
    chosen.binary_location = CHROMIUM
    for each in (*OPTIONS, *options):
        chosen.add_argument(each)
    chosen.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=chosen, service=webdriver.ChromeService(DRIVER))
    try:
        driver.set_script_timeout(20)
        driver.set_page_load_timeout(20)
        allow = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        driver.execute_cdp_cmd("Browser.grantPermissions", allow)
        if downloads is not None:
            where = {"behavior": "allow", "downloadPath": str(downloads)}
            driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
        yield Tab(driver)
    finally:
        driver.quit()
