"""A run on the page: its cells, marks, seed and words; the same by the named endpoints."""

from __future__ import annotations

import json

import pytest
from page_driver import PROMPT, cells, filled, open_settings, open_tab, run, share, small, status

from cotdemo.run.png import read_png_settings


def test_a_run_fills_a_cell_for_every_path_and_step(visit):
    with visit(small("orm", 5, 7)) as page:
        open_settings(page)
        filled(page, 3)
        run(page)
        assert page.locator("td").count() == 35 and cells(page, "decoded") == 35
        drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
        assert all(page.locator("td canvas").nth(index).evaluate(drawn) for index in (0, 17, 34))
        assert page.locator('tr[data-kind="won"]').count() == 1


def test_stopped_paths_are_marked_with_their_step_and_probability(visit):
    with visit() as page:
        assert page.locator("td").count() == 8 * 18
        pruned = page.locator('tr[data-kind="pruned"]')
        assert pruned.count() == 3
        words = pruned.first.locator("th").inner_text()
        assert "stopped at step" in words and "can still work" in words
        cell = pruned.first.locator("td[data-ends]").inner_text()
        assert words.split()[-1] in cell  # the row and its cell say the same of it
        ends = page.locator('td[data-ends="true"]')
        assert ends.count() == 3 and "stopped here" in ends.first.get_attribute("aria-label")
        assert cells(page, "decoded") + cells(page, "cut") == 8 * 18


def test_the_used_seed_is_shown(visit):
    with visit() as page:
        open_settings(page)
        run(page)
        seed = page.locator("#seed input").input_value()
        assert f"seed {seed}" in page.locator(".cot-settings").inner_text()


def test_an_unknown_word_is_told_in_words_and_the_next_run_works(visit, site):
    site.backend.any_words = False
    try:
        with visit() as page:
            page.fill("#prompt textarea", "a photo of a unicorn")
            run(page, "failed")
            assert "unicorn" in status(page)
            assert cells(page, "decoded") > 0  # what was on show stays
            page.wait_for_selector("#run:not([disabled])")
            page.fill("#prompt textarea", "a photo of a dog")
            run(page)
            assert page.locator(".cot-prompt").inner_text() == "a photo of a dog"
    finally:
        site.backend.any_words = True


def test_rules_of_stopping_are_chosen_in_the_form_and_told_of_the_run(visit):
    with visit(small("parm", 3, 6, 5)) as page:
        open_settings(page)
        page.get_by_label("leniently").check()
        share(page, "Link")
        page.wait_for_selector(".cot-code:has-text('&stopping=lenient')")
        run(page)
        assert "stops leniently" in page.locator(".cot-settings").inner_text()


def test_the_time_is_told_once_it_is_known_and_a_limit_where_it_is_broken(visit):
    with visit(small("baseline", 1, 4)) as page:
        open_settings(page)
        filled(page, 3)
        run(page)
        page.wait_for_selector(".cot-estimate:has-text('Under a second for Baseline, 1 attempt × 4 steps')")
        page.locator("#paths input[type=number]").fill("32")
        page.get_by_label("number input for Steps").fill("50")
        page.wait_for_selector(".cot-limit:has-text('at most 800')")
        height = page.locator(".cot-estimate").evaluate("line => line.offsetHeight")
        page.locator("#paths input[type=number]").fill("2")
        page.wait_for_function("!document.querySelector('.cot-limit').textContent")
        assert page.locator(".cot-estimate").evaluate("line => line.offsetHeight") <= height


def test_a_run_goes_on_while_another_tab_is_open(visit, site):
    with visit(small("orm", 4, 20)) as page:
        open_settings(page)
        filled(page, 3)
        with site.backend.held(after=1):
            run(page, "running")
            open_tab(page, "Results")
            page.wait_for_selector(".cot-results h2")
        page.wait_for_selector('#viewer .cot[data-phase="finished"]', state="attached")
        open_tab(page, "Run")
        assert cells(page, "decoded") == 80 and page.locator(".cot-matrix").is_visible()


def test_the_named_endpoints_answer_a_client(site):
    from gradio_client import Client

    site.may_load.set()
    client = Client(site.url, verbose=False)
    asked = {"prompt": PROMPT, "method": "parm", "paths": 2, "steps": 4, "seed": 9}
    image, said = client.predict(**asked, api_name="/generate")
    made = json.loads(said)
    assert made["settings"]["seed"] == 9 and read_png_settings(image).seed == 9 and "trace" not in made
    _, said = client.predict(run=made["run"], anyway=True, api_name="/reflect")
    again = json.loads(said)
    assert again["critique"] and again["before"] == made["verdict"] and again["run"] != made["run"]
    _, said = client.predict(**asked, with_trace=True, api_name="/generate")
    trace = json.loads(said)["trace"]
    _, said = client.predict(trace=trace, anyway=True, with_trace=True, api_name="/reflect")
    further = json.loads(said)
    assert further["verdict"] == again["verdict"] and len(further["trace"]["events"]) > len(trace["events"])
    with pytest.raises(Exception, match="paths must be"):
        client.predict(prompt=PROMPT, paths=1000, api_name="/generate")
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/generate", "/reflect"}
