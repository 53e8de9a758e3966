"""The page in a real Chromium, over a scripted generator and judge (``page_double``). A console error fails a test."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from contextlib import closing, contextmanager

import pytest
from page_double import Double
from results_double import WHY_NOT, invent

from cotdemo.errors import UserError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (apt-get install chromium)")

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()
PATIENCE = 90_000  # milliseconds; a busy machine is slow
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PROMPT = "a photo of a red star and a blue moon"
DRAWN = ".cot-plot svg[width]"  # the Results tab, open, with its charts
# what of the Results tab reaches over the edge, save what scrolls for itself
TOO_WIDE = """
    all => all.filter((one) => !one.closest(".cot-numbers") && one.getBoundingClientRect().right > innerWidth)
        .map((one) => one.outerHTML.slice(0, 80))
"""
HOSTILE = "${7*7} {{value}} `${alert(1)}` <img src=x onerror=alert(1)> </script><script>alert(1)</script>"


class Site:
    """A page being served: its address, its backend, and the gate that holds its loading back."""

    def __init__(self, folder):
        from cotdemo.search import search
        from cotdemo.trace import Trace
        from cotdemo.ui.page import ASSETS, build_demo, launch_options

        self.backend = Double(pace=0.01, any_words=True)
        self.loaded = threading.Event()
        self.may_load = threading.Event()
        self.trace = Trace.of(search("parm", Double(pace=0), PROMPT, seed=3), created="2026-01-02T03:04:05+00:00")
        self.trace.save(folder / "recorded.json")
        invent(folder)
        shutil.copytree(ASSETS / "runs", folder / "runs")
        self.demo = build_demo("mini", self.load, recorded=folder / "recorded.json", assets=folder)
        _, self.url, _ = self.demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())

    def load(self):
        self.may_load.wait(600)
        self.loaded.set()
        return self.backend


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("page"))
    yield site
    site.may_load.set()
    site.demo.close()


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def watched(context, errors: list[str]):
    """A new page that adds to ``errors`` what goes wrong in it."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: (errors.append("a dialog: " + dialog.message), dialog.dismiss()))
    return page


@pytest.fixture
def visit(browser, site):
    """Opens the page in a context of its own; at the end, nothing may have been written to a console as an error."""
    site.may_load.set()
    site.backend.pace, site.backend.critique = 0.01, ""
    errors = []

    @contextmanager
    def opened(query: str = "", viewport=DESKTOP, **options):
        context = browser.new_context(viewport=viewport, **options)
        page = watched(context, errors)
        page.goto(site.url + query)
        page.wait_for_selector(".cot-matrix td", state="attached")
        if query.endswith("#results"):
            page.wait_for_selector(DRAWN)
        yield page
        context.close()

    yield opened
    assert errors == []


def small(method: str = "parm", paths: int = 4, steps: int = 6, seed: int = 3, prompt: str = PROMPT) -> str:
    from urllib.parse import urlencode

    query = {"prompt": prompt, "method": method, "paths": paths, "steps": steps, "seed": seed}
    return "?" + urlencode(query)


def filled(page, seed: int, prompt: str = PROMPT) -> None:
    """Waits until the settings of the address are in the form, so that they overwrite nothing typed after."""
    page.wait_for_function(
        "([seed, prompt]) => document.querySelector('#seed input')?.value === seed"
        " && document.querySelector('#prompt textarea').value === prompt",
        arg=[str(seed), prompt],
    )


def open_settings(page) -> None:
    page.get_by_role("button", name="Paths, steps, guidance, seed").click()


def run(page, phase: str = "finished") -> None:
    """Presses Run and waits until the page shows that run, not the one it replaces."""
    page.locator("#viewer .cot").evaluate("viewer => { viewer.dataset.phase = 'pressed'; }")
    page.click("#run")
    under_way = phase in ("running", "waiting")
    page.wait_for_selector(f'.cot[data-phase="{phase}"]') if under_way else settled(page, phase)


def settled(page, phase: str = "finished") -> None:
    page.wait_for_selector(f'.cot[data-phase="{phase}"]')
    page.wait_for_selector("#run:not([disabled])")


def quiet(page) -> None:
    """Waits until the page has asked nothing for a second. (Its heartbeat never ends: "networkidle" does not come.)"""
    asked = [time.monotonic()]
    page.on("request", lambda _: asked.append(time.monotonic()))
    while time.monotonic() - asked[-1] < 1:
        page.wait_for_timeout(100)


def cells(page, state: str) -> int:
    return page.locator(f'td[data-state="{state}"]').count()


def status(page) -> str:
    return page.locator(".cot-status").inner_text()


# -- first paint


