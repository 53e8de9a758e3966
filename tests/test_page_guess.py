"""Guess first: bets on a recorded run before its verdicts show, and the score; the server is asked nothing."""

from __future__ import annotations

import pytest
from page_driver import DESKTOP, PHONE, listened, quiet, status
from test_page_stage import MOVING

SOME_STOPPED = ".cot-gallery button:has-text('some attempts stopped')"


def guessing(page):
    """Opens a recorded run in which some attempts are stopped, to be guessed."""
    page.get_by_label("guess first").check()
    page.wait_for_selector('.cot-show[data-part="guess"]')
    card = page.locator(SOME_STOPPED).last
    card.click()
    page.wait_for_selector(f".cot-prompt:text-is('a photo of {card.locator('b').inner_text()}')")
    page.wait_for_selector('.cot-show[data-part="guess"]')
    return card


def test_bets_are_made_by_the_keyboard_before_anything_tells_the_end_and_then_scored(visit):
    with visit() as page:
        card = guessing(page)
        assert page.locator("#viewer .cot").is_hidden() and page.locator("#picture").is_hidden()
        assert card.locator("img").is_hidden() and page.locator(".cot-acts").is_hidden()
        shown = page.locator(".cot-show").inner_text()
        assert not any(word in shown for word in ("chosen", "stopped at", "ranked", "Judge:"))
        quiet(page)
        asked = listened(page)
        tries = page.locator(".cot-try")
        tries.nth(1).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector('.cot-try[aria-label^="Attempt 2: you bet: stopped"]')
        page.keyboard.press("Enter")
        page.wait_for_selector('.cot-try[aria-label^="Attempt 2: you bet: wins"]')
        tries.nth(2).press("Space")
        tries.nth(2).press("Space")
        page.wait_for_selector('.cot-try[aria-label^="Attempt 3: you bet: wins"]')
        bets = [tries.nth(index).get_attribute("data-kind") for index in range(tries.count())]
        assert bets.count("won") == 1 and bets[2] == "won" and bets[1] == "alive"
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        assert [one["id"] for one in axe.run(page, context="#stage").response["violations"]] == []
        page.get_by_role("button", name="Reveal").press("Enter")
        page.wait_for_selector(".cot-guess-bar[data-scored]")
        told = page.locator(".cot-guess-bar").inner_text()
        assert told.startswith(f"You agree with the judge on {agreed(bets, page)} of {len(bets)} attempts: ")
        assert page.locator("#viewer .cot").is_visible() and "is chosen" in status(page)
        assert page.evaluate("document.activeElement.className") == "cot-try"
        assert asked == []


def agreed(bets: list[str], page) -> int:
    """On how many attempts the bets came true, by what the page says of them now."""
    ends = [one.get_attribute("data-kind") for one in page.locator(".cot-try").all()]
    same = [end if end in ("won", "pruned") else "alive" for end in ends]
    return sum(bet == end for bet, end in zip(bets, same))


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_is_guessed_is_played_from_there_on_and_can_be_left(visit, viewport):
    with visit(viewport=viewport, reduced_motion=MOVING) as page:
        guessing(page)
        assert page.locator(".cot-guess-bar").bounding_box()["width"] <= viewport["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        page.get_by_role("button", name="Just show it").click()
        page.wait_for_selector('.cot-show[data-part="painting"]')
        page.wait_for_selector('.cot-show[data-part="rest"]')
        assert page.locator(".cot-guess-bar[data-scored]").count() == 0
        page.get_by_label("guess first").uncheck()
        assert page.locator('.cot-show[data-part="rest"]').count() == 1
