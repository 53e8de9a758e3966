"""Reflection on the page: critique, both images, both verdicts."""

from __future__ import annotations

from page_driver import PROMPT, filled, open_settings, run, seed_whose_winner_is, settled, small, status


def test_reflect_where_nothing_was_painted_says_what_to_do(serve, tmp_path):
    page = serve(tmp_path, "show-o")  # nothing of it has been recorded
    page.get_by_role("tab", name="Run").click()
    page.click("#reflect")
    page.wait_for_selector('.cot[data-phase="failed"]')
    assert "press Run first" in status(page)


def test_reflect_on_first_paint_is_on_the_image_that_is_shown(visit, site):
    with visit() as page:
        before = page.locator("#picture img").get_attribute("src")
        assert before and page.locator('tr[data-kind="won"]').count() == 1
        page.click("#reflect")
        page.wait_for_selector("#anyway", state="visible")
        settled(page)
        assert page.locator(".cot-prompt").inner_text() == PROMPT and page.locator(".cot-recorded").is_hidden()
        assert page.locator("td").count() == 8 * 18
        assert "The judge sees nothing to fix" in page.locator(".cot-reflection").inner_text()
        page.click("#anyway")
        page.wait_for_selector(".cot-card img >> nth=1")
        settled(page)
    with visit() as page:  # what one visitor has repainted, others do not see
        assert page.locator(".cot-reflection").is_hidden()


def test_reflection_shows_critique_both_images_and_both_verdicts(visit):
    seed = seed_whose_winner_is(right=False)
    with visit(small("parm", 2, 6, seed)) as page:
        open_settings(page)
        filled(page, seed)
        run(page)
        page.wait_for_selector("#reflect:not([disabled])")
        page.click("#reflect")
        page.wait_for_selector(".cot-card img >> nth=1")
        settled(page)
        assert page.locator(".cot-critique blockquote").inner_text() == "there is a dog too many"
        first, repainted = (page.locator(".cot-card").nth(index).inner_text() for index in (0, 1))
        assert "sure that it matches the prompt" in first and "Checker (hidden from the judge)" in first
        assert "sure that it matches the prompt" in repainted and "“self-correct”" not in repainted
        page.get_by_label("for researchers").check()
        first, repainted = (page.locator(".cot-card").nth(index).inner_text() for index in (0, 1))
        assert "P(yes)" in first and "“base”" in first and "Checker (hidden from the judge)" in first
        assert "P(yes)" in repainted and "“self-correct”" in repainted
        assert page.locator(".cot-tabs button").count() == 2
        slider = page.locator(".cot-slide input[type=range]")
        slider.focus()
        page.keyboard.press("Home")
        assert page.locator(".cot-pane").evaluate("stage => stage.style.getPropertyValue('--at')") == "0%"
        page.locator(".cot-slide input[type=checkbox]").check()
        told = page.locator(".cot-slide label").inner_text()
        assert f"{page.locator('.cot-changes rect').count()} of 64 tokens" in told
        assert page.locator(".cot-changes").is_visible()


def test_an_image_the_judge_calls_right_can_be_repainted_anyway(visit):
    seed = seed_whose_winner_is(right=True)
    with visit(small("parm", 2, 6, seed)) as page:
        open_settings(page)
        filled(page, seed)
        run(page)
        page.wait_for_selector("#reflect:not([disabled])")
        page.click("#reflect")
        page.wait_for_selector("#anyway", state="visible")
        assert "The judge sees nothing to fix" in page.locator(".cot-reflection").inner_text()
        page.click("#anyway")
        page.wait_for_selector(".cot-card img >> nth=1")