def test_the_first_paint_is_a_recorded_run_before_any_model_has_loaded(site, browser):
    if site.loaded.is_set():
        pytest.skip("another test has loaded the model")
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(site.url)
    page.wait_for_selector('.cot[data-phase="finished"] td[data-state="decoded"]')
    assert page.locator("td").count() == 8 * 18
    recorded = page.locator(".cot-recorded").inner_text()
    assert "2026-01-02" in recorded and "5c41b7e0" in recorded
    assert page.locator(".cot-prompt").inner_text() == PROMPT
    assert not site.loaded.is_set()
    context.close()


def test_the_page_has_one_heading_of_the_first_order_and_names_its_backend(visit):
    with visit() as page:
        assert page.locator("h1").count() == 1
        assert "mini" in page.locator(".cot-backend").inner_text()
        page.get_by_role("button", name="What runs here").click()
        page.wait_for_selector("text=It knows")
        assert "star" in page.locator("#cot-about").inner_text()


# -- running


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
        assert "stopped at" in words and "P(no)" in words
        ends = page.locator('td[data-ends="true"]')
        assert ends.count() == 3 and "stopped here" in ends.first.get_attribute("aria-label")
        assert cells(page, "decoded") + cells(page, "cut") == 8 * 18


def test_the_used_seed_is_shown(visit):
    with visit() as page:
        open_settings(page)
        run(page, "running")
        settled(page)
        seed = page.locator("#seed input").input_value()
        assert f"seed {seed}" in page.locator(".cot-settings").inner_text()


def test_an_example_fills_the_prompt_and_asks_the_server_nothing(visit):
    with visit() as page:
        quiet(page)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.get_by_role("button", name="a tree left of a star", exact=True).click()
        page.wait_for_function(
            "document.querySelector('#prompt textarea').value === 'a photo of a tree left of a star'"
        )
        assert asked == []


def test_what_is_not_offered_is_disabled_and_says_why(serve, tmp_path):
    page = serve(tmp_path, "show-o")
    page.get_by_role("tab", name="Run").click()
    assert page.locator('#choice option[value="self-correct"]').is_disabled()
    assert page.locator('#choice option[value="base"]').is_enabled()
    assert "No self-correcting Show-o has been released" in page.locator("#choice").inner_text()


def test_where_a_released_model_cannot_be_had_the_embedded_one_paints_beside_it(browser):
    from cotdemo.ui.beside import embedded_beside
    from cotdemo.ui.page import build_demo, launch_options

    def load():
        raise UserError("showlab/show-o could not be downloaded.")

    demo = build_demo("show-o", load)
    _, url, _ = demo.launch(
        prevent_thread_lock=True, quiet=True, app_kwargs={"lifespan": embedded_beside}, **launch_options()
    )
    errors: list[str] = []
    with closing(browser.new_context(viewport=DESKTOP)) as context:
        page = watched(context, errors)
        page.goto(url)
        run(page, "failed")
        assert "could not be downloaded" in status(page)
        page.get_by_role("link", name="embedded model").click()
        page.wait_for_url("**/mini/")
        run(page)
        assert page.locator(".cot-prompt").inner_text() == "a photo of three hearts"
        assert page.get_by_role("link", name="embedded model").count() == 0
    demo.close()
    assert errors == []


def test_an_unknown_word_is_told_in_words_and_the_next_run_works(visit, site):
    site.backend.any_words = False
    try:
        with visit() as page:
            page.fill("#prompt textarea", "a photo of a zebra")
            run(page, "failed")
            assert "zebra" in status(page)
            assert cells(page, "decoded") > 0  # what was on show stays
            page.wait_for_selector("#run:not([disabled])")
            page.fill("#prompt textarea", "a photo of a star")
            run(page)
            assert page.locator(".cot-prompt").inner_text() == "a photo of a star"
    finally:
        site.backend.any_words = True


# -- looking closer: the browser alone


def test_scrubbing_playing_and_arrow_keys_ask_the_server_nothing(visit):
    with visit() as page:
        quiet(page)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.locator('td[data-path="2"][data-step="4"]').click()
        assert page.locator(".cot-focus-title").inner_text().startswith("Path 3")
        assert page.locator(".cot-place").inner_text() == "step 5 of 18"
        for key, place in (("ArrowRight", (2, 5)), ("ArrowDown", (3, 5)), ("ArrowLeft", (3, 4)), ("Home", (3, 0))):
            page.keyboard.press(key)
            chosen = page.locator('td[aria-selected="true"]')
            assert (chosen.get_attribute("data-path"), chosen.get_attribute("data-step")) == tuple(map(str, place))
            assert chosen.evaluate("cell => cell === document.activeElement")
        page.locator(".cot-slider").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".cot-place").inner_text() == "step 2 of 18"
        page.locator(".cot-play").click()
        page.wait_for_function("document.querySelector('.cot-place').textContent === 'step 5 of 18'")
        page.locator(".cot-play").click()
        assert page.locator(".cot-play").get_attribute("aria-label") == "Play the steps"
        page.locator(".cot-figure canvas").first.hover()
        page.wait_for_selector(".cot-note:has-text('Token in row')")
        assert asked == []


