"""The Learn tab and the tour in a real Chromium."""

from __future__ import annotations

import re

import pytest
from page_driver import DESKTOP, PHONE, TOO_WIDE, reload


def stops_in_sight(page) -> int:
    """Walks through the tour by keyboard and counts its stops; each must light something up and be in the window."""
    count = 0
    while page.locator(".cot-tour").count():
        spot, dialog = page.locator(".cot-spotlight").bounding_box(), page.locator(".cot-tour").bounding_box()
        size = page.viewport_size
        assert spot["width"] > 10 and spot["y"] < size["height"] and spot["y"] + spot["height"] > 0
        assert dialog["x"] >= 0 and dialog["x"] + dialog["width"] <= size["width"]
        assert dialog["y"] >= 0 and dialog["y"] + dialog["height"] <= size["height"]
        assert page.evaluate("document.activeElement.closest('.cot-tour') !== null")
        count += 1
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(250)  # the light moves
    return count


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_tour_shows_what_it_speaks_of_and_is_remembered(visit, viewport):
    with visit("#learn", viewport) as page:
        page.get_by_role("heading", name="How to read this").wait_for()
        assert page.locator(".cot-lesson").evaluate_all(TOO_WIDE) == []
        page.click("#tour .cot-tour-go")
        page.wait_for_selector(".cot-tour")
        assert page.get_by_role("tab", name="Run").get_attribute("aria-selected") == "true"
        assert page.locator(".cot-tour").get_attribute("role") == "dialog"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip"
        assert stops_in_sight(page) >= 7
        reload(page)
        page.wait_for_timeout(500)
        assert page.locator(".cot-invitation").count() == 0


def test_what_the_tour_counts_is_what_is_seen(visit):
    with visit() as page:
        page.click(".cot-invitation .cot-tour-go")
        page.wait_for_selector(".cot-tour")
        counted = []
        row = ".cot-matrix tr[data-selected]"
        seen = {
            r"kept (\d+) of \d+;": "parseInt(document.querySelector('.cot-focus > .cot-why ~ .cot-note').textContent)",
            r"^(\d+) attempts paint": "document.querySelectorAll('.cot-matrix tbody tr').length",
            r"asked (\d+) times? before": f"[...document.querySelectorAll('{row} .cot-mark')]"
            ".filter((mark) => mark.dataset.verdict === 'clarity-no').length",
            r"The (\d+) steps that it had left": f"document.querySelectorAll('{row} td[data-state=cut]').length",
            r"(\d+) more (?:was|were) painted to the end": "[...document.querySelectorAll('.cot-path-state')]"
            ".filter((state) => state.textContent === 'never judged clear').length",
        }
        while page.locator(".cot-tour").count():
            text = page.locator(".cot-tour p").inner_text()
            for pattern, count in seen.items():
                if found := re.search(pattern, text):
                    assert page.evaluate(count) == int(found[1]), text
                    counted.append(pattern)
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(100)
        assert counted == list(seen)


# which parts of the page that the tour speaks of, or that change while it goes on, lie below something over the page
COVERED = """([over, parts]) => {
    const cut = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const box = document.querySelector(over).getBoundingClientRect();
    return parts.filter((part) => cut(box, document.querySelector(part).getBoundingClientRect()));
}"""
SPOKEN_OF = [".cot-spotlight", ".cot-scroll", ".cot-status", ".cot-big", ".cot-tries", ".cot-beside", ".cot-focus",
             ".cot-rewards", ".cot-gallery", ".cot-asked", ".cot-guess"]  # fmt: skip


@pytest.mark.parametrize("viewport", [DESKTOP, {"width": 1024, "height": 768}], ids=["1280", "1024"])
def test_the_tour_and_its_offer_cover_nothing_that_they_speak_of_or_that_changes(visit, viewport):
    with visit("", viewport) as page:
        page.wait_for_selector(".cot-invitation")
        tabs = [f'#cot-tabs [role="tab"]:nth-child({place})' for place in range(1, 5)]
        assert page.evaluate(COVERED, [".cot-invitation", [*SPOKEN_OF[1:], *tabs, ".cot-heading p", "#prompt"]]) == []
        page.click(".cot-invitation .cot-tour-go")
        page.wait_for_selector(".cot-tour")
        stops = 0
        while page.locator(".cot-tour").count():
            page.wait_for_timeout(250)  # the light moves
            title = page.locator(".cot-tour h2").inner_text()
            assert page.evaluate(COVERED, [".cot-tour", SPOKEN_OF]) == [], title
            page.keyboard.press("ArrowRight")
            stops += 1
        assert stops >= 7


# Gradio mounts the parts of a page when their code has come, in any order: what one part looks for is not there yet.
LATE = """
    const query = Document.prototype.querySelector;
    Document.prototype.querySelector = function (selector) {
        const mounted = /heading/.test(selector) ? 3500 : /cot-|#stage|#prompt|#gallery|#run/.test(selector) ? 2500 : 0;
        return performance.now() < mounted ? null : query.call(this, selector);
    };
"""


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_parts_of_the_page_that_come_late_are_waited_for(enter, site, viewport):
    page = enter(viewport=viewport, reduced_motion="reduce")
    page.add_init_script(LATE)
    page.goto(site.url)
    page.wait_for_selector(".cot-invitation")
    assert page.evaluate("performance.now()") > 3500
    assert page.locator(".cot-place-of-stage .cot-show").count() == 1


def test_who_is_at_work_already_is_not_asked(visit):
    with visit("", reduced_motion="no-preference") as page:
        page.locator("#prompt textarea").click()
        page.wait_for_selector('.cot-show[data-part="rest"]', timeout=20_000)
        page.wait_for_timeout(200)
        assert page.locator(".cot-invitation").count() == 0


def test_a_new_visitor_is_asked_once(visit):
    with visit() as page:
        page.wait_for_selector(".cot-invitation")
        page.get_by_role("button", name="Take the tour").click()
        page.wait_for_selector(".cot-tour")
        page.keyboard.press("Escape")
        assert page.locator(".cot-tour").count() == page.locator(".cot-spotlight").count() == 0
    with visit() as page:
        page.get_by_role("button", name="No, thanks").click()
        assert page.locator(".cot-invitation").count() == 0
        reload(page)
        page.wait_for_timeout(500)
        assert page.locator(".cot-invitation").count() == 0
