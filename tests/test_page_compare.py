"""The Compare tab in a real Chromium."""

from __future__ import annotations

import pytest
from page_driver import DESKTOP, PHONE, PROMPT, TOO_WIDE, at_rest, compare, open_tab

from cotdemo.files import ASSETS


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_methods_are_compared_and_a_result_is_opened(visit, site, viewport):
    with visit("#compare", viewport) as page:
        page.wait_for_selector("#board .cot-empty")
        page.fill("#compare-prompt textarea", PROMPT)
        compare(page)
        assert " of 5 " in page.locator(".cot-compare-status").inner_text()  # who is right, and at what cost
        assert page.locator(".cot-compare-status").evaluate("one => one.getBoundingClientRect().top < innerHeight")
        cards = page.locator(".cot-compare > li")
        assert cards.count() == 5
        assert cards.locator("img[src^='data:image/']").count() == 5
        assert page.locator(".cot-compare > li").evaluate_all(TOO_WIDE) == []
        assert page.locator("#compare").is_enabled() and page.locator("#compare-stop").is_disabled()
        button = cards.nth(3).locator("button")
        assert "PARM" in button.get_attribute("aria-label")
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('.cot-recorded').textContent.includes('From a comparison')")
        assert page.get_by_role("tab", name="Run").get_attribute("aria-selected") == "true"
        assert page.locator("#prompt textarea").input_value() == PROMPT


def test_on_a_phone_what_is_compared_comes_into_sight_and_stands_right_below_the_form(visit, site):
    site.backend.pace = 0.0
    with visit("#compare", PHONE) as page:
        page.fill("#compare-prompt textarea", PROMPT)
        assert page.locator("#board").bounding_box()["y"] > PHONE["height"]
        compare(page)
        assert 0 <= at_rest(page, ".cot-compare-status")["y"] < PHONE["height"] / 3
        above = page.locator("#compare-take").bounding_box()
        assert page.locator(".cot-compare-status").bounding_box()["y"] - above["y"] - above["height"] < 60
        page.evaluate("scrollTo(0, 0)")
        for box in page.locator("#compare-which input").all():
            box.set_checked(False)
        page.click("#compare")
        page.wait_for_selector(".cot-compare-status:has-text('Choose at least one method')")
        assert 0 <= at_rest(page, ".cot-compare-status")["y"] < PHONE["height"] - 40


def test_a_comparison_stops_and_the_next_one_starts_clean(visit, site):
    with visit("#compare") as page:
        page.fill("#compare-prompt textarea", PROMPT)
        with site.backend.held(after=25):  # the first of the runs has 18 steps
            page.click("#compare")
            page.wait_for_selector(".cot-compare > li[data-state='done']")
            site.backend.pace = 1.0
            page.click("#compare-stop")
        page.wait_for_selector(".cot-compare > li[data-state='stopped']")
        page.wait_for_selector("#compare:enabled")
        assert page.locator(".cot-compare > li[data-state='done'] img[src]").count() >= 1
        site.backend.pace = 0.0
        page.click("#compare")
        page.wait_for_function("document.querySelectorAll('.cot-compare > [data-state=\"done\"]').length === 5")
        page.wait_for_selector("#compare:enabled")


def test_a_comparison_says_what_it_is_of_and_another_prompt_is_offered(visit, site):
    site.backend.pace = 0.0
    with visit("#compare") as page:
        group, offer = page.locator(".cot-compare-group"), page.get_by_role("button", name="Compare it")
        for box in page.locator("#compare-which input").all()[1:]:
            box.set_checked(False)
        page.fill("#compare-prompt textarea", PROMPT)
        page.click("#compare")
        page.wait_for_selector(".cot-compare > li[data-state='done']")
        page.wait_for_selector("#compare:enabled")
        assert group.inner_text() == f"“{PROMPT}”, seed 0" and offer.is_hidden()
        page.fill("#compare-prompt textarea", "a photo of three clocks")
        offer.wait_for()
        assert "The form has “a photo of three clocks”" in page.locator(".cot-anew").inner_text()
        page.fill("#compare-prompt textarea", PROMPT)
        offer.wait_for(state="hidden")
        open_tab(page, "Run")
        page.click('.cot-gallery button[data-name="1-some-stopped"]')
        page.wait_for_selector(".cot-prompt:has-text('a blue dog')")
        open_tab(page, "Compare")
        offer.wait_for()
        assert group.inner_text() == f"“{PROMPT}”, seed 0"
        offer.click()
        page.wait_for_selector(".cot-compare-group:has-text('a blue dog')")
        page.wait_for_selector("#compare:enabled")
        assert "a blue dog" in page.locator("#compare-prompt textarea").input_value() and offer.is_hidden()


def test_the_tab_opens_with_a_recorded_comparison(serve):
    page = serve(ASSETS)
    open_tab(page, "Compare")
    cards = page.locator(".cot-compare > li[data-state='done']")
    assert cards.count() == 5 and cards.locator("img[src^='data:image/']").count() == 5
    told = page.locator(".cot-compare-status").inner_text()
    assert told.startswith("A comparison recorded on 20") and " of 5 are right" in told
    assert page.locator("#compare-prompt textarea").input_value() in page.locator(".cot-compare-group").inner_text()
    cards.nth(2).locator("button").click()
    page.wait_for_function("document.querySelector('.cot-recorded').textContent.includes('A recorded run')")
    assert page.get_by_role("tab", name="Run").get_attribute("aria-selected") == "true"