def test_the_guess_and_what_is_kept_differ_while_tokens_are_masked(visit):
    with visit() as page:
        pixels = (
            "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).join()"
        )
        kept, guess = (page.locator(".cot-figure canvas").nth(index) for index in (0, 1))
        page.locator('td[data-path="0"][data-step="3"]').click()
        page.wait_for_timeout(300)
        assert kept.evaluate(pixels) != guess.evaluate(pixels)
        assert "tokens kept" in page.locator(".cot-focus > .cot-note").inner_text()


# -- stopping, and others


def test_stop_ends_the_run_and_the_next_one_starts_clean(visit, site):
    site.backend.pace = 0.25
    with visit(small(steps=30)) as page:
        open_settings(page)
        filled(page, 3)
        run(page, "running")
        page.wait_for_selector('td[data-step="2"][data-state="decoded"]')
        page.click("#stop")
        settled(page, "stopped")
        assert "Stopped" in status(page) and 0 < cells(page, "decoded") < 120
        before = cells(page, "decoded")
        page.wait_for_timeout(600)
        assert cells(page, "decoded") == before
        site.backend.pace = 0.01
        run(page)
        assert cells(page, "decoded") + cells(page, "cut") == 120


def test_closing_the_page_stops_the_work(visit, site):
    site.backend.pace = 0.1
    with visit(small("orm", 4, 50)) as page:
        open_settings(page)
        filled(page, 3)
        run(page, "running")
        page.wait_for_selector('td[data-step="3"][data-state="decoded"]')
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        steps = site.backend.steps_painted
        time.sleep(1)
        if site.backend.steps_painted == steps:
            return
    raise AssertionError("the work goes on")


def test_two_visitors_do_not_mix(visit):
    with visit(small("orm", 2, 4, prompt="a photo of a star")) as one, visit(small("orm", 3, 5)) as other:
        for page, prompt in ((one, "a photo of a star"), (other, PROMPT)):
            open_settings(page)
            filled(page, 3, prompt)
        for page in (one, other):
            page.locator("#viewer .cot").evaluate("viewer => { viewer.dataset.phase = 'pressed'; }")
            page.click("#run")
        settled(one)
        settled(other)
        assert one.locator(".cot-prompt").inner_text() == "a photo of a star"
        assert other.locator(".cot-prompt").inner_text() == PROMPT
        assert (one.locator("td").count(), other.locator("td").count()) == (8, 15)


def test_a_message_lost_on_the_way_is_asked_for_again(visit):
    drop = """
        const parse = JSON.parse;
        JSON.parse = (text, ...more) => {
            const value = parse(text, ...more);
            if (value?.seq !== 2 || window.dropped) return value;
            window.dropped = true;
            return { notice: { type: "Nothing" } };
        };
    """
    with visit(small("orm", 4, 12)) as page:
        open_settings(page)
        filled(page, 3)
        page.evaluate(drop)
        with page.expect_request(lambda request: "component_server" in request.url):
            page.click("#run")
        settled(page)
        assert cells(page, "decoded") == 48
        drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
        assert page.locator("td canvas").evaluate_all(f"all => all.every({drawn})")


# -- reflection


def seed_whose_winner_is(right: bool) -> int:
    from cotdemo.search import search
    from cotdemo.trace import Trace

    for seed in range(100):
        winner = Trace.of(search("parm", Double(pace=0), PROMPT, paths=2, steps=6, seed=seed)).winner
        if (winner.p_yes > 0.5) is right:
            return seed
    raise AssertionError("no such seed")


def test_reflect_before_a_run_says_what_to_do(visit):
    with visit() as page:
        page.click("#reflect")
        page.wait_for_selector('.cot[data-phase="failed"]')
        assert "press Run first" in status(page)


