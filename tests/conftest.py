"""Fixtures of the tests that drive the page in a browser. Whatever the browser complains of fails the test."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
from hypothesis import settings
from page_double import Double
from page_driver import CHROMIUM, DESKTOP, DRAWN, Lasting, Site, leaving, shut, watched

# processes that test side by side look for a free port each in a range of its own
if "PYTEST_XDIST_WORKER" in os.environ:
    first = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    os.environ["GRADIO_SERVER_PORT"] = str(first + 200 * int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")))

# and compute on a share of the cores each: threads that wait for each other's cores take twice as long
SIDE_BY_SIDE = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def pytest_configure() -> None:
    if SIDE_BY_SIDE > 1:
        import torch

        threads = max(1, torch.get_num_threads() // SIDE_BY_SIDE)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # of the programs that tests start
        torch.set_num_threads(threads)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, as tests that drive a page wait for half of their time."""
    return min(4, (os.cpu_count() or 1) + 1)


settings.register_profile("patient", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("patient")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("page"))
    yield site
    site.may_load.set()
    site.demo.close()


@pytest.fixture(scope="session")
def profile(tmp_path_factory):
    """What Chromium keeps from page to page, such as the programs that it has compiled: half of what a page takes."""
    return tmp_path_factory.mktemp("profile")


@pytest.fixture(scope="module")
def lasting(profile):
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium (apt-get install chromium)")
    with api.sync_playwright() as playwright:
        lasting = Lasting(playwright.chromium, profile)
        yield lasting
        lasting.context.close()


@pytest.fixture(scope="module")
def browser(lasting):
    return lasting.context.browser


@pytest.fixture
def enter(lasting, browser):
    """Makes a page that knows of no other, closed at the end; by then the browser may not have complained of any."""
    complaints: list[str] = []
    lasting.complaints.clear()
    pages = []

    def entered(private=False, **options):
        """``private`` as in a private window, in a context of its own."""
        options = {"viewport": DESKTOP} | options
        shared = None if private else lasting.page(**options)
        pages.append(shared or watched(browser.new_context(**options), complaints))
        return pages[-1]

    yield entered
    for page in pages:
        shut(page)
    assert complaints + lasting.complaints == []


@pytest.fixture
def visit(enter, site):
    """Opens the site's page, with what it first shows on the screen.

    As somebody who wants no motion, unless told otherwise: what moves takes a third of the time of such a test.
    """
    site.may_load.set()
    site.backend.pace, site.backend.critique, site.backend.any_words = 0.01, "", True

    @contextmanager
    def opened(query: str = "", viewport=DESKTOP, reduced_motion="reduce", **options):
        page = enter(viewport=viewport, reduced_motion=reduced_motion, **options)
        page.goto(site.url + query)
        page.wait_for_selector(".cot-matrix td", state="attached")
        if query.endswith("#results"):
            page.wait_for_selector(DRAWN)
        yield page
        with leaving(page):
            shut(page)

    return opened


@pytest.fixture
def serve(enter):
    """A page over a folder of measured figures of its own."""
    from cotdemo.ui.page import build_demo, launch_options

    served = []

    def page_of(assets, backend="mini"):
        demo = build_demo(backend, lambda: Double(), assets=assets)  # the class has words, which a load would tell
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        page = enter()
        served.append((demo, page))
        page.goto(url + "#results")
        page.wait_for_selector(".cot-results h2")
        return page

    yield page_of
    for demo, page in served:
        shut(page)
        demo.close()
