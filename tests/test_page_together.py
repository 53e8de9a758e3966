"""One device for all visitors: stopping, leaving, waiting in line, messages that are lost."""

from __future__ import annotations

import time

from page_driver import PATIENCE, PROMPT, cells, filled, open_settings, quiet, run, settled, small, status


def test_stop_ends_the_run_and_the_next_one_starts_clean(visit, site):
    site.backend.pace = 1.0
    with visit(small(steps=50)) as page:
        open_settings(page)
        filled(page, 3)
        with site.backend.held(after=4):
            run(page, "running")
            page.wait_for_selector('td[data-step="2"][data-state="decoded"]')
            page.click("#stop")
        settled(page, "stopped")
        assert "Stopped" in status(page) and 0 < cells(page, "decoded") < 200
        before = cells(page, "decoded")
        page.wait_for_timeout(600)
        assert cells(page, "decoded") == before
        site.backend.pace = 0.01
        run(page)
        assert cells(page, "decoded") + cells(page, "cut") == 200


def test_closing_the_page_stops_the_work(visit, site):
    site.backend.pace = 0.5
    with visit(small("orm", 4, 50)) as page:
        open_settings(page)
        filled(page, 3)
        with site.backend.held(after=5):
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
    with visit(small("orm", 2, 4, prompt="a photo of a dog")) as one, visit(small("orm", 3, 5)) as other:
        for page, prompt in ((one, "a photo of a dog"), (other, PROMPT)):
            open_settings(page)
            filled(page, 3, prompt)
        for page in (one, other):
            page.locator("#viewer .cot").evaluate("viewer => { viewer.dataset.phase = 'pressed'; }")
            page.click("#run")
        settled(one)
        settled(other)
        assert one.locator(".cot-prompt").inner_text() == "a photo of a dog"
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


def test_who_waits_for_another_sees_the_place_in_the_line_and_can_leave(visit, site):
    with visit(small("orm", 4, 30)) as one, visit(small("orm", 2, 4)) as other:
        for page in (one, other):
            open_settings(page)
            filled(page, 3)
        with site.backend.held(after=1):
            run(one, "running")
            run(other, "waiting")
            assert status(other).startswith("One run is before yours")
            assert other.locator("#stop").is_enabled() and cells(other, "decoded") > 8
            other.click("#stop")
            settled(other, "stopped")
            quiet(other)  # Gradio takes no second click before it has heard that the first is cancelled
            run(other, "waiting")
        settled(other)
        settled(one)
        assert (cells(one, "decoded"), cells(other, "decoded")) == (120, 8)


def test_who_closes_the_page_while_waiting_is_before_nobody(visit, site):
    site.backend.pace = 1.0
    with visit(small("orm", 4, 50)) as one:
        open_settings(one)
        filled(one, 3)
        with site.backend.held(after=1):
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