def test_reflection_shows_critique_both_pictures_and_both_verdicts(visit):
    seed = seed_whose_winner_is(right=False)
    with visit(small("parm", 2, 6, seed)) as page:
        open_settings(page)
        filled(page, seed)
        run(page)
        page.wait_for_selector("#reflect:not([disabled])")
        page.click("#reflect")
        page.wait_for_selector(".cot-card img >> nth=1")
        settled(page)
        assert page.locator(".cot-critique blockquote").inner_text() == "there is a star too many"
        first, repainted = (page.locator(".cot-card").nth(index).inner_text() for index in (0, 1))
        assert "P(yes)" in first and "“base”" in first and "Truth, which the judge does not see" in first
        assert "P(yes)" in repainted and "“self-correct”" in repainted
        assert page.locator(".cot-tabs button").count() == 2
        slider = page.locator(".cot-slide input[type=range]")
        slider.focus()
        page.keyboard.press("Home")
        assert page.locator(".cot-stage").evaluate("stage => stage.style.getPropertyValue('--at')") == "0%"
        page.locator(".cot-slide input[type=checkbox]").check()
        told = page.locator(".cot-slide label").inner_text()
        assert f"{page.locator('.cot-changes rect').count()} of 64 tokens" in told
        assert page.locator(".cot-changes").is_visible()


def test_a_picture_the_judge_calls_right_can_be_repainted_anyway(visit):
    seed = seed_whose_winner_is(right=True)
    with visit(small("parm", 2, 6, seed)) as page:
        open_settings(page)
        filled(page, seed)
        run(page)
        page.wait_for_selector("#reflect:not([disabled])")
        page.click("#reflect")
        page.wait_for_selector("#anyway", state="visible")
        assert "The judge says yes, with P(yes)" in page.locator(".cot-reflection").inner_text()
        page.click("#anyway")
        page.wait_for_selector(".cot-card img >> nth=1")


# -- hostile text


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
        assert page.locator(".cot img:not(.cot-picture, .cot-stage > img), .cot script").count() == 0


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
        assert page.locator(".cot img:not(.cot-picture), .cot script, .cot b").count() == 0


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


def test_rules_of_stopping_are_chosen_in_the_form_and_told_of_the_run(visit):
    with visit(small("parm", 3, 6, 5)) as page:
        open_settings(page)
        page.get_by_label("leniently").check()
        share(page, "Link")
        page.wait_for_selector(".cot-code:has-text('&stopping=lenient')")
        run(page)
        assert "stops leniently" in page.locator(".cot-settings").inner_text()


def test_settings_in_the_address_fill_the_form_and_do_not_run(visit):
    with visit(small("orm", 5, 9, 77, HOSTILE)) as page:
        open_settings(page)
        filled(page, 77, HOSTILE)
        assert page.locator("#prompt textarea").input_value() == HOSTILE
        assert page.locator('#choice input[value="orm"]').is_checked()
        page.wait_for_timeout(500)
        assert page.locator('.cot[data-phase="finished"] .cot-recorded').is_visible()


# -- keeping


def test_a_run_can_be_saved_and_its_picture_holds_its_settings(visit, tmp_path):
    from cotdemo.png import read_png_settings
    from cotdemo.trace import Trace

    with visit(small("orm", 2, 4, 5)) as page:
        open_settings(page)
        filled(page, 5)
        run(page)
        page.wait_for_selector("#run:not([disabled])")
        with page.expect_download() as download:
            page.get_by_role("button", name="trace.json").click()
        download.value.save_as(tmp_path / "trace.json")
        assert Trace.load(tmp_path / "trace.json").started.settings.seed == 5
        page.wait_for_selector("#picture img")
        source = page.locator("#picture img").get_attribute("src")
        (tmp_path / "winner.png").write_bytes(page.request.get(source).body())
        assert read_png_settings(tmp_path / "winner.png").seed == 5
        with page.expect_download() as download:
            page.get_by_role("button", name="trace.csv").click()
        download.value.save_as(tmp_path / "trace.csv")
        lines = (tmp_path / "trace.csv").read_bytes().decode().split("\r\n")
        assert lines[0].startswith("prompt,method,backend,seed,round") and len(lines) == 1 + 2 * 4 + 1


def test_a_recorded_run_is_opened_and_brings_its_settings(visit, site):
    steps = site.backend.steps_painted
    with visit() as page:
        cards = page.locator(".cot-gallery button")
        assert cards.count() == 11 and cards.first.get_attribute("aria-current") == "true"
        card = page.locator('.cot-gallery button[data-name="3-critique-helped"]')
        assert "the critique helped" in card.inner_text()
        card.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".cot-prompt:has-text('two red stars')")
        assert "A recorded run of 20" in page.locator(".cot-recorded").inner_text()
        page.wait_for_selector(".cot-critique blockquote")
        page.wait_for_function("document.querySelector('#prompt textarea').value === 'a photo of two red stars'")
        assert page.locator('#choice input[value="parm++"]').is_checked()
        assert card.get_attribute("aria-current") == "true" and cards.first.get_attribute("aria-current") is None
        assert site.backend.steps_painted == steps


