"""The page in headless Chromium: a slider is moved, the diagram clicked, phase space turned, a file saved."""

import shutil
import subprocess
import sys
import time
import tomllib

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no Chromium here: apt-get install chromium chromium-driver brings it"
    ),
]
MODEL = "[...(window.Bokeh?.documents[0]?._all_models ?? new Map()).values()].find(model => %s)"
SLIDER, CURSOR = (
    MODEL % which
    for which in (
        "model.type == 'Slider' && model.title.startsWith('beta')",
        "model.type == 'Span' && model.line_dash.length",
    )
)

# The first element of a selector with a text, also inside of the roots that Bokeh hides.
FIND = """
const find = root => [...root.querySelectorAll("*")].flatMap(one => [
  ...(one.matches(arguments_[0]) && one.textContent.includes(arguments_[1]) ? [one] : []),
  ...(one.shadowRoot ? find(one.shadowRoot) : []),
]), arguments_ = arguments
return find(document)[0]
"""


def browser(folder, width=1400, height=1000):
    """Return a headless Chromium that saves files in a folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def until(condition, what):
    """Wait until a condition holds; return what it returned."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not seen within a minute: {what}")


def label(page):
    """Return the text of the label."""
    return page.execute_script(f"return {MODEL % 'model.name == `label`'}?.text") or ""


def value(page, of=SLIDER + ".value"):
    return page.execute_script(f"return {of}")


def view_of(page, name):
    """Return the element of a figure."""
    return page.execute_script("return [...Bokeh.index.roots].find(view => view.model.name == arguments[0]).el", name)


@pytest.fixture
def address():
    """Start the explorer; return its address."""
    command = [sys.executable, "-m", "dmft", "explore", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        assert server.wait(30) == 0
        server.stdout.close()


def test_the_page_is_turned_clicked_and_saved(address, tmp_path):
    page, other = browser(tmp_path), None
    try:
        page.get(address)
        until(lambda: "cycle of period 28" in label(page), "the first label")
        until(lambda: "Newton" in label(page), "its evidence")

        # the slider, moved by the keyboard as by a hand: many events
        handle = page.execute_script(FIND, ".noUi-handle", "")
        handle.send_keys(Keys.ARROW_RIGHT * 30)
        until(lambda: value(page) > 1.29, "the slider's new value")
        until(lambda: value(page, CURSOR + ".location") == value(page), "the cursor where the slider is")

        # the diagram
        figure = view_of(page, "diagram")
        width = figure.size["width"]
        ActionChains(page).move_to_element_with_offset(figure, int(0.05 * width), 0).click().perform()
        until(lambda: 1.3 < value(page) < 2.2, "the value that was clicked")
        here = value(page)
        until(lambda: value(page, CURSOR + ".location") == here, "the cursor where we clicked")
        until(lambda: "Newton" in label(page) or "exponent is positive" in label(page), "the verdict there")

        # phase space, turned by hand
        turned = MODEL % "model.name == 'view'" + ".data.azimuth[0]"
        before = value(page, turned)
        space = view_of(page, "space")
        ActionChains(page).move_to_element(space).click_and_hold().move_by_offset(80, 20).release().perform()
        until(lambda: value(page, turned) != before, "another view")

        # a second browser of its own
        other = browser(tmp_path)
        other.get(address)
        until(lambda: "cycle of period 28" in label(other), "the label of the other browser")
        assert value(page) == here

        # what cannot be, and back
        page.execute_script(f"{MODEL % 'model.type == `Spinner` && model.step == 0.0005'}.value = 2")
        notes = MODEL % "model.name == 'notes'"
        until(lambda: "epsilon must be in [0, 1]" in value(page, notes + ".text"), "the refusal")
        page.execute_script(f"{MODEL % 'model.type == `Spinner` && model.step == 0.0005'}.value = 0.02")
        until(lambda: not value(page, notes + ".text"), "the end of the refusal")

        # a run file
        button = page.execute_script(FIND, "button", "TOML")
        button.click()
        saved = tmp_path / "explored.toml"
        until(saved.exists, "the saved file")
        assert tomllib.loads(saved.read_text())["model"]["beta"] == pytest.approx(here)
        severe = [
            row for row in page.get_log("browser") if row["level"] == "SEVERE" and "favicon" not in row["message"]
        ]
        assert not severe
    finally:
        page.quit()
        if other is not None:
            other.quit()


def test_a_narrow_page_needs_no_sideways_scrolling(address, tmp_path):
    page = browser(tmp_path)
    try:
        how = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", how)
        page.get(address)
        until(lambda: "cycle of period 28" in label(page), "the label")
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
        figure = view_of(page, "diagram")
        assert 300 < figure.size["width"] <= 390
    finally:
        page.quit()
