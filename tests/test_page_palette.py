"""The palette below the examples, in a real Chromium (``page_driver``): what can be asked for, clicked or typed."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from page_driver import PHONE, filled, quiet, small, themes
from test_page_manners import faults

from cotdemo.geneval.prompts import CLASSES, COLOURS, NUMBERS, RELATIONS
from cotdemo.world.palette import drawings, palette
from cotdemo.world.prompts import canonical

PROMPT = "document.querySelector('#prompt textarea').value"


def opened(page):
    page.locator(".cot-palette > summary").click()
    page.wait_for_function("[...document.querySelectorAll('.cot-palette img')].every((one) => one.naturalWidth > 0)")
    quiet(page)
    return page.locator(".cot-palette")


def says(page, prompt: str) -> None:
    page.wait_for_function(f"(prompt) => {PROMPT} === prompt", arg=prompt)


def test_it_has_all_that_can_be_named_and_a_drawing_of_every_thing():
    words = palette()
    assert [thing["name"] for thing in words["things"]] == [*CLASSES] == [*drawings()]
    assert [colour["name"] for colour in words["colours"]] == [*COLOURS]
    assert words["numbers"][1:] == [*NUMBERS] and words["relations"] == [*RELATIONS]
    assert json.loads(json.dumps(words)) == words


def test_words_are_clicked_into_the_prompt_and_drawings_are_asked_for_once(visit):
    with visit() as page:
        quiet(page)
        asked = []
        page.on("request", lambda request: "/component_server/" in request.url and asked.append(request.url))
        shown = opened(page)
        assert len(asked) == 1 and page.locator(".cot-palette img").count() == len(CLASSES)
        shown.get_by_role("button", name="Clear prompt").click()
        says(page, "")
        for name, prompt in (
            ("dog", "a photo of a dog"), ("red", "a photo of a red dog"), ("right of", "a photo of a red dog right of"),
            ("teddy bear", "a photo of a red dog right of a teddy bear"),
        ):  # fmt: skip
            shown.get_by_role("button", name=name, exact=True).click()
            says(page, prompt)
        page.fill("#prompt textarea", "three cats")  # what is typed counts
        page.wait_for_timeout(300)
        shown.get_by_role("button", name="two", exact=True).click()
        says(page, "a photo of two cats")
        assert page.locator(".cot-palette [role=status]").inner_text() == "a photo of two cats"
        assert len(asked) == 1


def test_it_goes_by_the_keyboard_and_finds_things_by_what_else_they_are_called(visit):
    with visit(small(seed=77)) as page:
        filled(page, 77)
        shown = opened(page)
        shown.get_by_role("button", name="Clear prompt").click()
        find = page.get_by_label("Find a word")
        find.fill("sofa")
        assert shown.get_by_role("button").all_inner_texts() == ["Clear prompt", "couch"]
        find.press("Enter")
        says(page, "a photo of a couch")
        find.press_sequentially("yell")  # in place of the word before
        find.press("Enter")
        says(page, "a photo of a yellow couch")
        find.fill("star")
        assert shown.get_by_text("Nothing here is called that.").is_visible()
        find.press("Escape")
        find.press("ArrowDown")
        person = shown.get_by_role("button", name="person")
        assert person.evaluate("one => one === document.activeElement")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        says(page, "a photo of a yellow couch and a bicycle")
        page.keyboard.press("Tab")  # one stop for all things: the next is the first colour
        assert page.evaluate("document.activeElement.dataset.name") == "red"


def test_it_has_no_serious_accessibility_faults(visit):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with visit() as page:
        opened(page)
        for theme in themes(page):
            assert faults(axe, page, "#palette") == [], theme


def test_on_a_phone_it_says_itself_what_the_prompt_is_by_now(visit):
    with visit(viewport=PHONE) as page:
        shown = opened(page)
        shown.get_by_role("button", name="Clear prompt").click()
        shown.get_by_role("button", name="zebra").click()
        says(page, "a photo of a zebra")
        assert shown.locator(".cot-palette-said").is_visible()
        assert shown.locator(".cot-palette-said").inner_text() == "a photo of a zebra"


def test_a_backend_that_reads_any_words_has_none(serve, tmp_path):
    page = serve(tmp_path, "show-o")
    page.get_by_role("tab", name="Run").click()
    assert page.locator("#choice").is_visible() and page.locator(".cot-palette").count() == 0


CLICKS = """
const { withWord } = await import(process.argv[1]);
const [words, rows] = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const click = ({ prompt, begun }, word) => withWord(prompt, word, words, begun);
console.log(JSON.stringify(rows.map((clicks) => clicks.reduce(click, { prompt: "", begun: "" }).prompt)));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_whatever_is_clicked_is_written_as_the_models_learnt_it():
    rng = random.Random(0)

    def click(what: str, names) -> dict[str, str]:
        return {"what": what, "name": rng.choice([*names])}

    rows = []
    for kind in CLASSES:
        more = [click("number", NUMBERS)] * rng.randrange(2)
        more += [click("colour", COLOURS)] * (kind != "person" and rng.randrange(2))
        rng.shuffle(more)
        thing = {"what": "thing", "name": kind}
        rows.append([thing, *more] if rng.random() < 0.5 else [*more, thing])
        other = {"what": "thing", "name": rng.choice([one for one in CLASSES if one != kind])}
        rows.append([thing, click("relation", RELATIONS), other])
    module = Path(__file__).parents[1] / "cotdemo" / "ui" / "web" / "phrase.js"
    ended = subprocess.run(
        ["node", "-e", f"(async () => {{ {CLICKS} }})()", module.as_uri()],
        input=json.dumps([palette(), rows]), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    prompts = json.loads(ended.stdout)
    assert [canonical(prompt) for prompt in prompts] == prompts and len(set(prompts)) > 150