def drop(page, *files: tuple[str, bytes]) -> None:
    """Drops files in the middle of the viewer, as a browser tells it."""
    script = """([target, files]) => {
        const data = new DataTransfer();
        for (const [name, bytes] of files) data.items.add(new File([new Uint8Array(bytes)], name));
        for (const type of ["dragenter", "dragover"]) {
            target.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
        }
        window.overlay = !document.querySelector(".cot-drop").hidden;
        target.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    target = page.locator(".cot-matrix").element_handle()
    page.evaluate(script, [target, [[name, list(data)] for name, data in files]])


def test_a_trace_or_a_picture_is_dropped_on_the_viewer(visit, site, tmp_path):
    from cotdemo.png import write_png
    from cotdemo.settings import Settings

    settings = Settings.checked(HOSTILE, "orm", paths=3, steps=7, guidance=1.33, temperature=0.77, seed=123)
    write_png(tmp_path / "winner.png", site.trace.winner.picture, settings)
    data = (tmp_path / "winner.png").read_bytes()
    with visit() as page:
        page.click('.cot-gallery button[data-name="9-plain"]')
        page.wait_for_selector(".cot-prompt:has-text('a photo of a star')")
        drop(page, ("trace.json", site.trace.to_json().encode()))
        page.wait_for_selector(".cot-recorded:has-text('opened trace')")
        assert page.evaluate("window.overlay") and page.locator(".cot-drop").is_hidden()
        assert page.locator(".cot-prompt").inner_text() == PROMPT

        open_settings(page)
        drop(page, ("winner.png", data))
        filled(page, 123, HOSTILE)
        assert "Press Run to paint it again" in status(page)
        assert page.locator(".cot-prompt").inner_text() == PROMPT and cells(page, "decoded") > 0
        share(page, "Python")
        code = page.locator(".cot-code").inner_text()
        assert "paths=3, steps=7, guidance=1.33, temperature=0.77, seed=123" in code and json.dumps(HOSTILE) in code

        for files, words in (
            ([("winner.png", data[:60])], "truncated"),
            ([("a.json", b"{}")], "not a trace"),
            ([("a.exe", b"MZ")], "Only a trace"),
            ([("a.json", b"{}"), ("b.json", b"{}")], "one file"),
        ):
            drop(page, *files)
            page.wait_for_selector(f".cot-status:has-text('{words}')")
            assert page.locator(".cot-prompt").inner_text() == PROMPT and cells(page, "decoded") > 0


def share(page, kind: str) -> None:
    if page.locator(".cot-share").get_attribute("open") is None:
        page.locator(".cot-share summary").click()
    page.get_by_role("button", name=kind, exact=True).click()


def test_the_link_is_copied_and_says_so_and_opens_the_same_form(visit, site):
    with visit(permissions=["clipboard-read", "clipboard-write"]) as page:
        page.fill("#prompt textarea", HOSTILE)
        share(page, "Link")
        page.get_by_role("button", name="Copy", exact=True).click()
        page.wait_for_selector(".cot-told:has-text('Copied')")
        link = page.evaluate("navigator.clipboard.readText()")
        assert link == page.locator(".cot-code").inner_text()
        with visit(link[len(site.url) :]) as opened:
            opened.wait_for_function("text => document.querySelector('#prompt textarea')?.value === text", arg=HOSTILE)
            assert opened.locator('.cot[data-phase="finished"] .cot-recorded').is_visible()
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        share(page, "Shell")
        page.get_by_role("button", name="Copy", exact=True).click()
        page.wait_for_selector(".cot-told:has-text('Marked')")
        assert page.evaluate("getSelection().toString()").startswith("python -m cotdemo generate")


# -- manners


def test_the_time_is_told_once_it_is_known_and_a_limit_where_it_is_broken(visit):
    with visit(small("baseline", 1, 4)) as page:
        open_settings(page)
        filled(page, 3)
        run(page)
        page.wait_for_selector(".cot-estimate:has-text('Under a second for 1 path × 4 steps')")
        page.locator("#paths input[type=number]").fill("32")
        page.get_by_label("number input for Steps").fill("50")
        page.wait_for_selector(".cot-limit:has-text('at most 800')")
        height = page.locator(".cot-estimate").evaluate("line => line.offsetHeight")
        page.locator("#paths input[type=number]").fill("2")
        page.wait_for_function("!document.querySelector('.cot-limit').textContent")
        assert page.locator(".cot-estimate").evaluate("line => line.offsetHeight") <= height


def test_who_waits_for_another_sees_the_place_in_the_line_and_can_leave(visit, site):
    site.backend.pace = 2.0  # long enough for the others to come, however slow the machine is
    with visit(small("orm", 4, 30)) as one, visit(small("orm", 2, 4)) as other:
        for page in (one, other):
            open_settings(page)
            filled(page, 3)
        run(one, "running")
        run(other, "waiting")
        assert status(other).startswith("One run is before yours")
        assert other.locator("#stop").is_enabled() and cells(other, "decoded") > 8
        other.click("#stop")
        settled(other, "stopped")
        quiet(other)  # Gradio takes no second click before it has heard that the first is cancelled
        run(other, "waiting")
        site.backend.pace = 0.01
        settled(other)
        settled(one)
        assert (cells(one, "decoded"), cells(other, "decoded")) == (120, 8)


def test_who_closes_the_page_while_waiting_is_before_nobody(visit, site):
    site.backend.pace = 2.0  # long enough for the others to come, however slow the machine is
    with visit(small("orm", 4, 50)) as one:
        open_settings(one)
        filled(one, 3)
        run(one, "running")
        with visit() as gone:
            run(gone, "waiting")
        with visit() as third:
            run(third, "waiting")
            third.wait_for_selector(".cot-status:has-text('One run is before yours')")
            third.click("#stop")
            settled(third, "stopped")
        one.click("#stop")
        settled(one, "stopped")


# -- tabs


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


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


def test_a_run_goes_on_while_another_tab_is_open(visit, site):
    site.backend.pace = 0.05
    with visit(small("orm", 4, 20)) as page:
        open_settings(page)
        filled(page, 3)
        run(page, "running")
        open_tab(page, "Results")
        page.wait_for_selector(".cot-results h2")
        page.wait_for_selector('#viewer .cot[data-phase="finished"]', state="attached")
        open_tab(page, "Run")
        assert cells(page, "decoded") == 80 and page.locator(".cot-matrix").is_visible()


# -- results


def row_of(page, name: str):
    return page.locator(f'.cot-row[data-name="{name}"]')


def choose(page, words: str) -> None:
    page.locator(f'.cot-chip:has-text("{words}")').click()


@pytest.fixture
def serve(browser):
    """A page over a folder of measured figures of its own."""
    from cotdemo.ui.page import build_demo, launch_options

    served = []

    def page_of(assets, backend="mini"):
        demo = build_demo(backend, Double, assets=assets)
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        context = browser.new_context(viewport=DESKTOP)
        served.append((demo, context))
        page = watched(context, errors)
        page.goto(url + "#results")
        page.wait_for_selector(".cot-results h2")
        return page

    errors = []
    yield page_of
    for demo, context in served:
        context.close()
        demo.close()
    assert errors == []


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
        assert page.locator(".cot-about h4").inner_text().startswith("fine-tuned ORM")
        page.keyboard.press("Escape")
        assert card.is_hidden()
        row_of(page, "PARM - plain generator").locator("th").hover()
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
        assert "fine-tuned ORM" in chosen and ".750 [.700, .800]" in chosen and "9 of 12" in chosen
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
        page.locator(".cot-entry:has-text('fine-tuned ORM')").click()
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


def test_hostile_text_in_measured_figures_is_shown_as_text(serve, tmp_path):
    invent(tmp_path)
    content = json.loads((tmp_path / "ladder.json").read_text())
    for row in content["rows"]:
        row.update(label=HOSTILE, training_seed=row["training_seed"].replace("2", HOSTILE), hardware=HOSTILE)
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
    assert HOSTILE in page.locator(".cot-legend-row").first.inner_text()
    assert page.locator(".cot-results :is(img, script)").count() == 0


# -- everywhere


ZOOMED = {"width": 640, "height": 400}  # what 200% leave of a screen of 1280 x 800


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, ZOOMED], ids=["desktop", "phone", "200%"])
def test_nothing_is_wider_than_the_screen_and_the_matrix_scrolls_inside(visit, viewport, theme):
    with visit(f"?__theme={theme}", viewport) as page:
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]
        assert page.evaluate("document.body.classList.contains('dark')") is (theme == "dark")
        if viewport is PHONE:
            assert page.locator(".cot-scroll").evaluate("box => box.scrollWidth > box.clientWidth")
        open_tab(page, "Results")
        page.wait_for_selector(DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert page.locator(".cot-results *").evaluate_all(TOO_WIDE) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_viewer_has_no_serious_accessibility_faults(visit, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with visit(f"?__theme={theme}") as page:
        page.locator(".cot-share summary").click()
        tabs = {"#board": "Compare", "#measured": "Results", "#lesson": "Learn"}
        for part in ("#viewer", "#choice", "#gallery", "#estimate", "#share", *tabs):
            if part in tabs:
                open_tab(page, tabs[part])
            if part == "#board":
                page.click("#compare")
                page.wait_for_function("document.querySelector('.cot-compare-status').textContent.includes('5 of 5')")
            if part == "#measured":
                page.wait_for_selector(DRAWN)
            found = serious(axe.run(page, context=part).response["violations"])
            assert [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found] == []


def serious(violations) -> list:
    return [fault for fault in violations if fault["impact"] in ("serious", "critical")]


def test_the_whole_page_has_no_more_serious_faults_than_a_page_of_stock_components(visit, browser):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    import gradio as gr

    with gr.Blocks(title="stock") as stock:
        with gr.Tab("One"):
            gr.Textbox(label="Prompt")
            gr.Slider(1, 8, label="Paths")
            gr.Radio(["a", "b"], value="a", label="Method")
            gr.Button("Run", variant="primary")
            gr.Image(label="Picture")
        with gr.Tab("Two"):
            gr.Markdown("nothing")
    _, url, _ = stock.launch(prevent_thread_lock=True, quiet=True)
    try:
        page = browser.new_page(viewport=DESKTOP)
        page.goto(url)
        page.wait_for_selector("textarea")
        allowed = {fault["id"] for fault in serious(axe.run(page).response["violations"])}
        page.close()
    finally:
        stock.close()
    for tab in ("Run", "Compare", "Results", "Learn"):
        with visit("" if tab == "Run" else f"#{tab.lower()}") as page:
            found = serious(axe.run(page).response["violations"])
            extra = [(fault["id"], fault["nodes"][0]["html"][:160]) for fault in found if fault["id"] not in allowed]
            assert extra == [], tab


SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({ type: "layout-shift" });
}"""


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_shifts_while_a_run_streams(visit, viewport):
    with visit(small("parm++", paths=8, steps=18), viewport) as page:
        quiet(page)
        page.evaluate(SHIFTS)
        run(page)
        page.wait_for_timeout(500)
        assert page.evaluate("window.shifts") < 0.005


