"""The checklist on the page: bars under every guess, words beside the one that is large; a critique that agrees."""

from __future__ import annotations

import re

import pytest
from page_driver import DESKTOP, PHONE, filled, open_settings, run, seed_whose_winner_is, settled, small
from test_page_manners import serious

ASKED = ("a car", "a red car", "a bus", "a blue bus")  # of ``page_driver.PROMPT``


def lines(page) -> list[str]:
    return page.locator(".cot-checklist li").all_text_contents()


def a_run(page, seed: int = 3) -> None:
    open_settings(page)
    filled(page, seed)
    run(page)
    page.wait_for_selector('.cot-show[data-part="rest"]')


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_bars_stand_under_every_guess_and_words_beside_those_of_the_one_shown_large(visit, viewport):
    with visit(small(), viewport) as page:
        a_run(page)
        assert [line.rpartition(": ")[0] for line in lines(page)] == list(ASKED)
        assert all(re.fullmatch(r".*: \d+%", line) for line in lines(page))
        last = page.locator('tr[data-kind="won"] td').last
        assert last.locator(".cot-checks i[data-says]").count() == len(ASKED)
        for line in lines(page):  # plain words, for whoever hovers and whoever hears
            assert line in last.get_attribute("aria-label") and line in last.get_attribute("title")
        assert page.locator('td[data-state="cut"] i[data-says]').count() == 0
        edge = page.locator(".cot-decided").evaluate("one => one.scrollWidth - one.clientWidth")
        assert edge <= 0 and page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        page.get_by_label("for researchers").check()
        page.wait_for_function("document.querySelector('.cot-checklist li').textContent.match(/: [.1]/)")


def test_what_an_attempt_will_miss_is_seen_and_since_when(visit):
    with visit(small(paths=8, steps=12)) as page:
        a_run(page)
        page.locator('.cot-try[data-kind="pruned"]').first.click()
        page.wait_for_selector('.cot-checklist i[data-says="no"]')
        missed = page.locator('.cot-checklist li:has(i[data-says="no"])')
        assert missed.text_content().startswith("a blue bus:") and "at step" in missed.get_attribute("title")
        rows = page.locator(".cot-decided dt").all_inner_texts()
        words = page.locator(".cot-decided .cot-words").all_inner_texts()
        assert rows == list(ASKED)
        assert re.fullmatch(r"\d+% · missing since step \d+", words[-1]), words
        assert all(re.fullmatch(r"\d+% · there since step \d+", one) for one in words[:-1]), words
        since = int(words[-1].split()[-1])
        cells = page.locator('tr[data-selected] td[data-state="decoded"]')
        said = [cells.nth(at).locator("i").last.get_attribute("data-says") for at in range(cells.count())]
        assert said[since - 1 :] == ["no"] * (cells.count() - since + 1) and (since == 1 or said[since - 2] == "yes")


@pytest.mark.parametrize(
    ("critique", "agrees"), [("the bus is red , not blue", True), ("there is a dog too many", False)]
)
def test_a_critique_and_the_checklist_agree_or_nothing_is_claimed(visit, site, critique, agrees):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    seed = seed_whose_winner_is(right=False)
    with visit(small("parm", 2, 6, seed)) as page:
        site.backend.critique = critique
        a_run(page, seed)
        page.click("#reflect")
        page.wait_for_selector(".cot-card img >> nth=1")
        settled(page)
        said = page.locator(".cot-agreed").all_inner_texts()
        assert [re.sub(r"\s+", " ", one) for one in said] == ["The checklist says so, too a blue bus: 2%"] * agrees
        for theme in ("light", "dark"):
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
            for part in ("#stage", "#viewer"):
                found = serious(axe.run(page, context=part).response["violations"])
                assert [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found] == []


def test_it_can_be_left_out(visit):
    with visit(small()) as page:
        open_settings(page)
        filled(page, 3)
        page.get_by_label("Checklist").uncheck()
        run(page)
        assert page.locator("i[data-says]:visible").count() == page.locator(".cot-key i[data-says]").count()
        assert page.locator(".cot-checklist").is_hidden() and "checklist=false" in page.url
