"""The first paint, and what stands on the page before anything runs, in a real Chromium (``page_driver``)."""

from __future__ import annotations

import pytest
from page_driver import (
    DESKTOP,
    PHONE,
    PROMPT,
    filled,
    listened,
    open_settings,
    open_tab,
    quiet,
    run,
    shut,
    small,
    status,
)  # fmt: skip

from cotdemo.errors import UserError


def test_the_first_paint_is_a_recorded_run_before_any_model_has_loaded(site, enter):
    if site.loaded.is_set():
        pytest.skip("another test has loaded the model")
    page = enter()
    page.goto(site.url)
    page.wait_for_selector('.cot[data-phase="finished"] td[data-state="decoded"]')
    assert page.locator("td").count() == 8 * 18
    recorded = page.locator(".cot-recorded").inner_text()
    assert "2026-01-02" in recorded and page.locator(".cot-weights").is_hidden()
    page.get_by_label("for researchers").check()
    assert "5c41b7e0" in page.locator(".cot-weights").inner_text()
    assert page.locator(".cot-prompt").inner_text() == PROMPT
    assert not site.loaded.is_set()


def test_the_page_has_one_heading_of_the_first_order_and_names_its_backend(visit):
    with visit() as page:
        assert page.locator("h1").count() == 1
        assert page.locator(".cot-backend").inner_text() == "a small Show-o, trained here (mini)"
        page.get_by_role("button", name="What runs here").click()
        page.wait_for_selector("text=It knows")
        assert "as the palette above has them" in page.locator("#cot-about").inner_text()
        assert page.locator("footer").inner_text().strip().endswith(("API", "MCP"))  # and no dot after it


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_of_the_chosen_image_is_cut_off(visit, viewport):
    with visit(viewport=viewport) as page:
        page.locator("#picture img").scroll_into_view_if_needed()
        quiet(page)
        frame, image = (page.locator(name).bounding_box() for name in ("#picture", "#picture img"))
        assert image["y"] + image["height"] <= frame["y"] + frame["height"] + 0.5
        assert image["height"] > 200


def test_an_example_fills_the_prompt_and_asks_only_whether_it_can_be_painted(visit):
    with visit() as page:
        quiet(page)
        asked = listened(page)
        page.get_by_role("button", name="a dog right of a teddy bear", exact=True).click()
        page.wait_for_function(
            "document.querySelector('#prompt textarea').value === 'a photo of a dog right of a teddy bear'"
        )
        page.wait_for_timeout(500)
        assert all("/gradio_api/queue/" in url for url in asked) and len(asked) <= 2
        assert page.locator('#viewer .cot[data-phase="running"]').count() == 0


def test_what_is_not_offered_is_disabled_and_says_why(serve, tmp_path):
    page = serve(tmp_path, "show-o")
    page.get_by_role("tab", name="Run").click()
    assert page.locator('#choice option[value="self-correct"]').is_disabled()
    assert page.locator('#choice option[value="base"]').is_enabled()
    assert "no self-correcting Show-o has been released" not in page.locator("#choice").inner_text()
    for more in page.locator("#choice details.cot-choice-note summary").all():
        more.click()
    assert "no self-correcting Show-o has been released" in page.locator("#choice").inner_text()


def test_where_a_released_model_cannot_be_had_the_embedded_one_paints_beside_it(enter):
    from cotdemo.ui.embedded_beside import embedded_beside
    from cotdemo.ui.page import build_demo, launch_options

    def load():
        raise UserError("showlab/show-o could not be downloaded.")

    demo = build_demo("show-o", load)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options(lifespan=embedded_beside()))
    page = enter()
    page.goto(url)
    run(page, "failed")
    assert "could not be downloaded" in status(page)
    page.get_by_role("link", name="embedded model").click()
    page.wait_for_url("**/mini/")
    run(page)
    assert page.locator(".cot-prompt").inner_text() == "a photo of two red apples"
    assert page.get_by_role("link", name="embedded model").count() == 0
    shut(page)
    demo.close()


def test_tabs_go_by_the_address_by_the_arrow_keys_and_back(visit):
    with visit() as page:
        quiet(page)
        chosen = page.locator('[role="tab"][aria-selected="true"]')
        assert chosen.inner_text() == "Run" and page.locator(".cot-results").count() == 0
        page.get_by_role("tab", name="Run").press("ArrowLeft")
        page.wait_for_selector(".cot-lesson h2")
        assert chosen.inner_text() == "Learn" and page.url.endswith("#learn")
        page.get_by_role("tab", name="Learn").press("ArrowLeft")
        page.wait_for_selector(".cot-results h2")
        assert chosen.inner_text() == "Results" and page.url.endswith("#results")
        page.go_back()
        page.go_back()
        page.wait_for_selector(".cot-matrix td", state="visible")
        assert chosen.inner_text() == "Run" and page.locator(".cot-results h2").is_hidden()
    with visit(small("orm", 5, 9, 77) + "#results") as page:
        page.wait_for_selector(".cot-results h2")
        open_tab(page, "Run")
        open_settings(page)
        filled(page, 77)
        assert "#" not in page.url
