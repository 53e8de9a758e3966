"""The story that the page opens with, a PARM++ run: what it was asked for, and what is in reach on a phone."""

from __future__ import annotations

import re
import shutil

import pytest
from page_double import Double
from page_driver import DESKTOP, PHONE, quiet, status
from test_page_stage import RESTING, SHIFTS

# the lowest ends of Run and of the prompt, and whether something stood over Run, at every part of the story
WATCH = """
    window.parts = {};
    const look = () => {
      const run = document.querySelector("#run")?.getBoundingClientRect();
      const part = document.querySelector(".cot-show")?.dataset.part;
      const prompt = document.querySelector("#prompt")?.getBoundingClientRect();
      if (run && prompt && part) {
        const over = document.elementFromPoint(run.left + run.width / 2, run.bottom - 3);
        const [low, covered] = window.parts[part] ?? [0, false];
        window.parts[part] = [Math.max(low, run.bottom, prompt.bottom), covered || !over?.closest("#run")];
      }
      requestAnimationFrame(look);
    };
    look();
"""


@pytest.fixture(scope="module")
def opening(tmp_path_factory):
    """The address of a page that opens with a run which a critique mended."""
    from cotdemo.ui.page import ASSETS, build_demo, launch_options

    folder = tmp_path_factory.mktemp("story")
    shutil.copytree(ASSETS / "runs", folder / "runs")
    demo = build_demo("mini", lambda: Double(), assets=folder)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close()


@pytest.fixture
def opened(enter, opening):
    def page_of(viewport=DESKTOP, **options):
        page = enter(viewport=viewport, **options)
        page.add_init_script(SHIFTS)
        page.add_init_script(WATCH)
        page.goto(opening)
        page.wait_for_selector(".cot-matrix td", state="attached")
        return page

    return page_of


def asked(page) -> str:
    return page.locator(".cot-asked").inner_text()


def run_will(page, *words: str) -> None:
    """What the lines below Run say."""
    for one in words:
        page.wait_for_selector(f"#estimate:has-text('{one}')")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_the_run_had_and_what_run_will_do_are_both_said_and_taken_over_by_a_click(opened, viewport):
    page = opened(viewport)
    quiet(page)
    assert "PARM++" in asked(page) and "4 attempts" in asked(page) and "recorded run" in asked(page)
    seed = asked(page).rpartition("seed ")[2].split()[0]
    run_will(page, "PARM, 8 attempts", "Run draws a new seed.")
    page.fill("#prompt textarea", "a photo of a blue bus")
    take = page.get_by_role("button", name="Use these settings")
    take.click()
    run_will(page, "PARM++, 4 attempts", f"Run keeps seed {seed}.")
    assert take.is_hidden() and page.locator("#prompt textarea").input_value() == "a photo of a blue bus"
    assert page.evaluate("document.activeElement.id") == "run"
    page.get_by_label("PARM", exact=True).check()
    take.wait_for()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_of_a_recorded_run_that_is_opened_the_form_has_the_settings_until_it_is_changed(opened, viewport):
    page = opened(viewport)
    page.click('.cot-gallery button[data-name="9-plain"]')
    run_will(page, "Baseline, 1 attempt", "Run keeps seed")
    take = page.get_by_role("button", name="Use these settings")
    assert re.search(r"A recorded run of [\d-]+ · Baseline · 1 attempt · seed", asked(page)) and take.is_hidden()
    page.get_by_label("random").check()  # the seed in the field is still the run's
    run_will(page, "Run draws a new seed.")
    page.locator("#seed input").fill("77")
    take.wait_for()


def test_on_a_phone_prompt_and_run_are_on_the_first_screen_at_every_part_of_the_story(opened):
    page = opened(PHONE, has_touch=True, is_mobile=True)
    page.wait_for_function(RESTING)
    page.wait_for_selector(".cot-invitation")
    quiet(page)
    assert page.evaluate("window.shifts") < 0.02
    page.get_by_role("button", name="Replay how it was painted").tap()
    page.wait_for_selector('.cot-show[data-part="critique"]')
    page.wait_for_function(RESTING)
    parts = page.evaluate("window.parts")
    assert {"painting", "critique", "rest"} <= parts.keys()
    assert {part: low for part, (low, covered) in parts.items() if covered or low > PHONE["height"]} == {}
    assert "from the critique “" in status(page) and page.locator(".cot-mended input[type=range]").is_visible()
    assert page.locator(".cot-reflection blockquote").is_visible()  # further down


def test_on_a_phone_what_a_visitor_begins_himself_has_its_critique_on_the_stage(opened):
    page = opened(PHONE)
    page.wait_for_function(RESTING)
    assert page.locator("#stage .cot-reflection").count() == 0
    page.get_by_label("PARM++", exact=True).check()
    page.click("#run")
    page.wait_for_selector("#stage .cot-reflection", state="attached")
    page.wait_for_selector('#viewer .cot[data-phase="finished"]')
