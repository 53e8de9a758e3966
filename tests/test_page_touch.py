"""On a phone: nothing to press is smaller than a finger, and what opens stays inside the window."""

from __future__ import annotations

import pytest
from page_driver import DESKTOP, DRAWN, PHONE, at_rest, open_tab, quiet
from test_page_stage import in_view

# What can be pressed and is smaller than 40 px, but for the grid's cells, links in a sentence and Gradio's sliders.
TOO_SMALL = """() => [...document.querySelectorAll(
        "button, summary, select, a.cot-follow, [role=tab], label:has(> input:is([type=checkbox], [type=radio]))"
    )].filter((one) => {
        const { width, height } = one.getBoundingClientRect();
        const isSeen = one.checkVisibility({ visibilityProperty: true }) && width > 2 && height > 2;
        return isSeen && !one.closest("footer") && Math.min(width, height) < 39.5;
    }).map((one) => `${one.outerHTML.slice(0, 90)} ${one.getBoundingClientRect().height}`)"""


def test_nothing_to_press_is_smaller_than_a_finger(visit):
    with visit("?run=3-critique-helped", PHONE, has_touch=True, is_mobile=True) as page:
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        quiet(page)
        assert page.evaluate(TOO_SMALL) == []
        for part in (".cot-menu", ".cot-palette", ".cot-share", ".cot-legend", "#choice details"):
            page.locator(f"{part} > summary").first.click()
        page.get_by_role("button", name="Attempts, steps, guidance").click()
        page.get_by_role("button", name="Brush", exact=True).click()
        assert page.evaluate(TOO_SMALL) == []
        for tab, there in {"Compare": "#compare", "Results": DRAWN, "Learn": ".cot-lesson h2"}.items():
            open_tab(page, tab)
            page.wait_for_selector(there, state="visible")
            assert page.evaluate(TOO_SMALL) == [], tab
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_for_fingers_too_run_is_on_the_screen_with_the_image(visit):
    with visit("", PHONE, has_touch=True, is_mobile=True) as page:
        page.wait_for_selector('.cot-show[data-part="rest"]')
        for part in (".cot-big", "#prompt", "#run"):
            assert in_view(page, part), part


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, {"width": 390, "height": 480}], ids=["desktop", "phone", "low"])
def test_the_menu_opens_inside_the_window_wherever_its_button_is(visit, viewport):
    with visit("?run=3-critique-helped", viewport) as page:
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        quiet(page)  # what comes late moves the page below
        menu = page.locator(".cot-menu")
        opened = menu.locator(".cot-menu-list")
        for share in (0.15, 0.5, 0.85):
            menu.evaluate(
                "(one, share) => scrollTo(0, one.getBoundingClientRect().top + scrollY - share * innerHeight)", share
            )
            menu.locator("summary").click()
            box = at_rest(page, ".cot-menu-list")
            assert box["x"] >= 0 and box["x"] + box["width"] <= viewport["width"], share
            assert box["y"] >= 0 and box["y"] + box["height"] <= viewport["height"], share
            opened.locator("button:visible").last.scroll_into_view_if_needed()  # what has no room is scrolled to
            assert in_view(page, ".cot-menu-list button:visible >> nth=-1")
            page.keyboard.press("Escape")


def test_what_can_be_done_with_an_image_stands_in_one_row_on_a_phone(visit):
    with visit(viewport=PHONE) as page:
        page.get_by_role("button", name="Brush", exact=True).click()
        page.get_by_role("button", name="Mark the least sure").click()
        page.locator(".cot-brush-bar > button").first.click()
        page.get_by_role("button", name="Undo").wait_for()
        quiet(page)
        acts = page.locator(".cot-acts > *:visible")
        assert acts.count() >= 3 and len({acts.nth(place).bounding_box()["y"] for place in range(acts.count())}) == 1
