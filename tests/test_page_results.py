"""The Results tab in a real Chromium, over invented figures (``results_double``)."""

from __future__ import annotations

import pytest
from page_driver import DESKTOP, PHONE, row_of, unfold
from results_double import WHY_NOT

MOST = 2000  # pixels that the tab may be high on a desktop


def choose(page, words: str) -> None:
    page.locator(f'.cot-chip:has-text("{words}")').click()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_kind_and_rule_change_the_figures_here_and_leave_the_papers_apart(visit, viewport):
    with visit("#results", viewport) as page:
        here, paper = (row_of(page, "parm").locator(f'td[data-source="{source}"]') for source in ("here", "paper"))
        assert here.inner_text().split()[0] == ".750" and "9 of 12 images" in here.inner_text()
        assert paper.inner_text().strip() == ".67"
        choose(page, "strict")
        assert here.inner_text().split()[0] == ".667" and paper.inner_text().strip() == ".67"
        choose(page, "counting")
        assert here.inner_text().split()[0] == "1.000" and paper.inner_text().strip() == ".68"
        heads = page.locator(".cot-source").all_inner_texts()
        assert heads[:2] == ["here, embedded model", "paper, full-size model, GenEval"]
        unfold(page, "The whole ladder")
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
        unfold(page, "What each row adds")
        row_of(page, "PARM - Show-o, base").locator("th").hover()
        assert "+.500" in card.inner_text() and "+.14" in card.inner_text()


def test_a_tap_shows_the_same_on_a_phone_within_the_screen(visit):
    with visit("#results", PHONE, has_touch=True) as page:
        row_of(page, "parm").locator("button").tap()
        box = page.locator(".cot-about").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        chart = unfold(page, "More paths").locator(".cot-plot").first
        chart.scroll_into_view_if_needed()
        point = chart.locator('[data-series="parm"] .cot-point').nth(1).bounding_box()
        page.touchscreen.tap(point["x"] + 4, point["y"] + 4)
        assert page.locator(".cot-about h4").inner_text().startswith("2 paths")


def test_a_point_is_marked_in_both_charts_and_its_interval_told(visit):
    with visit("#results") as page:
        part = unfold(page, "More paths")
        chart = part.locator(".cot-plot").first
        chart.scroll_into_view_if_needed()
        point = chart.locator('[data-series="orm"] .cot-point').nth(2).bounding_box()
        page.mouse.move(point["x"] + 4, point["y"] + 4)
        chosen = page.locator(".cot-about tr[data-chosen]").inner_text()
        assert "ORM" in chosen and ".750 [.700, .800]" in chosen and "9 of 12" in chosen
        assert [part.locator(".cot-plot").nth(index).locator(".cot-ring").count() for index in (0, 1)] == [5, 4]
        box = chart.bounding_box()
        page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20)  # a corner, far from every point
        assert page.locator(".cot-about h4").inner_text().startswith("8 paths")
        page.locator(".cot-about").press("Escape")
        chart.focus()
        for key, words in (("ArrowRight", "2 paths"), ("ArrowRight", "8 paths"), ("ArrowLeft", "2 paths")):
            page.keyboard.press(key)
            assert page.locator(".cot-about h4").inner_text().startswith(words)


def test_lines_are_hidden_and_generators_chosen(visit):
    with visit("#results") as page:
        part = unfold(page, "More paths")
        line = part.locator('.cot-plot [data-series="orm"]')
        assert line.count() == 2
        part.locator(".cot-entry:text-is('ORM')").click()
        assert line.count() == 0
        page.locator(".cot-chooser select").select_option("self-correct")
        assert "--model self-correct" in part.locator(".cot-origin").inner_text()
        part.locator(".cot-numbers-fold summary").click()
        table = part.locator(".cot-numbers table").inner_text()
        assert ".250 [.200, .300]" in table and "13 GFLOP" in table


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_the_judge_states_stands_against_how_often_it_was_right(visit, viewport):
    with visit("#results", viewport) as page:
        part = unfold(page, "as sure as it should be")
        charts = part.locator(".cot-plot")
        assert charts.count() == 3 and part.locator("figcaption").all_inner_texts()[0] == "Is it clear enough?"
        first = charts.first
        first.scroll_into_view_if_needed()
        assert first.locator(".cot-point").count() == 8 and first.locator(".cot-point[data-few]").count() == 2
        assert first.locator(".cot-guide").get_attribute("d").startswith("M")
        counts = first.locator(".cot-point-name").all_text_contents()
        assert "4,000" in counts and len(counts) >= 6
        off = part.locator(".cot-outcome").inner_text()
        assert "PARM, outcome .050 over 17,376 answers" in off
        point = first.locator(".cot-point").last.bounding_box()
        page.mouse.move(point["x"] + 4, point["y"] + 4)
        card = page.locator(".cot-about")
        assert card.locator("h4").inner_text() == "P(yes) 90% to 100%"
        assert ".950" in card.inner_text() and ".900" in card.inner_text() and "of 12,000" in card.inner_text()
        page.mouse.move(5, 5)
        part.locator(".cot-numbers-fold summary").click()
        assert "12,000" in part.locator(".cot-numbers table").inner_text()
        unfold(page, "More paths")
        page.locator(".cot-chooser select").select_option("self-correct")  # measured before there was a calibration
        assert part.is_hidden()


def test_without_figures_the_tab_says_what_makes_them(serve, tmp_path):
    (tmp_path / "curves.json").write_text('{"format": "cotdemo-curves", "version": 99}')
    page = serve(tmp_path)
    unfold(page, "More paths")
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


def test_the_tab_is_short_begins_with_findings_and_unfolds_by_the_keyboard(visit):
    with visit("#results") as page:
        assert page.evaluate("document.documentElement.scrollHeight") < MOST
        findings = page.locator(".cot-findings")
        assert "Which method is worth its cost?" in findings.inner_text()
        said = findings.inner_text()
        choose(page, "strict")
        assert findings.inner_text() != said and "points [" in findings.inner_text()
        assert page.locator(".cot-fold[open]").count() == 0
        for part in page.locator(".cot-fold").all():
            part.locator("summary").first.focus()
            page.keyboard.press("Enter")
            part.locator(":scope > .cot-note + *").wait_for(state="visible")
        stuck = "all => all.filter((one) => ['sticky', 'fixed'].includes(getComputedStyle(one).position)).length"
        assert page.locator(".cot-results *").evaluate_all(stuck) == 0
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        faults = axe.run(page, context="#measured").response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:120]) for one in faults] == []


def test_a_point_of_the_chart_tells_what_its_row_gets_and_costs(visit):
    with visit("#results") as page:
        chart = page.locator(".cot-plot").first
        assert chart.locator('[data-series="parm"] .cot-point').count() == 1
        chart.focus()
        page.keyboard.press("ArrowDown")
        card = page.locator(".cot-about")
        assert "A prompt: " in card.inner_text() and "GFLOP" in card.inner_text()
        page.keyboard.press("Escape")
        assert card.is_hidden()