def test_nothing_moves_where_less_motion_is_asked_for(visit):
    with visit(reduced_motion="reduce") as page:
        assert page.locator(".cot-progress span").evaluate("bar => getComputedStyle(bar).transitionDuration") == "0s"


# -- endpoints


def test_the_named_endpoints_answer_a_client(site):
    from gradio_client import Client

    site.may_load.set()
    client = Client(site.url, verbose=False)
    made = client.predict(prompt=PROMPT, method="parm", paths=2, steps=4, seed=9, api_name="/generate")
    assert made["settings"]["seed"] == 9 and made["picture"].startswith("data:image/png")
    again = client.predict(trace=made["trace"], anyway=True, api_name="/reflect")
    assert again["critique"] and again["before"] == made["verdict"]
    with pytest.raises(Exception, match="paths must be"):
        client.predict(prompt=PROMPT, paths=1000, api_name="/generate")
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/generate", "/reflect"}


# Compare


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_methods_are_compared_and_a_result_is_opened(visit, site, viewport):
    with visit("#compare", viewport) as page:
        page.wait_for_selector("#board .cot-empty")
        page.fill("#compare-prompt textarea", PROMPT)
        page.click("#compare")
        page.wait_for_function("document.querySelector('.cot-compare-status').textContent.includes('5 of 5')")
        cards = page.locator(".cot-compare > li")
        assert cards.count() == 5
        assert cards.locator("img[src^='data:image/']").count() == 5
        assert page.locator(".cot-compare > li").evaluate_all(TOO_WIDE) == []
        assert page.locator("#compare").is_enabled() and page.locator("#compare-stop").is_disabled()
        button = cards.nth(3).locator("button")
        assert "PARM" in button.get_attribute("aria-label")
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('#viewer').textContent.includes('From a comparison')")
        assert page.get_by_role("tab", name="Run").get_attribute("aria-selected") == "true"
        assert page.locator("#prompt textarea").input_value() == PROMPT


