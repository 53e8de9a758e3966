"""How long a visitor waits: ``python tests/page_timing.py`` drives the real page, on the shipped weights, in Chromium.

Prints, over ten PARM runs of 8 paths and 18 steps with the models loaded, the seconds from the click on Run to the
first grid of the new run on the screen, and to the crown. Both are read by the browser's own clock.
"""

from __future__ import annotations

import os
from statistics import median

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from playwright.sync_api import sync_playwright
from test_page import ARGUMENTS, CHROMIUM, DESKTOP

from cotdemo.ui.page import build_demo, launch_options

RUNS = 10
WATCH = """
() => new Promise((done) => {
  const viewer = document.querySelector(".cot");
  const before = viewer.querySelector(".cot-settings").textContent;
  const clicked = performance.now();
  let first = null;
  const look = () => {
    const fresh = viewer.querySelector(".cot-settings").textContent !== before;
    if (fresh && first === null && viewer.querySelector('td[data-state="decoded"]')) first = performance.now();
    if (first !== null && viewer.dataset.phase === "finished") done([first - clicked, performance.now() - clicked]);
    else requestAnimationFrame(look);
  };
  document.querySelector("#run").click();
  look();
})
"""


def main() -> None:
    demo = build_demo("mini")
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport=DESKTOP)
        page.set_default_timeout(120_000)
        page.goto(url)
        page.wait_for_function("document.body.innerText.includes('Run')")
        page.get_by_role("button", name="What runs here").click()
        page.wait_for_selector("text=Loaded in")
        waits = []
        for _ in range(RUNS + 1):
            page.wait_for_selector("#run:not([disabled])")
            waits.append(page.evaluate(WATCH))
        browser.close()
    demo.close()
    for name, seconds in zip(("first grid", "crown"), zip(*waits[1:])):  # the first run warms caches
        print(f"{name}: median {median(seconds) / 1000:.2f} s, slowest {max(seconds) / 1000:.2f} s, {RUNS} runs")


if __name__ == "__main__":
    main()
