"""How the page feels: ``python tests/page_timing.py`` drives it, on the shipped weights, in Chromium on this machine.

Over ten PARM runs of 8 paths and 18 steps with the models loaded: seconds from the click on Run to the first grid of
the new run on the screen, and to the crown; milliseconds from the moment a step is computed to the frame that shows it;
bytes sent; seconds from Stop to the next run. Before that, how long a fresh visitor waits for the recorded run, with
nothing loaded. The browser's clock and the server's are the same here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from statistics import median, quantiles
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import by_hand  # noqa: F401  # before the package
from page_driver import ARGUMENTS, CHROMIUM, DESKTOP
from playwright.sync_api import Page, sync_playwright

from cotdemo.backends import load_backend
from cotdemo.run.events import Event, StepDecoded
from cotdemo.search import entry as searches
from cotdemo.ui.page import build_demo, launch_options
from cotdemo.ui.session import Run

RUNS = 10
WATCH = """
() => new Promise((done) => {
  const viewer = document.querySelector(".cot");
  const before = viewer.querySelector(".cot-settings").textContent;
  const clicked = performance.now();
  const shown = {};
  let first = null;
  const look = () => {
    const now = performance.now();
    const fresh = viewer.querySelector(".cot-settings").textContent !== before;
    for (const cell of fresh ? viewer.querySelectorAll('td[data-state="decoded"]') : []) {
      if (!cell.querySelector("canvas").shown) continue; // its image is being decoded
      shown[`${cell.dataset.path} ${cell.dataset.step}`] ??= performance.timeOrigin + now;
      first ??= now;
    }
    const finished = first !== null && viewer.dataset.phase === "finished";
    if (finished) done({ first: first - clicked, crown: now - clicked, shown });
    else requestAnimationFrame(look);
  };
  document.querySelector("#run").click();
  look();
})
"""
STOP = """
() => new Promise((done) => {
  const clicked = performance.now();
  document.querySelector("#stop").click();
  const look = () => {
    if (document.querySelector("#run").disabled) requestAnimationFrame(look);
    else done(performance.now() - clicked);
  };
  look();
})
"""


class Timed:
    """``cotdemo.search`` that notes when each step was computed; and when each message of a run was sent."""

    def __init__(self) -> None:
        self.computed: dict[str, float] = {}  # "path step" -> milliseconds since 1970
        self.sent: list[float] = []  # seconds
        stream = Run.stream

        def noted(run: Run, events: Iterator[Event]) -> Iterator[Any]:
            self.sent.clear()
            for message in stream(run, events):
                self.sent.append(time.perf_counter())
                yield message

        Run.stream = noted

    def perform(self, settings: Any, backend: Any, **more: Any) -> Iterator[Event]:
        self.computed.clear()
        for event in searches.perform(settings, backend, **more):
            if isinstance(event, StepDecoded):
                self.computed[f"{event.path} {event.step}"] = time.time() * 1000
            yield event


def first_paint(browser: Any) -> list[float]:
    """Seconds until a visitor with an empty cache sees the recorded run, nothing having been loaded."""
    demo = build_demo("mini")
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    waits = []
    for _ in range(5):
        page = browser.new_context(viewport=DESKTOP).new_page()
        begun = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_selector('.cot-matrix td[data-state="decoded"]')
        waits.append(time.perf_counter() - begun)
        page.context.close()
    demo.close()
    return waits


def runs(page: Page, timed: Timed) -> tuple[list[dict[str, float]], list[float], list[int], list[float], int]:
    """Of each run waits and bytes, of all steps the delays in milliseconds; messages a second; steps never drawn."""
    received = [0]
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.dataReceived", lambda data: received.__setitem__(0, received[0] + data["dataLength"]))
    waits, delays, sizes, rates, lost = [], [], [], [], 0
    for number in range(RUNS + 1):
        page.wait_for_selector("#run:not([disabled])")
        received[0] = 0
        watched = page.evaluate(WATCH)
        page.wait_for_timeout(500)
        if number:  # the first run warms caches
            waits.append(watched)
            delays += [shown - timed.computed[cell] for cell, shown in watched["shown"].items()]
            sizes.append(received[0])
            rates.append((len(timed.sent) - 1) / (timed.sent[-1] - timed.sent[0]))
            lost += len(timed.computed) - len(watched["shown"])
    return waits, delays, sizes, rates, lost


def stops(page: Page) -> list[float]:
    """Milliseconds from Stop to the moment the next run can begin, stopped at about half of the run."""
    waits = []
    for _ in range(5):
        page.wait_for_selector("#run:not([disabled])")
        page.wait_for_timeout(500)  # Gradio still tells the server that the stream before has ended
        page.click("#run")
        page.wait_for_selector("#stop:not([disabled])")
        page.wait_for_timeout(900)
        waits.append(page.evaluate(STOP))
    return waits


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        paint = first_paint(browser)
        backend, timed = load_backend("mini"), Timed()
        backend.warm_up()
        demo = build_demo("mini", lambda: backend, searches=timed)
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        page = browser.new_page(viewport=DESKTOP)
        page.set_default_timeout(120_000)
        page.goto(url)
        page.wait_for_selector(".cot-matrix td")
        if page.locator(".cot-invitation").count():
            page.get_by_role("button", name="No, thanks").click()
        waits, delays, sizes, rates, lost = runs(page, timed)
        stopped = stops(page)
        browser.close()
        demo.close()
    print(f"first paint, nothing loaded: median {median(paint):.2f} s, slowest {max(paint):.2f} s, {len(paint)} visits")
    for name, words in (("first", "first grid"), ("crown", "crown")):
        values = [wait[name] / 1000 for wait in waits]
        print(f"{words}: median {median(values):.2f} s, slowest {max(values):.2f} s, {RUNS} runs")
    late = quantiles(delays, n=20)[-1]
    print(f"from a computed step to its frame: median {median(delays):.0f} ms, p95 {late:.0f} ms, {len(delays)} steps")
    print(f"messages a second: median {median(rates):.1f}; steps that were computed and not drawn: {lost}")
    print(f"bytes of a run: median {median(sizes) / 1e6:.2f} MB, most {max(sizes) / 1e6:.2f} MB")
    print(f"from Stop to ready: median {median(stopped):.0f} ms, slowest {max(stopped):.0f} ms, {len(stopped)} runs")


if __name__ == "__main__":
    main()
