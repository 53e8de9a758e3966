"""What is opened, saved and shared: links, recorded runs, traces, images, tables."""

from __future__ import annotations

import json
import re

from page_driver import (
    HOSTILE,
    PROMPT,
    cells,
    filled,
    leaving,
    listened,
    open_settings,
    open_tab,
    reload,
    run,
    save,
    settled,
    share,
    small,
    status,
)


def test_settings_in_the_address_fill_the_form_and_do_not_run(visit):
    with visit(small("orm", 5, 9, 77, HOSTILE)) as page:
        open_settings(page)
        filled(page, 77, HOSTILE)
        assert page.locator("#prompt textarea").input_value() == HOSTILE
        assert page.locator('#choice input[value="orm"]').is_checked()
        page.wait_for_timeout(500)
        assert page.locator('.cot[data-phase="finished"]').count() and page.locator(".cot-recorded").is_visible()


def test_a_link_offers_its_run_and_paints_it_after_one_click(visit):
    with visit(small("orm", 2, 4, 5)) as page:
        offer = page.locator(".cot-offer")
        offer.wait_for()
        assert PROMPT in offer.inner_text() and page.locator(".cot-recorded").is_visible()
        filled(page, 5)
        offer.get_by_role("button", name="Paint it").click()
        page.wait_for_function("!document.querySelector('.cot-recorded').offsetParent")
        settled(page)
        assert offer.is_hidden()


def test_a_links_offer_moves_nothing_and_can_be_declined(visit):
    with visit() as page:
        top = page.locator(".cot-head").bounding_box()["y"]
    with visit(small("orm", 2, 4, 5)) as page:
        offer = page.locator(".cot-offer")
        offer.wait_for()
        assert page.locator(".cot-head").bounding_box()["y"] == top
        offer.get_by_role("button", name="Not now").click()
        page.get_by_label("for researchers").check()  # draws it all again
        assert offer.is_hidden()


def test_the_address_is_that_of_the_run_on_show_and_survives_a_reload(visit, site):
    with visit(small("orm", 2, 4, 5)) as page:
        filled(page, 5)
        run(page)
        address = page.url
        assert "run=" in address and "seed=5" in address and "method=orm" in address
        steps, image = site.backend.steps_painted, page.locator("#picture img").get_attribute("src")
        reload(page)
        page.wait_for_selector(".cot-recorded:has-text('A run of')")
        assert cells(page, "decoded") == 2 * 4 and page.locator("#prompt textarea").input_value() == PROMPT
        assert page.locator("#picture img").get_attribute("src").split("/")[-2] == image.split("/")[-2]
        assert site.backend.steps_painted == steps
        with leaving(page):
            page.goto(address.replace("run=", "run=x"))
        page.wait_for_selector(".cot-offer:has-text('no longer kept')")


def test_back_goes_to_the_run_before_and_from_another_tab_to_its_own(visit):
    with visit() as page:
        shown, typed = page.locator(".cot-prompt"), page.locator("#prompt textarea")
        for name, prompt in (("3-critique-helped", "two red apples"), ("9-plain", "an elephant")):
            page.click(f'.cot-gallery button[data-name="{name}"]')
            page.wait_for_selector(f".cot-prompt:has-text('{prompt}')")
            page.wait_for_function("name => location.search === `?run=${name}`", arg=name)
        open_tab(page, "Results")
        page.go_back()
        page.wait_for_selector('[role="tab"][aria-selected="true"]:has-text("Run")')
        assert shown.inner_text() == "a photo of an elephant" and page.url.endswith("?run=9-plain")
        page.go_back()
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        page.wait_for_function("document.querySelector('#prompt textarea').value === 'a photo of two red apples'")
        assert page.url.endswith("?run=3-critique-helped")
        page.go_back()
        page.wait_for_selector(f".cot-prompt:has-text('{PROMPT}')")
        page.go_forward()
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        page.wait_for_function("document.querySelector('#prompt textarea').value === 'a photo of two red apples'")
        assert typed.input_value() == shown.inner_text()


def test_a_run_that_a_reload_has_stopped_says_so(visit, site):
    with visit(small("orm", 3, 12, 5)) as page:
        filled(page, 5)
        site.backend.pace = 1.0
        with site.backend.held(after=1):
            run(page, "running")
            page.wait_for_function("location.search.includes('run=')")
        with leaving(page):
            page.reload()
        page.wait_for_selector(".cot-status:has-text('Its page was left')")
        assert page.locator(".cot-prompt").first.inner_text() == PROMPT
        assert page.locator("#reflect").is_disabled()  # there is no image to reflect on
        site.backend.pace = 0.01


def test_a_recorded_run_has_an_address(visit, site):
    with visit() as page:
        assert "run=" not in page.url
        page.locator('.cot-gallery button[data-name="3-critique-helped"]').click()
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        assert page.url.endswith("?run=3-critique-helped")
    with visit("?run=3-critique-helped&__theme=dark") as page:
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        chosen = page.locator('.cot-gallery button[aria-current="true"]')
        assert chosen.get_attribute("data-name") == "3-critique-helped"
        page.wait_for_function("location.search.includes('__theme=dark')")


