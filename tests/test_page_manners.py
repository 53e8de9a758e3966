"""Of the whole page: widths, accessibility, nothing that shifts or moves."""

from __future__ import annotations

import pytest
from page_driver import DESKTOP, DRAWN, PHONE, TOO_WIDE, compare, open_tab, quiet, run, small, themes

IS_DARK = "document.body.classList.contains('dark')"
ZOOMED = {"width": 640, "height": 400}  # what 200% leave of a screen of 1280 x 800


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, ZOOMED], ids=["desktop", "phone", "200%"])
def test_nothing_is_wider_than_the_screen_and_the_matrix_scrolls_inside(visit, viewport):
    with visit("?__theme=dark", viewport) as page:
        assert page.evaluate(IS_DARK)
        for theme in themes(page):
            assert page.evaluate(IS_DARK) is (theme == "dark")
            open_tab(page, "Run")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"]
            if viewport is PHONE:
                assert page.locator(".cot-scroll").evaluate("box => box.scrollWidth > box.clientWidth")
            open_tab(page, "Results")
            page.wait_for_selector(DRAWN)
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            assert page.locator(".cot-results *").evaluate_all(TOO_WIDE) == []


def test_the_viewer_has_no_serious_accessibility_faults(visit):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with visit("?__theme=light") as page:
        assert not page.evaluate(IS_DARK)
        page.locator(".cot-share summary").click()
        tabs = {"#board": "Compare", "#measured": "Results", "#lesson": "Learn"}
        for part in ("#viewer", "#cot-seed", "#choice", "#gallery", "#estimate", "#share", *tabs):
            if part in tabs:
                open_tab(page, tabs[part])
            if part == "#board":
                compare(page)
            if part == "#measured":
                page.wait_for_selector(DRAWN)
            for theme in themes(page):
                assert faults(axe, page, part) == [], theme


def faults(axe, page, part: str) -> list:
    """The serious faults of a part of the page."""
    found = serious(axe.run(page, context=part).response["violations"])
    return [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found]


def serious(violations) -> list:
    return [fault for fault in violations if fault["impact"] in ("serious", "critical")]


def test_the_whole_page_has_no_more_serious_faults_than_a_page_of_stock_components(visit, browser):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    import gradio as gr

    with gr.Blocks(title="stock") as stock:
        with gr.Tab("One"):
            gr.Textbox(label="Prompt")
            gr.Slider(1, 8, label="Paths")
            gr.Radio(["a", "b"], value="a", label="Method")
            gr.Button("Run", variant="primary")
            gr.Image(label="Image")
        with gr.Tab("Two"):
            gr.Markdown("nothing")
    _, url, _ = stock.launch(prevent_thread_lock=True, quiet=True)
    try:
        page = browser.new_page(viewport=DESKTOP)
        page.goto(url)
        page.wait_for_selector("textarea")
        allowed = {fault["id"] for fault in serious(axe.run(page).response["violations"])}
        page.close()
    finally:
        stock.close()
    with visit() as page:
        for tab, there in {
            "Run": "#prompt",
            "Compare": "#compare",
            "Results": DRAWN,
            "Learn": ".cot-lesson h2",
        }.items():
            open_tab(page, tab)
            page.wait_for_selector(there, state="visible")
            found = serious(axe.run(page).response["violations"])
            extra = [(fault["id"], fault["nodes"][0]["html"][:160]) for fault in found if fault["id"] not in allowed]
            assert extra == [], tab


SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({ type: "layout-shift" });
}"""


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_shifts_while_a_run_streams(visit, viewport):
    with visit(small("parm++", paths=8, steps=18), viewport) as page:
        quiet(page)
        page.evaluate(SHIFTS)
        run(page)
        page.wait_for_timeout(500)
        assert page.evaluate("window.shifts") < 0.005


def test_nothing_moves_where_less_motion_is_asked_for(visit):
    with visit() as page:
        assert page.locator(".cot-progress span").evaluate("bar => getComputedStyle(bar).transitionDuration") == "0s"
