"""Looking closer at a run, in the browser alone: scrubbing, playing, lines of verdicts, a pinned path."""

from __future__ import annotations

from page_driver import PHONE, filled, listened, quiet, run, small


def test_scrubbing_playing_and_arrow_keys_ask_the_server_nothing(visit):
    with visit() as page:
        quiet(page)
        asked = listened(page)
        page.locator('td[data-path="2"][data-step="4"]').click()
        assert page.locator(".cot-focus-title").inner_text().startswith("Attempt 3")
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
        assert "tokens kept" in page.locator(".cot-focus > .cot-note:not(.cot-why)").inner_text()


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
        plot.click(position={"x": 34, "y": box["height"] - 22})
        name = pointed.locator(".cot-path-name").inner_text()  # attempts are within a pixel of each other there
        assert page.locator(".cot-focus-title span").first.inner_text() == name
        assert page.locator(".cot-place").inner_text().startswith("step 1 of")


def steps_told(page, point) -> list[str]:
    """Points at the middle of the height of every step's column; what the line below says of the step."""
    plot = page.locator(".cot-rewards-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    told = []
    for step in range(6):
        point(box["x"] + 38 + step / 5 * (box["width"] - 50), box["y"] + box["height"] / 2)
        told.append(page.locator(".cot-rewards .cot-note").inner_text().partition(" · ")[2].partition(":")[0])
    return told


def test_the_chart_answers_the_nearest_step_wherever_it_is_pointed_at(visit):
    with visit(small()) as page:
        filled(page, 3)
        run(page)
        steps = [f"step {step}" for step in range(1, 7)]
        assert steps_told(page, page.mouse.move) == steps
        page.locator(".cot-rewards-title").hover()
        assert page.locator(".cot-rewards .cot-note").inner_text() == ""
    with visit(small(), PHONE, has_touch=True, is_mobile=True) as page:
        filled(page, 3)
        run(page)
        assert steps_told(page, page.touchscreen.tap) == steps
        assert page.locator(".cot-place").inner_text() == "step 6 of 6"  # a tap chooses it, too
        page.locator(".cot-rewards-title").tap()
        assert page.locator(".cot-rewards .cot-note").inner_text() == ""


def test_a_pinned_path_stays_beside_the_selected_one(visit):
    with visit() as page:
        cell = "td[data-path='{}'][data-step='3']".format
        page.click(cell(1))
        page.get_by_role("button", name="Pin this attempt").click()
        assert page.get_by_role("button", name="Pin this attempt").count() == 0  # it is the selected one
        page.click(cell(4))
        assert page.locator(".cot-pinned-title").inner_text().startswith("Attempt 2, pinned")
        assert page.locator(".cot-focus-title span").first.inner_text() == "Attempt 5"
        label = page.locator(".cot-pinned canvas").first.get_attribute("aria-label")
        assert label == "Tokens kept so far, attempt 2, step 4"
        page.get_by_role("button", name="Unpin").click()
        assert page.locator(".cot-pinned").is_hidden()
        page.get_by_role("button", name="Pin this attempt").click()
        page.locator(".cot-gallery button").nth(1).click()
        page.wait_for_function(
            "document.querySelector('.cot-gallery button[aria-current=true]')?.dataset.name !== 'recorded'"
        )
        page.wait_for_function("document.querySelector('.cot-pinned').hidden")


def test_several_paths_can_be_pinned_and_stand_out_in_the_chart(visit):
    with visit() as page:
        for path in (1, 4):
            page.click(f"td[data-path='{path}'][data-step='3']")
            page.get_by_role("button", name="Pin this attempt").click()
        page.click("td[data-path='6'][data-step='3']")
        titles = [words.split(",")[0] for words in page.locator(".cot-pinned-title").all_inner_texts()]
        assert titles == ["Attempt 2", "Attempt 5"]
        pinned = page.locator(".cot-reward[data-pinned]")
        assert sorted(pinned.evaluate_all("lines => lines.map((line) => line.dataset.path)")) == ["1", "4"]
        page.get_by_role("button", name="Unpin attempt 2").click()
        assert page.locator(".cot-pinned:visible .cot-pinned-title").inner_text().startswith("Attempt 5")


def test_the_charts_cursor_goes_with_the_matrix_and_the_matrix_with_it(visit):
    with visit() as page:
        quiet(page)
        asked = listened(page)
        cursor = page.locator(".cot-rewards-cursor")
        at = "line => Number(line.getAttribute('x1'))"
        cell = page.locator("td[data-path='2'][data-step='4']")
        cell.click()
        page.locator(".cot-rewards-title").hover()
        selected = cursor.evaluate(at)
        page.locator("td[data-path='2'][data-step='1']").hover()
        assert cursor.evaluate(at) < selected
        assert page.locator(".cot-rewards .cot-note").inner_text().startswith("Attempt 3")
        assert "step 2: clear enough" in page.locator(".cot-rewards .cot-note").inner_text()
        page.locator(".cot-rewards-title").hover()
        assert cursor.evaluate(at) == selected
        plot = page.locator(".cot-rewards-plot")
        plot.hover(position={"x": 34, "y": plot.bounding_box()["height"] - 22})
        assert page.locator(".cot-matrix td[data-pointed]").get_attribute("data-step") == "0"
        assert cursor.evaluate(at) < selected and page.locator(".cot-rewards-rings circle").count() == 1
        assert asked == []


def test_a_trace_file_is_seen_beside_the_run_and_asks_the_server_nothing(visit, site, tmp_path):
    file = tmp_path / "other.json"
    site.trace.save(file)
    (tmp_path / "none.json").write_text("{}")
    with visit(small(seed=5)) as page:
        button = page.get_by_role("button", name="Compare with a trace file")
        assert button.count() == 0  # for researchers
        page.get_by_label("for researchers").check()
        run(page)
        quiet(page)
        asked = listened(page)
        for name in ("none.json", "other.json"):
            with page.expect_file_chooser() as chooser:
                button.click()
            chooser.value.set_files(tmp_path / name)
            page.wait_for_selector(f".cot-versus .cot-note:has-text('{'not a trace' if name[0] == 'n' else name}')")
        steps = [film.locator(".cot-cell").count() for film in page.locator(".cot-film").all()]
        assert steps == [6, 18] and page.locator(".cot-reward-guest").count() == 1
        page.locator(".cot-film").nth(1).locator(".cot-cell").nth(3).click()
        assert page.locator(".cot-place").inner_text() == "step 4 of 6"
        assert page.locator(".cot-film [data-selected]").count() == 2
        page.get_by_label("Attempt of the other run").select_option("1")
        assert page.locator(".cot-versus-words tbody tr").count() == 6
        assert [url for url in asked if not url.startswith("blob:")] == []
        page.get_by_role("button", name="Take it away").click()
        assert page.locator(".cot-film").first.is_hidden() and page.locator(".cot-reward-guest").count() == 0


def lines_of(page) -> list[list[str]]:
    """The lines of the chart below the matrix, as (path, outline)."""
    return page.locator(".cot-reward").evaluate_all(
        "lines => lines.map((line) => [line.dataset.path, line.querySelector('path').getAttribute('d')])"
    )


def show(page, name: str) -> None:
    """Opens a recorded run, and gives whatever watches sizes the time to draw."""
    page.click(f'.cot-gallery button[data-name="{name}"]')
    page.wait_for_selector(f'.cot-gallery button[data-name="{name}"][aria-current]')
    page.wait_for_function("document.querySelector('.cot-recorded').textContent.includes('of 20')")
    quiet(page)


def test_the_chart_below_the_matrix_is_of_the_run_on_show_alone(visit):
    with visit() as page:
        first = lines_of(page)
        assert len(first) == 8
        plot = page.locator(".cot-rewards-plot")
        plot.hover(position={"x": 34, "y": plot.bounding_box()["height"] - 22})
        assert "Attempt" in page.locator(".cot-rewards .cot-note").inner_text()
        show(page, "9-plain")  # nobody judges its steps
        assert page.locator(".cot-rewards").is_hidden()
        page.set_viewport_size({"width": 1000, "height": 800})
        quiet(page)
        assert page.locator(".cot-rewards").is_hidden()
        page.mouse.move(5, 5)
        show(page, "2-one-left")
        assert page.locator(".cot-rewards .cot-note").inner_text() == ""
        shown = lines_of(page)
        assert shown != first and len(shown) == page.locator(".cot-matrix tbody tr").count() == 4
        page.set_viewport_size({"width": 700, "height": 800})
        quiet(page)
        narrow = lines_of(page)
        assert [path for path, _ in narrow] == [path for path, _ in shown] and narrow != shown


def test_the_chart_keeps_its_place_where_a_repainting_is_judged_at_its_end_alone(visit):
    with visit() as page:
        show(page, "3-critique-helped")
        rounds = page.get_by_role("group", name="Rounds").get_by_role("button")
        rounds.nth(0).click()
        assert page.locator(".cot-rewards-title").inner_text().startswith("Clear enough")
        place = page.locator(".cot-rewards").bounding_box()
        rounds.nth(1).click()
        assert page.locator(".cot-rewards-title").inner_text() == "Matches: of the final images"
        assert page.locator('.cot-reward [data-verdict^="outcome"]').count() == 4
        assert page.locator(".cot-rewards").bounding_box() == place