def test_a_run_can_be_saved_and_its_image_holds_its_settings(visit, tmp_path):
    from cotdemo.run.png import read_png_settings
    from cotdemo.run.trace import Trace

    with visit(small("orm", 2, 4, 5)) as page:
        open_settings(page)
        filled(page, 5)
        run(page)
        page.wait_for_selector("#run:not([disabled])")
        saved = save(page, "Trace")
        assert saved.suggested_filename == "a-red-car-and-a-blue-bus-seed-5-trace.json"
        saved.save_as(tmp_path / "trace.json")
        assert Trace.load(tmp_path / "trace.json").started.settings.seed == 5
        page.locator("#picture").scroll_into_view_if_needed()  # a browser loads it no sooner
        page.wait_for_selector("#picture img")
        source = page.locator("#picture img").get_attribute("src")
        (tmp_path / "winner.png").write_bytes(page.request.get(source).body())
        assert read_png_settings(tmp_path / "winner.png").seed == 5
        save(page, "Table").save_as(tmp_path / "trace.csv")
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
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        assert "A recorded run of 20" in page.locator(".cot-recorded").inner_text()
        page.wait_for_selector(".cot-critique blockquote")
        page.wait_for_function("document.querySelector('#prompt textarea').value === 'a photo of two red apples'")
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


def test_a_trace_or_an_image_is_dropped_on_the_viewer(visit, site, tmp_path):
    from cotdemo.run.png import write_png
    from cotdemo.settings import Settings

    settings = Settings.checked(HOSTILE, "orm", paths=3, steps=7, guidance=1.33, temperature=0.77, seed=123)
    write_png(tmp_path / "winner.png", site.trace.winner.picture, settings)
    data = (tmp_path / "winner.png").read_bytes()
    with visit() as page:
        page.click('.cot-gallery button[data-name="9-plain"]')
        page.wait_for_selector(".cot-prompt:has-text('a photo of an elephant')")
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
            assert (
                opened.locator('.cot[data-phase="finished"]').count() and opened.locator(".cot-recorded").is_visible()
            )
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        share(page, "Shell")
        page.get_by_role("button", name="Copy", exact=True).click()
        page.wait_for_selector(".cot-told:has-text('Marked')")
        assert page.evaluate("getSelection().toString()").startswith("python -m cotdemo generate")


def test_that_a_link_was_copied_is_read_and_heard_for_a_while(visit):
    with visit(permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator(".cot-menu summary").click()
        page.get_by_role("button", name="Copy link").click()
        heard = page.locator(".cot-menu [role=status]")
        page.wait_for_selector(".cot-save strong:text-is('Copied')")
        assert heard.inner_text() == "Copied"
        page.wait_for_timeout(2500)
        assert page.locator(".cot-save strong:text-is('Copied')").is_visible()
        page.wait_for_selector(".cot-save strong:text-is('Copy link')")
        assert heard.inner_text() == ""


def test_a_run_is_one_file_that_plays_without_a_server(visit, enter, tmp_path):
    file = tmp_path / "run.html"
    with visit() as page:
        save(page, "Page").save_as(file)
    page = enter()
    asked = listened(page)
    page.goto(file.as_uri())
    page.wait_for_selector('.cot-show[data-part="rest"]')
    assert cells(page, "decoded") + cells(page, "cut") == 8 * 18 and "is chosen" in status(page)
    for name in ("Replay how it was painted", "Attempt 1"):
        assert page.get_by_role("button", name=name).first.is_visible()
    for words in ("Brush", "Save or share"):
        assert not page.get_by_text(words, exact=True).first.is_visible()
    page.locator("td").nth(5).click()
    assert page.locator('td[aria-selected="true"]').count() == 1
    assert [url for url in asked if url != file.as_uri()] == []


def test_one_menu_saves_the_image_large_and_by_name_and_is_worked_by_keys(visit, tmp_path):
    from PIL import Image

    from cotdemo.run.png import read_png_settings

    with visit("?run=3-critique-helped") as page:
        page.wait_for_selector(".cot-prompt:has-text('two red apples')")
        menu = page.locator(".cot-menu")
        menu.locator("summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.textContent").startswith("Copy link")
        saved = save(page, "Image")
        assert re.fullmatch(r"two-red-apples-seed-\d+\.png", saved.suggested_filename)
        saved.save_as(tmp_path / "picture.png")
        assert Image.open(tmp_path / "picture.png").size == (512, 512)
        assert read_png_settings(tmp_path / "picture.png").prompt == "a photo of two red apples"
        assert save(page, "Before and after").suggested_filename.endswith("-before-after.png")
        page.keyboard.press("Escape")
        assert menu.get_attribute("open") is None and page.evaluate("document.activeElement.tagName") == "SUMMARY"
        page.locator('.cot-gallery button[data-name="9-plain"]').click()
        page.wait_for_function("location.search.includes('9-plain')")
        menu.locator("summary").click()
        labels = menu.locator("strong:visible").all_inner_texts()
        assert menu.locator(".cot-menu-list").bounding_box()["y"] >= 0
        assert "Image" in labels and "Before and after" not in labels
        page.locator(".cot-prompt").click()
        assert menu.get_attribute("open") is None
        menu.evaluate("menu => scrollTo(0, menu.getBoundingClientRect().top + scrollY - 60)")  # no room above it
        menu.locator("summary").click()
        assert menu.locator(".cot-menu-list").bounding_box()["y"] >= 60
