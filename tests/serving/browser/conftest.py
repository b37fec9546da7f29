"""A browser, and the page in it: Chromium or Chrome and its driver, which nothing here downloads."""

import json
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from serving.embedded.models_config import ModelSource
from serving.embedded.server import running, running_models

SECONDS = 30
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Page:
    """The page, as one who uses it sees it."""

    def __init__(self, driver: webdriver.Chrome):
        self.driver = driver

    def open(self, model_url: str) -> None:
        """Opens the page of the server of a model, as in a new tab."""
        self.base = model_url.partition("/v1/")[0]
        # Keys are kept with a page, which has to be there before they can be forgotten.
        self.driver.get(f"{self.base}/healthz")
        self.driver.execute_script("sessionStorage.clear()")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(f"{self.base}/")

    def __getitem__(self, element_id: str):
        return self.driver.find_element(By.ID, element_id)

    def all(self, selector: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return self.run(
            f"return Array.from(document.querySelectorAll({json.dumps(selector)}), each => each.textContent)"
        )

    def text_of(self, element_id: str) -> str:
        """The text of an element, seen or not."""
        return self[element_id].get_property("textContent")

    def run(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition) -> None:
        try:
            WebDriverWait(self.driver, SECONDS, poll_frequency=0.05).until(lambda _: condition())
        except TimeoutException:
            pytest.fail(f"the page has not come to it, but to {self}")

    def __str__(self) -> str:
        return f"message {self.text_of('message')!r}, translation {self.text_of('translation')!r}"

    def type(self, text: str) -> None:
        """Types a text in place of the one before."""
        self["text"].clear()
        self["text"].send_keys(text)

    def paste(self, text: str) -> None:
        """Puts a text, which may hold what no key types, in place of the one before at once."""
        script = "const box = document.getElementById('text'); box.value = JSON.parse(arguments[0]);"
        self.run(f"{script} box.dispatchEvent(new InputEvent('input'))", json.dumps(text))

    def shows(self, translation: str) -> bool:
        return self.text_of("translation") == translation and self["translation"].get_attribute("aria-busy") == "false"

    def choose_model(self, name: str) -> None:
        Select(self["model"]).select_by_visible_text(name)

    def resize(self, width: int, height: int = 800) -> None:
        settings = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)

    def prefer(self, **features: str) -> None:
        """Sets what the user's system asks for, such as `color_scheme="dark"`."""
        told = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})

    def log(self) -> list[dict]:
        """What the browser has complained of since the page was opened or this was asked."""
        return self.driver.get_log("browser")

    def requests(self) -> list[str]:
        """The URLs that were asked for since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """A browser of its own, with nothing kept from another one."""
    names = ["chromium", "chromium-browser", "google-chrome"]
    browser, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    assert browser and driver, "make test-browser needs Chromium and chromedriver in PATH"
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, Service(driver))
    yield browser
    browser.quit()


@pytest.fixture
def page(driver):
    """The page, not opened yet; that its script has not failed is looked at in the end."""
    page = Page(driver)
    page.resize(1200)
    page.prefer(color_scheme="light", reduced_motion="no-preference")
    yield page
    faults = [entry for entry in page.log() if entry["source"] != "network"]
    driver.get("about:blank")
    assert not faults


@pytest.fixture(scope="session")
def url(export, small_export):
    """The URL of the model `toy`, which has attention; its server has the model `capitals`, too."""
    sources = [ModelSource("toy", str(export)), ModelSource("capitals", str(small_export))]
    with running_models(sources) as (url, _):
        yield url


@pytest.fixture(scope="session")
def upper(small_export):
    """The URL of a model that has the signature `nbest`, and writes in capitals."""
    with running(str(small_export)) as url:
        yield url