def test_a_comparison_stops_and_the_next_one_starts_clean(visit, site):
    site.backend.pace = 0.15
    with visit("#compare") as page:
        page.fill("#compare-prompt textarea", PROMPT)
        page.click("#compare")
        page.wait_for_selector(".cot-compare > li[data-state='done']")
        page.click("#compare-stop")
        page.wait_for_selector(".cot-compare > li[data-state='stopped']")
        page.wait_for_selector("#compare:enabled")
        assert page.locator(".cot-compare > li[data-state='done'] img[src]").count() >= 1
        site.backend.pace = 0.0
        page.click("#compare")
        page.wait_for_function("document.querySelectorAll('.cot-compare > [data-state=\"done\"]').length === 5")
        page.wait_for_selector("#compare:enabled")


# Learn


def stops_in_sight(page) -> int:
    """Walks through the tour by keyboard and counts its stops; each must light something up and be in the window."""
    count = 0
    while page.locator(".cot-tour").count():
        spot, dialog = page.locator(".cot-spotlight").bounding_box(), page.locator(".cot-tour").bounding_box()
        size = page.viewport_size
        assert spot["width"] > 10 and spot["y"] < size["height"] and spot["y"] + spot["height"] > 0
        assert dialog["x"] >= 0 and dialog["x"] + dialog["width"] <= size["width"]
        assert dialog["y"] >= 0 and dialog["y"] + dialog["height"] <= size["height"]
        assert page.evaluate("document.activeElement.closest('.cot-tour') !== null")
        count += 1
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(250)  # the light moves
    return count


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_tour_shows_what_it_speaks_of_and_is_remembered(visit, viewport):
    with visit("#learn", viewport) as page:
        page.get_by_role("heading", name="How to read this").wait_for()
        assert page.locator(".cot-lesson").evaluate_all(TOO_WIDE) == []
        page.click("#tour .cot-tour-go")
        page.wait_for_selector(".cot-tour")
        assert page.get_by_role("tab", name="Run").get_attribute("aria-selected") == "true"
        assert page.locator(".cot-tour").get_attribute("role") == "dialog"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip"
        assert stops_in_sight(page) >= 7
        page.reload()
        page.wait_for_selector(".cot-matrix td", state="attached")
        page.wait_for_timeout(500)
        assert page.locator(".cot-invitation").count() == 0


