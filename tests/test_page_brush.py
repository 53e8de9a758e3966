"""The brush on the page: tokens marked by dragging and by keys, painted anew, and taken back."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from page_double import Double, SamplingSession
from page_driver import DESKTOP, PHONE, PROMPT, at_rest, filled, run, settled, small, status


class Faithful(Double):
    """Whose first attempt at marked tokens is the image as it was, and right; no other attempt is."""

    def start(self, *asked, context=None, after=None):
        return FaithfulSession(self, asked[0], *asked[1:3], asked[5], context, after)


class FaithfulSession(SamplingSession):
    def _one(self, path):
        guess, masked, confidence = super()._one(path)
        if path in self.rest:
            if path == 0:
                guess = self.rest[path][0].copy()
            self.backend.painted[guess.tobytes()] = (1.0, path == 0)
        return guess, masked, confidence


@pytest.fixture(scope="module")
def faithful(tmp_path_factory):
    """The address of a page over that."""
    from cotdemo.ui.page import build_demo, launch_options

    demo = build_demo("mini", lambda: Faithful(pace=0.005, any_words=True), assets=tmp_path_factory.mktemp("none"))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close()


def rounds(page) -> int:
    return page.locator(".cot-tabs button").count()


def marked(page) -> int:
    return page.locator(".cot-brush g rect").count()


def drag(page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """From one place of the image to another, in shares of its sides."""
    box = at_rest(page, ".cot-brush")
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=24)
    page.mouse.up()


def test_marked_tokens_are_painted_anew_and_that_is_taken_back(visit, site):
    site.backend.pace = 0.005
    with visit(small("orm", 3, 6, 5)) as page:
        filled(page, 5)
        run(page)
        undo = page.get_by_role("button", name="Undo")
        assert undo.is_hidden()
        page.get_by_role("button", name="Brush").click()
        assert page.get_by_role("button", name="Paint anew").is_disabled()
        drag(page, (0.05, 0.05), (0.95, 0.05))
        assert marked(page) == 8
        drag(page, (0.05, 0.05), (0.3, 0.05))  # begun on a mark: takes marks away
        assert marked(page) == 5
        page.get_by_role("button", name="Mark the least sure").click()
        assert marked(page) > 16  # what was marked by hand stays
        page.get_by_role("button", name="Clear").click()
        page.get_by_role("button", name="Mark the least sure").click()
        assert marked(page) == 16
        page.get_by_role("button", name="Paint 16 tokens anew").click()
        page.wait_for_selector(".cot-critique-by:has-text('16 tokens marked')")
        settled(page)
        assert status(page).startswith("Painted anew where it was marked") and rounds(page) == 2
        kept = page.locator('td[data-state="kept"]')  # the image before, until painting begins
        assert kept.count() == 3 and "kept from the image before" in kept.first.get_attribute("title")
        assert kept.first.locator("canvas").evaluate("one => one.shown.startsWith('data:image/')")
        assert (
            "faint: kept from the image before, so that painting begins at step 2"
            in page.locator(".cot-key").inner_text()
        )
        changed = re.search(r"(\d+) of 64 tokens", page.locator(".cot-slide label").first.inner_text())
        assert 0 < int(changed[1]) <= 16
        undo.click()
        page.wait_for_selector(".cot-status:has-text('The image before is back')")
        assert undo.is_hidden() and page.locator(".cot-reflection").is_hidden()
        page.get_by_role("button", name="Brush").click()
        page.get_by_role("button", name="Mark the least sure").click()
        page.get_by_role("button", name="Paint 16 tokens anew").click()
        page.wait_for_function("document.querySelectorAll('.cot-tabs button').length === 3")
        settled(page)
        assert undo.is_visible()


def test_the_brush_goes_by_keys_and_is_put_away(visit):
    with visit(viewport=DESKTOP) as page:
        page.get_by_role("button", name="Brush").press("Enter")
        for key in ("Space", "ArrowRight", "ArrowDown", "Space", "Space", "ArrowLeft", "Enter"):
            page.keyboard.press(key)
        assert marked(page) == 2
        assert page.locator(".cot-brush [role=status]").inner_text() == "Row 2, column 1, marked"
        page.keyboard.press("Escape")
        assert page.locator(".cot-brush").is_hidden() and page.locator(".cot-brush-bar").is_hidden()


def test_what_is_marked_can_become_something_else(visit, site):
    site.backend.pace = 0.005
    with visit(small("orm", 3, 6, 5)) as page:
        filled(page, 5)
        run(page)
        own = page.locator(".cot-prompt").inner_text()
        page.get_by_role("button", name="Brush").click()
        page.get_by_role("button", name="Mark the least sure").click()
        page.get_by_label("Another prompt for the whole image").fill("a photo of three cats")
        page.keyboard.press("Enter")
        page.wait_for_selector(".cot-reflection:has-text('as “a photo of three cats”')")
        settled(page)
        assert page.locator(".cot-prompt").inner_text() == "a photo of three cats"
        assert status(page).startswith("Painted anew where it was marked, as “a photo of three cats”. ")
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function(f"document.querySelector('.cot-prompt').textContent === {own!r}")


def test_what_may_be_taken_away_is_offered_and_both_prompts_are_told(visit, site):
    site.backend.pace = 0.005
    with visit(small("orm", 3, 6, 5)) as page:
        filled(page, 5)
        run(page)
        begun = page.locator(".cot-begun")
        assert begun.is_hidden()
        page.get_by_role("button", name="Brush").click()
        offered = page.get_by_role("group", name="Take away what is marked").get_by_role("button")
        offered.first.wait_for()
        assert offered.all_inner_texts() == ["the red car", "the blue bus"]
        offered.first.click()
        assert page.get_by_label("Another prompt for the whole image").input_value() == "a photo of a blue bus"
        page.get_by_role("button", name="Mark the least sure").click()
        page.get_by_role("button", name="Paint 16 tokens anew").click()
        page.wait_for_selector(".cot-reflection:has-text('as “a photo of a blue bus”')")
        settled(page)
        assert page.locator(".cot-prompt").inner_text() == "a photo of a blue bus"
        assert begun.inner_text().startswith(f"Begun as “{PROMPT}”, which the link of this run has")
        assert page.locator("#prompt textarea").input_value() == PROMPT
        assert parse_qs(urlsplit(page.url).query)["prompt"] == [PROMPT]
        page.get_by_role("button", name="Brush").click()
        offered.first.wait_for(state="hidden")  # of one thing nothing can be taken away
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Undo").click()
        begun.wait_for(state="hidden")


def test_the_run_that_everybody_sees_first_can_be_brushed_and_shared(visit):
    with visit() as page:
        page.get_by_role("button", name="Brush").click()
        page.get_by_role("button", name="Mark the least sure").click()
        page.get_by_role("button", name=re.compile("Paint .* anew")).click()
        page.wait_for_selector(".cot-critique-by:has-text('tokens marked')")
        settled(page)
        assert page.get_by_role("button", name="Undo").is_visible() and page.locator(".cot-recorded").is_hidden()
        address = page.url
        assert "seed=" in address
    with visit("?" + address.split("?")[1]) as page:  # whoever is sent the link sees what was brushed
        page.wait_for_selector(".cot-critique-by:has-text('tokens marked')")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_where_no_attempt_was_better_that_is_said_and_all_are_shown(enter, faithful, viewport):
    page = enter(viewport=viewport)
    page.goto(faithful + small("orm", 4, 6, 5))
    filled(page, 5)
    run(page)
    page.get_by_role("button", name="Brush").click()
    drag(page, (0.05, 0.05), (0.95, 0.95))
    page.get_by_role("button", name=re.compile("Paint .* anew")).click()
    page.wait_for_selector(".cot-status:has-text('None of the 4 attempts was better; the image stays.')")
    settled(page)
    words = page.locator(".cot-critique").inner_text()
    assert "the image stays" in words and "no surer of those that differ" in words
    each = page.locator(".cot-attempts li")
    assert each.count() == 4 and each.locator("img[src^='data:image/']").count() == 4
    said = each.all_inner_texts()
    assert "as it was" in said[0] and "changed" in said[1] and "%" in said[1]
    assert each.nth(1).locator("rect").count() == int(re.search(r"(\d+) changed", said[1])[1]) > 0
    assert page.locator(".cot-slide").count() == 0  # there is nothing to slide between
    assert page.get_by_role("button", name="Undo").is_visible()


def test_what_the_brush_asks_for_in_vain_is_not_lost(visit, site):
    site.backend.pace, site.backend.any_words = 0.005, False
    with visit(small("orm", 2, 6, 5)) as page:
        filled(page, 5)
        run(page)
        page.get_by_role("button", name="Brush").click()
        drag(page, (0.05, 0.05), (0.95, 0.05))
        page.locator(".cot-brush-bar input").fill("two blu zebras")
        page.get_by_role("button", name="Paint 8 tokens anew").click()
        settled(page, "failed")
        assert "does not know" in status(page)
        page.wait_for_selector(".cot-brush-bar:not([hidden])")
        assert marked(page) == 8 and page.locator(".cot-brush-bar input").input_value() == "two blu zebras"
        page.locator(".cot-brush-bar input").fill("two zebras")
        page.get_by_role("button", name="Paint 8 tokens anew").click()
        settled(page)
        assert rounds(page) == 2
