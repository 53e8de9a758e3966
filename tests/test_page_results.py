"""The Results tab in a real Chromium, over invented figures (``results_double``)."""

from __future__ import annotations

import pytest
from page_driver import DESKTOP, PHONE, row_of
from results_double import WHY_NOT


def choose(page, words: str) -> None:
    page.locator(f'.cot-chip:has-text("{words}")').click()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_kind_and_rule_change_the_figures_here_and_leave_the_papers_apart(visit, viewport):
    with visit("#results", viewport) as page:
        here, paper = (row_of(page, "parm").locator(f'td[data-source="{source}"]') for source in ("here", "paper"))
        assert here.inner_text().split()[0] == ".750" and "9 of 12 pictures" in here.inner_text()
        assert paper.inner_text().strip() == ".67"
        choose(page, "strict")
        assert here.inner_text().split()[0] == ".667" and paper.inner_text().strip() == ".67"
        choose(page, "counting")
        assert here.inner_text().split()[0] == "1.000" and paper.inner_text().strip() == ".68"
        heads = page.locator(".cot-source").all_inner_texts()
        assert heads[:2] == ["here, embedded model", "paper, full-size model, GenEval"]
        assert WHY_NOT in row_of(page, "dpo").inner_text()
        assert "seed 2: " in row_of(page, "dpo-iter").inner_text()
        if viewport is DESKTOP:
            assert "python -m cotdemo eval --table --limit 2" in page.locator(".cot-origin").first.inner_text()


def test_pointing_at_a_row_shows_counts_and_intervals_by_kind(visit):
    with visit("#results") as page:
        row_of(page, "orm").locator("th").hover()
        card = page.locator(".cot-about")
        assert "8 of 12" in card.inner_text() and "[" in card.inner_text() and "colour attribution" in card.inner_text()
        page.mouse.move(5, 5)
        assert card.is_hidden()
        row_of(page, "plain").locator("button").focus()
        page.keyboard.press("ArrowDown")  # the mouse was last: from here on it is the keyboard
        assert page.locator(".cot-about h4").inner_text().startswith("ORM")
        page.keyboard.press("Escape")
        assert card.is_hidden()
        row_of(page, "PARM - Show-o, base").locator("th").hover()
        assert "+.500" in card.inner_text() and "+.14" in card.inner_text()


def test_a_tap_shows_the_same_on_a_phone_within_the_screen(visit):
    with visit("#results", PHONE, has_touch=True) as page:
        row_of(page, "parm").locator("button").tap()
        box = page.locator(".cot-about").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        chart = page.locator(".cot-plot").first
        chart.scroll_into_view_if_needed()
        point = chart.locator('[data-series="parm"] .cot-point').nth(1).bounding_box()
        page.touchscreen.tap(point["x"] + 4, point["y"] + 4)
        assert page.locator(".cot-about h4").inner_text().startswith("2 paths")


def test_a_point_is_marked_in_both_charts_and_its_interval_told(visit):
    with visit("#results") as page:
        chart = page.locator(".cot-plot").first
        chart.scroll_into_view_if_needed()
        point = chart.locator('[data-series="orm"] .cot-point').nth(2).bounding_box()
        page.mouse.move(point["x"] + 4, point["y"] + 4)
        chosen = page.locator(".cot-about tr[data-chosen]").inner_text()
        assert "ORM" in chosen and ".750 [.700, .800]" in chosen and "9 of 12" in chosen
        assert [page.locator(".cot-plot").nth(index).locator(".cot-ring").count() for index in (0, 1)] == [5, 4]
        page.locator(".cot-about").press("Escape")
        chart.focus()
        for key, words in (("ArrowRight", "2 paths"), ("ArrowRight", "8 paths"), ("ArrowLeft", "2 paths")):
            page.keyboard.press(key)
            assert page.locator(".cot-about h4").inner_text().startswith(words)


def test_lines_are_hidden_and_generators_chosen(visit):
    with visit("#results") as page:
        line = page.locator('.cot-plot [data-series="orm"]')
        assert line.count() == 2
        page.locator(".cot-entry:text-is('ORM')").click()
        assert line.count() == 0
        page.locator(".cot-chooser select").select_option("self-correct")
        assert "--model self-correct" in page.locator(".cot-origin").last.inner_text()
        page.locator(".cot-numbers-fold summary").first.click()
        table = page.locator(".cot-numbers table").first.inner_text()
        assert ".250 [.200, .300]" in table and "13 GFLOP" in table


def test_without_figures_the_tab_says_what_makes_them(serve, tmp_path):
    (tmp_path / "curves.json").write_text('{"format": "cotdemo-curves", "version": 99}')
    page = serve(tmp_path)
    words = page.locator(".cot-results").inner_text()
    assert "Nothing is measured here yet." in words and "python -m cotdemo eval --table" in words
    assert "curves.json is damaged" in words and "python -m cotdemo eval --curves" in words
    assert str(tmp_path) not in page.content()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, {"width": 1600, "height": 900}], ids=["desktop", "phone", "wide"])
def test_every_row_is_drawn_on_the_scale_of_its_columns_head(visit, viewport):
    with visit("#results", viewport) as page:
        for source in ("here", "paper"):
            table = page.locator(".cot-strips").first
            spans = """all => all.map((one) => one.getBoundingClientRect()).filter(({ width }) => width > 0)
                .map(({ left, width }) => [left, width])"""
            strips = table.locator(f'tbody .cot-strip[data-source="{source}"]').evaluate_all(spans)
            axes = table.locator(f'thead [data-source="{source}"] .cot-axis').evaluate_all(spans)
            assert strips and all(abs(one - other) < 1.5 for strip in strips for one, other in zip(strip, strips[0]))
            for axis in axes:
                assert all(abs(one - other) < 1.5 for one, other in zip(axis, strips[0]))
