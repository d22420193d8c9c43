"""How quick `dmft explore` is in a browser: python -m bench.explorer [--events 10000].

Prints the time to the first picture, from a slider's event to the painted picture under 200 events a second (one
browser, then two at once), and the memory of the server. Needs the extra [test] and Chromium with its driver.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Before the page's own scripts: note when the first diagram is painted.
FIRST = """
const begun = setInterval(() => {
  const doc = window.Bokeh?.documents?.[0]
  const image = doc && [...doc._all_models.values()].find(model => model.data && "image" in Object.fromEntries(
    model.data instanceof Map ? model.data : Object.entries(model.data)))
  if (!image || image.get_length() < 1) return
  clearInterval(begun)
  requestAnimationFrame(() => setTimeout(() => { window.first_picture = performance.now() }))
}, 2)
"""
# Moves the slider of beta back and forth, `rate` events a second; notes how old each painted picture is.
MOVE = """
const [n, rate, done] = arguments
const models = [...Bokeh.documents[0]._all_models.values()]
const slider = models.find(model => model.type == "Slider" && model.title.startsWith("beta"))
const cursor = models.find(model => model.type == "Span" && model.line_dash.length)
const answer = models.find(model => model.name == "answer")
const at = new Map(), ages = [], begun = performance.now()
let i = 0
const painted = () => {
  const since = at.get(cursor.location)
  if (since !== undefined) { ages.push(performance.now() - since); at.delete(cursor.location) }
}
answer.properties.data.change.connect(painted)
const step = setInterval(() => {
  // Events that the timer was late for are made up for, so that their rate is what is asked for.
  while (i < n && i <= (performance.now() - begun) * rate / 1000) {
    const value = 1 + Math.abs(((i % 1000) - 500) / 1000) + i * 1e-7
    at.set(value, performance.now())
    slider.value = value
    i++
  }
  if (i < n) return
  clearInterval(step)
  const last = slider.value, stopped = performance.now()
  const wait = setInterval(() => {
    if (at.has(last) && performance.now() - stopped < 20000) return
    clearInterval(wait)
    answer.properties.data.change.disconnect(painted)
    done({ages, rate: n / (stopped - begun) * 1000, after: performance.now() - stopped})
  }, 1)
}, 1)
"""


def browser():
    """Return a headless Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(argument)
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    made.set_script_timeout(300)
    made.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FIRST})
    return made


def open_page(driver, address):
    """Open a page; return the milliseconds to its first picture."""
    driver.get(address)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if first := driver.execute_script("return window.first_picture"):
            return first
        time.sleep(0.05)
    raise TimeoutError("no picture after 30 s")


def move(driver, n, rate=200):
    """Move the slider; return what `MOVE` found."""
    return driver.execute_async_script(MOVE, n, rate)


def memory(pid):
    """Return the resident memory of a process, in MB."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith("VmRSS"))


def n_threads(pid):
    """Return how many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def told(name, found):
    """Print one row of the report."""
    ages = sorted(found["ages"])
    high = ages[int(0.95 * (len(ages) - 1))]
    print(
        f"{name:34} {found['rate']:5.0f} events/s, {len(ages):5d} pictures: median {statistics.median(ages):4.0f} ms, "
        f"95 % {high:4.0f} ms, most {ages[-1]:4.0f} ms; {found['after']:4.0f} ms after the last event",
        flush=True,
    )


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    options = parser.parse_args(argv)
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        sys.exit("chromium and chromedriver are missing: apt-get install chromium chromium-driver")
    command = [sys.executable, "-m", "dmft", "explore", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        drivers = []
        try:
            address = server.stdout.readline().split()[-1]
            drivers.append(browser())
            firsts = [open_page(drivers[0], address) for _ in range(3)]
            print("first picture after", ", ".join(f"{first:.0f}" for first in firsts), "ms")
            time.sleep(1)
            print(f"memory of the server {memory(server.pid):.0f} MB")
            told("one event at a time", move(drivers[0], 40, 4))
            told("slider moving", move(drivers[0], 1_000))
            print(f"memory {memory(server.pid):.0f} MB")
            told(f"{options.events} events", move(drivers[0], options.events))
            print(f"memory {memory(server.pid):.0f} MB")
            drivers.append(browser())
            open_page(drivers[1], address)
            begin = "window.moved = null; (function() {" + MOVE + "})(1000, 200, found => { window.moved = found })"
            for driver in drivers:
                driver.execute_script(begin)
            for i, driver in enumerate(drivers):
                while not (found := driver.execute_script("return window.moved")):
                    time.sleep(0.1)
                told(f"two browsers at once, number {i + 1}", found)
            print(f"memory {memory(server.pid):.0f} MB, {n_threads(server.pid)} threads")
            drivers.pop().quit()
            time.sleep(15)
            print(f"one browser closed: memory {memory(server.pid):.0f} MB, {n_threads(server.pid)} threads")
        finally:
            for driver in drivers:
                driver.quit()
            server.terminate()


if __name__ == "__main__":
    main()
