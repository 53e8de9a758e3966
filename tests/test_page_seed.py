"""The seed: one control, in sight, that says what Run will do; whatever brings a seed sets it there to be seen."""

from __future__ import annotations

import pytest
from page_driver import DESKTOP, PHONE, PROMPT, reload, run, settled, small


def seed_of(page) -> str:
    return page.locator("#seed input").input_value()


def chosen(page) -> str:
    """What the control says: the choice, and the words below it."""
    return page.locator("#fresh label:has(input:checked)").inner_text().strip()


def says(page, words: str) -> None:
    page.wait_for_selector(f".cot-seed-words:has-text('{words}')")


def in_sight(page) -> bool:
    """Whether the whole control and its words are on the screen where Run is, with nothing opened.

    On a phone the stage stands before the form, so that one scrolls to it, on a desktop to nothing.
    """
    page.locator(".cot-seed-words").scroll_into_view_if_needed()
    height = page.viewport_size["height"]
    boxes = [page.locator(part).bounding_box() for part in ("#run", "#fresh", "#seed input", ".cot-seed-words")]
    return all(box and box["y"] >= 0 and box["y"] + box["height"] <= height for box in boxes)


def painted(page) -> str:
    """Runs to the end; the seed of that run."""
    run(page)
    return page.locator(".cot-settings").inner_text().rpartition("seed ")[2].split(" ")[0]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_typed_seed_is_kept_and_that_is_said_in_sight(visit, viewport):
    with visit("?paths=2&steps=4", viewport) as page:
        assert in_sight(page) and chosen(page) == "random"
        says(page, "Run draws a new seed.")
        page.locator("#seed input").fill("123")
        says(page, "Run keeps seed 123.")
        assert chosen(page) == "keep"
        assert painted(page) == "123" and painted(page) == "123"
        assert (seed_of(page), chosen(page)) == ("123", "keep")


def test_a_random_seed_is_another_each_time_and_can_be_kept(visit):
    with visit("?paths=2&steps=4") as page:
        first, second = painted(page), painted(page)
        assert first != second and (seed_of(page), chosen(page)) == (second, "random")
        page.get_by_label("keep").check()
        says(page, f"Run keeps seed {second}.")
        assert painted(page) == second


def test_a_random_seed_stays_random_when_the_page_is_reloaded_and_a_link_keeps_its_own(visit, site):
    with visit("?paths=2&steps=4") as page:
        seed = painted(page)
        page.wait_for_function("location.search.includes('run=')")
        reload(page)
        page.wait_for_selector(".cot-recorded:has-text('A run of')")
        says(page, "Run draws a new seed.")
        assert (seed_of(page), chosen(page)) == (seed, "random")
        address = page.url
    with visit(address[len(site.url) :]) as page:
        page.wait_for_selector(".cot-recorded:has-text('A run of')")
        says(page, f"Run keeps seed {seed}.")
        reload(page)
        page.wait_for_selector(".cot-recorded:has-text('A run of')")
        says(page, f"Run keeps seed {seed}.")
        assert (seed_of(page), chosen(page)) == (seed, "keep")


def test_an_emptied_field_is_no_seed_and_a_wrong_one_is_refused_in_words(visit):
    with visit("?paths=2&steps=4&seed=5") as page:
        says(page, "Run keeps seed 5.")
        page.locator("#seed input").fill("")
        says(page, "Run draws a new seed.")
        assert chosen(page) == "random"
        page.locator("#seed input").fill("4294967296")
        page.wait_for_selector(".cot-limit:has-text('from 0 to 4294967295')")
        assert chosen(page) == "keep" and page.locator(".cot-seed-words").inner_text() == ""
        page.get_by_label("random").check()
        says(page, "Run draws a new seed.")
        assert page.locator(".cot-limit").inner_text() == ""


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_link_a_recorded_run_and_a_trace_set_it_to_be_seen(visit, site, tmp_path, viewport):
    site.trace.save(tmp_path / "trace.json")
    with visit(small("orm", 2, 4, 77), viewport) as page:
        says(page, "Run keeps seed 77.")
        assert in_sight(page) and (seed_of(page), chosen(page)) == ("77", "keep")
        page.get_by_label("random").check()
        says(page, "Run draws a new seed.")
        page.click('.cot-gallery button[data-name="2-one-left"]')
        page.wait_for_selector(".cot-prompt:has-text('two dogs')")
        seed = page.locator(".cot-settings").inner_text().rpartition("seed ")[2]
        says(page, f"Run keeps seed {seed}.")
        assert (seed_of(page), chosen(page)) == (seed, "keep")
        page.get_by_label("random").check()
        page.locator("input[type=file]").first.set_input_files(tmp_path / "trace.json")
        page.wait_for_selector(f".cot-prompt:has-text('{PROMPT}')")
        says(page, "Run keeps seed 3.")
        assert (seed_of(page), chosen(page)) == ("3", "keep")


def test_the_keyboard_reaches_and_sets_it(visit):
    with visit("?paths=2&steps=4") as page:
        page.locator("#fresh input:checked").focus()
        page.keyboard.press("ArrowRight")
        says(page, "Run keeps seed 0.")
        page.keyboard.press("ArrowLeft")
        says(page, "Run draws a new seed.")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#seed') !== null")
        page.keyboard.press("Control+a")
        page.keyboard.type("42")
        says(page, "Run keeps seed 42.")
        assert chosen(page) == "keep"


def test_what_is_typed_while_a_run_waits_is_not_overwritten(visit, site):
    with visit("?paths=2&steps=4") as one, visit("?paths=2&steps=4") as other:
        with site.backend.held(after=1):
            run(one, "running")
            run(other, "waiting")
            other.locator("#seed input").fill("99")
        settled(other)
        assert (seed_of(other), chosen(other)) == ("99", "keep")
        assert painted(other) == "99"
        settled(one)
