"""Hostile prompts, critiques, files, addresses and figures, which the page shows as text or refuses in words."""

from __future__ import annotations

import json

from page_driver import HOSTILE, filled, open_settings, row_of, run, seed_whose_winner_is, small, status
from results_double import invent


def test_hostile_text_is_shown_as_text(visit, site):
    site.backend.critique = HOSTILE
    seed = seed_whose_winner_is(right=False)
    with visit(small("parm", 2, 6, seed)) as page:
        open_settings(page)
        filled(page, seed)
        page.fill("#prompt textarea", HOSTILE)
        run(page)
        assert page.locator(".cot-prompt").inner_text() == HOSTILE
        page.wait_for_selector("#reflect:not([disabled])")
        page.click("#reflect")
        page.wait_for_selector("#anyway, .cot-critique blockquote", state="visible")
        if page.locator("#anyway").is_visible():
            page.click("#anyway")
        page.wait_for_selector(".cot-card img >> nth=1")
        assert page.locator(".cot-critique blockquote").inner_text() == HOSTILE
        assert page.locator(".cot img:not(.cot-image, .cot-pane > img), .cot script").count() == 0


def test_hostile_text_in_an_opened_trace_is_shown_as_text(visit, site, tmp_path):
    content = json.loads(site.trace.to_json())
    content["events"][0]["prompt"] = HOSTILE
    content["events"][0]["weights"] = {"<b>generator": "${1+1}"}
    content["created"] = "<img src=x onerror=alert(1)>"
    (tmp_path / "trace.json").write_text(json.dumps(content))
    with visit() as page:
        page.locator("input[type=file]").first.set_input_files(tmp_path / "trace.json")
        page.wait_for_selector(".cot-recorded:has-text('opened trace')")
        assert page.locator(".cot-prompt").inner_text() == HOSTILE
        assert page.locator(".cot img:not(.cot-image), .cot script, .cot b").count() == 0


def test_a_file_that_is_no_trace_is_refused_in_words(visit, tmp_path):
    (tmp_path / "bad.json").write_text('{"format": "cotdemo-trace", "version": 99}')
    with visit() as page:
        page.locator("input[type=file]").first.set_input_files(tmp_path / "bad.json")
        page.wait_for_selector('.cot[data-phase="failed"]')
        assert "version" in status(page)


def test_hostile_settings_in_the_address_are_refused_and_nothing_runs(visit):
    with visit(small(paths="<img src=x onerror=alert(1)>", prompt=HOSTILE)) as page:
        page.wait_for_selector('.cot[data-phase="failed"]')
        assert "paths must be a number" in status(page)


def test_hostile_text_in_measured_figures_is_shown_as_text(serve, tmp_path):
    invent(tmp_path)
    content = json.loads((tmp_path / "ladder.json").read_text())
    for row in content["rows"]:
        row.update(
            label=HOSTILE, method=HOSTILE, training_seed=row["training_seed"].replace("2", HOSTILE), hardware=HOSTILE
        )
        row["missing"] = row["missing"] and HOSTILE
    content["differences"][0]["label"] = HOSTILE
    (tmp_path / "ladder.json").write_text(json.dumps(content))
    content = json.loads((tmp_path / "curves.json").read_text())
    content["generators"][0]["model"] = content["generators"][0]["methods"][0]["method"] = HOSTILE
    (tmp_path / "curves.json").write_text(json.dumps(content))
    page = serve(tmp_path)
    assert row_of(page, "parm").locator("button").inner_text() == HOSTILE
    row_of(page, "parm").locator("th").hover()
    assert HOSTILE in page.locator(".cot-about").inner_text()
    assert all(HOSTILE in page.locator(".cot-legend-row").nth(chart).text_content() for chart in (0, 1))
    assert HOSTILE in page.locator(".cot-findings").inner_text()
    assert page.locator(".cot-results :is(img, script)").count() == 0
