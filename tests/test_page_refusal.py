"""What is refused: its first line in sight, its reasons folded; nothing moves, nothing is wider than a small phone."""

from __future__ import annotations

import pytest
from page_double import Double
from page_driver import DESKTOP, PHONE, open_tab, quiet, run, status
from test_page_stage import RESTING, SHIFTS

from cotdemo.errors import UserError

FIRST = "I do not know “brontosaurus”. Did you mean a bear, a bus or a boat?"
REASONS = "It paints bears, buses and boats. " * 12
SMALLEST = {"width": 320, "height": 640}


class Choosy(Double):
    def canonical(self, prompt):
        raise UserError(f"I do not know “{prompt}”." if len(prompt) > 60 else f"{FIRST}\n{REASONS}")


@pytest.fixture(scope="module")
def choosy(tmp_path_factory):
    """The address of a page that refuses every prompt."""
    from cotdemo.ui.page import ASSETS, build_demo, launch_options

    demo = build_demo(
        "mini", lambda: Choosy(), recorded=ASSETS / "runs" / "2-one-left.json", assets=tmp_path_factory.mktemp("none")
    )
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, SMALLEST], ids=["desktop", "phone", "smallest"])
def test_a_refusal_begins_with_a_short_line_and_moves_nothing(enter, choosy, viewport):
    page = enter(viewport=viewport)
    page.goto(choosy)
    page.wait_for_function(RESTING)
    quiet(page)
    page.evaluate(f"() => {{ {SHIFTS} }}")
    before = page.locator("#prompt").bounding_box()["y"] + page.evaluate("scrollY")
    shifted = page.evaluate("window.shifts")
    page.click("#run")
    page.wait_for_selector('#viewer .cot[data-phase="failed"]')
    page.wait_for_selector("#run:not([disabled])")
    assert status(page) == FIRST
    more = page.locator(".cot-now .cot-more")
    assert more.is_visible() and not more.locator("p").is_visible()
    assert page.locator("#prompt").bounding_box()["y"] + page.evaluate("scrollY") == pytest.approx(before, abs=1)
    assert page.evaluate("window.shifts") - shifted < 0.02
    more.locator("summary").press("Enter")
    assert more.locator("p").inner_text().strip() == REASONS.strip()
    page.fill("#prompt textarea", "w" * 200)
    page.click("#run")
    page.wait_for_function("document.querySelector('.cot-status').textContent.includes('w'.repeat(200))")
    assert more.is_hidden() and page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_what_cannot_be_painted_is_told_below_the_prompt_while_it_is_typed(enter, choosy):
    page = enter(viewport=PHONE)
    page.goto(choosy)
    page.wait_for_function(RESTING)
    quiet(page)
    said = page.locator(".cot-limit")
    page.fill("#prompt textarea", "a brontosaurus")
    page.wait_for_function(f"document.querySelector('.cot-limit').textContent === {FIRST!r}")
    page.fill("#prompt textarea", "")
    page.wait_for_function("document.querySelector('.cot-limit').textContent.startsWith('The prompt is empty')")
    assert said.is_visible()


def test_a_comparison_is_refused_as_shortly(enter, choosy):
    page = enter(viewport=PHONE)
    page.goto(choosy)
    open_tab(page, "Compare")
    page.click("#compare")
    page.wait_for_function(f"document.querySelector('.cot-compare-status')?.textContent === {FIRST!r}")
    more = page.locator(".cot-board-of-cards > .cot-saying .cot-more")
    assert not more.locator("p").is_visible()
    more.locator("summary").click()
    assert more.locator("p").inner_text().strip() == REASONS.strip()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_sentence_that_works_instead_is_taken_by_a_click(visit, site, viewport):
    with visit(viewport=viewport) as page:
        site.backend.any_words = False
        run(page)  # by when the model has come, which can say so
        page.fill("#prompt textarea", "2 blu dogs")
        page.get_by_role("button", name="Use “a photo of two blue dogs”").click()
        assert page.locator("#prompt textarea").input_value() == "a photo of two blue dogs"
        page.wait_for_function("document.querySelector('#estimate .cot-limit').textContent === ''")
        assert page.get_by_role("button", name="Use “").count() == 0
        run(page)
        assert page.locator(".cot-prompt").inner_text() == "a photo of two blue dogs"
        page.fill("#prompt textarea", " ")
        page.wait_for_function("document.querySelector('#estimate .cot-limit').textContent.includes('is empty')")
