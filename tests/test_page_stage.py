"""The stage: a recorded run is played once, a live one as it comes; the judge's word stands beside the image."""

from __future__ import annotations

import re

import pytest
from page_driver import (
    DESKTOP,
    PHONE,
    PROMPT,
    at_rest,
    filled,
    listened,
    open_settings,
    quiet,
    reload,
    run,
    seed_whose_winner_is,
    settled,
    small,
    status,
    themes,
)  # fmt: skip
from test_page_manners import faults

from cotdemo.run.prose import prose
from cotdemo.run.trace import Trace
from cotdemo.ui.recording import RUNS

MOVING = "no-preference"  # the stage plays only for those who have nothing against it
PLAYING = "document.querySelector('.cot-replay')?.textContent === 'Skip'"
RESTING = "document.querySelector('.cot-show[data-part=\"rest\"]') && !(" + PLAYING + ")"
# how much the page has shifted since its first paint, whatever the visitor did
SHIFTS = """
    window.shifts = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""


def percent(value: float) -> str:
    """As the page writes it."""
    return ">99%" if value > 0.99 else "<1%" if value < 0.01 else f"{value:.0%}"


def rest(page) -> None:
    page.wait_for_function(RESTING)


def large(page) -> str:
    """The pixels of the large image."""
    return page.locator(".cot-big > canvas").evaluate("canvas => canvas.toDataURL()")


def in_view(page, selector: str) -> bool:
    """Whether all of the first such element is inside the window."""
    box = page.locator(selector).first.bounding_box()
    size = page.viewport_size
    return box["y"] >= -1 and box["y"] + box["height"] <= size["height"] + 1


def test_the_recorded_run_is_played_once_and_then_the_prompt_has_the_focus(visit):
    with visit(reduced_motion=MOVING) as page:
        page.wait_for_function(PLAYING)
        asked = listened(page)
        first, said = large(page), status(page)
        assert page.locator('.cot-show[data-part="painting"]').count() == 1
        page.wait_for_function(f"document.querySelector('.cot-status').textContent !== {said!r}")
        assert large(page) != first
        page.wait_for_selector('.cot-try[data-kind="pruned"]')
        rest(page)
        assert page.locator('.cot-try[data-kind="won"]').count() == 1
        assert re.match(r"Attempt \d of 8 is chosen: the judge is .* sure", status(page))
        assert "Judge: ✓" in page.locator(".cot-facts").inner_text()
        assert page.evaluate("document.activeElement === document.querySelector('#prompt textarea')")
        assert page.evaluate("scrollY") == 0
        assert asked == []


def test_whoever_has_something_else_in_focus_keeps_it(visit):
    with visit(reduced_motion=MOVING) as page:
        page.wait_for_function(PLAYING)
        page.locator("#seed input").focus()
        rest(page)
        assert page.evaluate("document.activeElement === document.querySelector('#seed input')")


def test_a_phone_opens_no_keyboard(visit):
    with visit("", PHONE, has_touch=True, is_mobile=True, reduced_motion=MOVING) as page:
        page.wait_for_function(PLAYING)
        assert in_view(page, ".cot-big")
        rest(page)
        assert page.evaluate("document.activeElement === document.body")


def test_on_a_phone_the_prompt_and_run_are_on_the_screen_with_the_image(visit):
    with visit("", PHONE) as page:
        page.wait_for_selector('.cot-show[data-part="rest"]')
        for part in (".cot-big", "#prompt", "#run"):
            assert in_view(page, part), part
        image, tries = (page.locator(part).bounding_box() for part in (".cot-big canvas", ".cot-tries"))
        assert tries["x"] >= image["x"] + image["width"] and image["width"] > 200
        assert tries["height"] <= image["height"] + 1
        page.get_by_role("button", name="Brush").click()  # as large as the screen is wide, for fingers
        assert page.locator(".cot-brush").bounding_box()["width"] > 300


def test_with_less_motion_it_rests_at_once_and_what_a_number_means_is_told_where_it_stands(visit):
    with visit() as page:
        page.wait_for_selector('.cot-show[data-part="rest"]')
        assert "is chosen" in status(page) and page.locator(".cot-replay").is_hidden()
        page.wait_for_timeout(400)
        assert page.locator('.cot-show[data-part="rest"]').count() == 1
        cell = page.locator('td[data-ends="true"]').first
        assert cell.get_attribute("title") == cell.get_attribute("aria-label")
        assert "can still work" in page.locator('tr[data-kind="pruned"] .cot-path-number').first.inner_text()
        assert "attempt can still become right" in page.locator(
            'tr[data-kind="pruned"] .cot-path-number'
        ).first.get_attribute("title")
        assert all(page.locator(".cot-verdicts dt").nth(index).get_attribute("title") for index in range(3))


def test_a_click_or_a_key_ends_it_at_the_result(visit):
    with visit(reduced_motion=MOVING) as page:
        page.wait_for_function(PLAYING)
        for end in (
            lambda: page.locator(".cot-big").click(),
            lambda: page.locator('td[tabindex="0"]').press("ArrowLeft"),
            lambda: page.locator(".cot-replay").click(),
        ):
            end()
            page.wait_for_function(RESTING, timeout=2000)  # of the five seconds that it would have taken
            assert "is chosen" in status(page)
            page.get_by_role("button", name="Replay how it was painted").click()
            page.wait_for_function(PLAYING, timeout=2000)


def test_an_attempt_can_be_looked_at_large(visit):
    with visit() as page:
        page.wait_for_selector('.cot-show[data-part="rest"]')
        chosen = large(page)
        other = page.locator('.cot-try[data-kind="pruned"]').first
        other.click()
        page.wait_for_selector('.cot-try[aria-pressed="true"]')
        page.wait_for_timeout(200)
        assert large(page) != chosen
        number = other.locator(".cot-try-name").inner_text()
        assert page.locator(".cot-focus-title span").first.inner_text() == f"Attempt {number}"
        said = page.locator(".cot-facts").inner_text()  # of this attempt, not of the chosen one
        assert said.startswith(f"Attempt {number}: stopped at step") and "unlikely to become right" in said
        other.click()
        page.wait_for_timeout(200)
        assert large(page) == chosen
        assert page.locator(".cot-facts").inner_text().startswith("Judge:")


def test_enter_runs_the_prompt(visit):
    with visit() as page:
        quiet(page)
        page.fill("#prompt textarea", "a photo of three cats")
        page.press("#prompt textarea", "Enter")
        page.wait_for_function("document.querySelector('.cot-prompt').textContent === 'a photo of three cats'")
        settled(page)


def test_a_live_run_shows_the_attempt_that_leads(visit, site):
    with visit(small()) as page:
        open_settings(page)
        filled(page, 3)
        with site.backend.held(after=2):
            run(page, "running")
            page.wait_for_selector('.cot-show[data-part="painting"]')
            assert page.locator(".cot-big > canvas").get_attribute("aria-label").startswith("Attempt")
        settled(page)
        assert page.locator(".cot-try").count() == 4 and page.locator('.cot-show[data-part="rest"]').count() == 1


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_after_reflect_the_word_of_the_judge_and_both_images_are_in_view(visit, viewport):
    seed = seed_whose_winner_is(right=False)
    with visit(small("parm", 2, 6, seed), viewport) as page:
        open_settings(page)
        filled(page, seed)
        run(page)
        page.wait_for_selector("#reflect:not([disabled])")
        page.locator("#reflect").focus()
        page.click("#reflect")
        page.wait_for_selector(".cot-card img >> nth=1")
        settled(page)
        page.wait_for_timeout(1200)  # it scrolls smoothly
        for part in (".cot-critique blockquote", ".cot-card:nth-child(1) img", ".cot-card:nth-child(3) img"):
            assert in_view(page, part), part
        above = page.locator(".cot-reflection").bounding_box()["y"]
        assert above < page.locator(".cot-matrix").bounding_box()["y"]


def test_on_a_phone_what_is_painted_again_and_what_is_brushed_comes_into_sight(visit):
    seed = seed_whose_winner_is(right=False)
    with visit(small("parm", 2, 6, seed), PHONE) as page:
        filled(page, seed)
        run(page)

        def is_seen(count: int) -> bool:
            page.evaluate("document.querySelector('.cot-matrix').scrollIntoView({ block: 'center' })")
            page.wait_for_function("count => document.querySelectorAll('.cot-card img').length === count", arg=count)
            settled(page)
            at_rest(page, ".cot-big")
            return in_view(page, ".cot-big") and in_view(page, ".cot-status")

        page.click("#reflect")
        assert is_seen(2)
        page.get_by_role("button", name="Brush").click()
        page.get_by_role("button", name="Mark the least sure").click()
        page.get_by_role("button", name=re.compile("Paint .* anew")).click()
        assert is_seen(4)


def test_the_line_below_the_image_is_about_the_attempt_that_is_looked_at(visit):
    with visit(viewport=PHONE) as page:
        page.wait_for_selector('.cot-show[data-part="rest"]')
        chosen = status(page)
        other = page.locator('.cot-try[data-kind="pruned"]').first
        number = other.locator(".cot-try-name").inner_text()
        other.click()
        page.wait_for_function(
            f"document.querySelector('.cot-status').textContent.startsWith('Attempt {number} of 8: ')"
        )
        assert re.search(r": stopped at step \d+\. Attempt \d is chosen\.$", status(page))
        other.click()
        page.wait_for_function(f"document.querySelector('.cot-status').textContent === {chosen!r}")


def test_where_there_is_nothing_to_fix_repainting_is_offered_and_the_form_does_not_move(visit):
    seed = seed_whose_winner_is(right=True)
    with visit(small("parm", 2, 6, seed)) as page:
        open_settings(page)
        filled(page, seed)
        run(page)
        page.wait_for_selector("#reflect:not([disabled])")
        places = "() => ['#prompt', '#run', '#seed', '#choice'].map((one) => document.querySelector(one).offsetTop)"
        before = page.evaluate(places)
        page.click("#reflect")
        page.wait_for_selector(".cot-approved")
        settled(page)
        assert page.locator(".cot-approved").inner_text() == "The judge sees nothing to fix."
        assert page.evaluate(places) == before
        page.locator(".cot-anyway").click()
        page.wait_for_selector(".cot-card img >> nth=1")
        settled(page)
        page.wait_for_selector("#reflect:not([disabled])", state="visible")


def test_a_plain_run_is_not_judged_and_wears_no_crown(visit):
    with visit(small("baseline", 3, 6)) as page:
        open_settings(page)
        filled(page, 3)
        run(page)
        assert "not judged" in status(page)
        assert "not judged" in page.locator(".cot-try").first.inner_text()
        assert page.locator(".cot .cot-try-name .cot-icon:visible").count() == 0
        assert page.locator(".cot-matrix .cot-path-name .cot-icon:visible").count() == 0


def test_plain_words_come_first_and_the_fields_own_are_remembered(enter, site):
    site.may_load.set()
    page = enter()
    page.goto(site.url)
    page.wait_for_selector(".cot-matrix td")
    words = "".join(page.locator("#viewer, #stage").all_inner_texts())  # what is folded is not among them
    assert not re.search(r"P\((yes|no|clear|potential)\)", words)
    assert "can still work" in page.locator(".cot-key").inner_text()
    assert "guidance" not in page.locator(".cot-settings").inner_text()
    page.get_by_label("for researchers").check()
    assert "P(potential): can still work" in page.locator(".cot-key").inner_text()
    assert "guidance" in page.locator(".cot-settings").inner_text()
    assert "P(yes)" in page.locator('tr[data-kind="won"] th').inner_text()
    reload(page)
    assert page.get_by_label("for researchers").is_checked()
    assert "P(yes)" in page.locator('tr[data-kind="won"] th').inner_text()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_shifts_from_the_first_paint_to_the_rest(enter, site, viewport):
    site.may_load.set()
    page = enter(viewport=viewport)
    page.add_init_script(SHIFTS)
    page.goto(site.url)
    page.wait_for_selector(".cot-matrix td", state="attached")
    rest(page)
    quiet(page)
    assert page.evaluate("window.shifts") < 0.02


@pytest.mark.parametrize("width", [390, 1024])
def test_a_narrow_grid_begins_with_the_first_steps_and_shows_all_its_rows(visit, width):
    with visit(small("parm", 16, 8), {"width": width, "height": 844}) as page:
        open_settings(page)
        filled(page, 3)
        assert page.locator(".cot-scroll").evaluate("box => box.scrollLeft") == 0
        run(page)
        page.wait_for_timeout(200)
        box = page.locator(".cot-scroll")
        assert box.evaluate("box => box.scrollLeft") == 0
        assert box.evaluate("box => box.scrollHeight - box.clientHeight") < 20
        assert page.locator(".cot-matrix tbody tr").count() == page.locator(".cot-try").count() == 16


def test_the_stage_has_no_serious_accessibility_faults(visit):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with visit(reduced_motion=MOVING) as page:
        for theme in themes(page):
            page.wait_for_function(PLAYING)
            assert faults(axe, page, "#stage") == [], theme
            rest(page)
            assert faults(axe, page, "#stage") == [], theme
            page.get_by_role("button", name="Replay how it was painted").click()
        page.click('.cot-gallery button[data-name="3-critique-helped"]')
        page.wait_for_selector(".cot-reflection blockquote")
        rest(page)
        page.wait_for_function("getComputedStyle(document.querySelector('.cot-mended')).opacity === '1'")
        for theme in themes(page):
            assert faults(axe, page, "#stage") == [], theme


def test_a_mended_run_ends_with_the_image_before_and_after(visit):
    state = Trace.load(RUNS / "3-critique-helped.json").state
    before, after = (percent(state.path_of(one.winner).outcome.p_yes) for one in (state.rounds[0], state.rounds[-1]))
    with visit(reduced_motion=MOVING) as page:
        page.click('.cot-gallery button[data-name="3-critique-helped"]')
        page.wait_for_selector('.cot-show[data-part="critique"]')
        assert prose(state.rounds[1].critique) in status(page)
        assert page.locator(".cot-mended").evaluate("one => getComputedStyle(one).visibility") == "hidden"
        rest(page)
        assert page.locator(".cot-mended input[type=range]").is_visible()
        assert f"matches {before} → {after}" in page.locator(".cot-change").inner_text()
        assert page.locator(".cot-prompt").inner_text() != PROMPT