def test_a_new_visitor_is_asked_once(visit):
    with visit() as page:
        page.wait_for_selector(".cot-invitation")
        page.get_by_role("button", name="Take the tour").click()
        page.wait_for_selector(".cot-tour")
        page.keyboard.press("Escape")
        assert page.locator(".cot-tour").count() == page.locator(".cot-spotlight").count() == 0
    with visit() as page:
        page.get_by_role("button", name="No, thanks").click()
        assert page.locator(".cot-invitation").count() == 0
        page.reload()
        page.wait_for_selector(".cot-matrix td", state="attached")
        page.wait_for_timeout(500)
        assert page.locator(".cot-invitation").count() == 0


# What the judge said, as lines


def test_a_line_and_its_row_are_pointed_at_together(visit):
    with visit() as page:
        lines = page.locator(".cot-reward")
        assert lines.count() == page.locator(".cot-matrix tbody tr").count() == 8
        page.locator(".cot-matrix tbody tr").nth(2).hover()
        assert page.locator(".cot-reward[data-pointed]").get_attribute("data-path") == "2"
        plot = page.locator(".cot-rewards-plot")
        box = plot.bounding_box()
        plot.hover(position={"x": 34, "y": box["height"] - 22})  # the first step, where nothing is clear
        pointed = page.locator(".cot-matrix tr[data-pointed]")
        assert pointed.count() == 1 and "step 1:" in page.locator(".cot-rewards .cot-note").inner_text()
        name = pointed.locator(".cot-path-name").inner_text()
        plot.click(position={"x": 34, "y": box["height"] - 22})
        assert page.locator(".cot-focus-title span").first.inner_text() == name
        assert page.locator(".cot-place").inner_text().startswith("step 1 of")


def test_a_pinned_path_stays_beside_the_selected_one(visit):
    with visit() as page:
        cell = "td[data-path='{}'][data-step='3']".format
        page.click(cell(1))
        page.get_by_role("button", name="Pin this path").click()
        assert page.get_by_role("button", name="Pin this path").count() == 0  # it is the selected one
        page.click(cell(4))
        assert page.locator(".cot-pinned-title").inner_text().startswith("Path 2, pinned")
        assert page.locator(".cot-focus-title span").first.inner_text() == "Path 5"
        label = page.locator(".cot-pinned canvas").first.get_attribute("aria-label")
        assert label == "Tokens kept so far, path 2, step 4"
        page.get_by_role("button", name="Unpin").click()
        assert page.locator(".cot-pinned").is_hidden()
        page.get_by_role("button", name="Pin this path").click()
        page.locator(".cot-gallery button").nth(1).click()
        page.wait_for_function(
            "document.querySelector('.cot-gallery button[aria-current=true]')?.dataset.name !== 'recorded'"
        )
        page.wait_for_function("document.querySelector('.cot-pinned').hidden")
