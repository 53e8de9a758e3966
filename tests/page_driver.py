"""Driving the page in a real Chromium, over a scripted generator and judge (``page_double``).

What stands here is shared by the files of tests: a page being served, what a visitor does with it, and the ear that
hears every complaint of the browser. The fixtures are in ``conftest``.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlencode
from weakref import WeakKeyDictionary, WeakSet

from page_double import Double

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()
PATIENCE = 90_000  # milliseconds; a busy machine is slow
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PROMPT = "a photo of a red car and a blue bus"
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
        from results_double import invent
        from starlette.middleware import Middleware

        from cotdemo.run.trace import Trace
        from cotdemo.search import search
        from cotdemo.ui.headers import SafeHeaders
        from cotdemo.ui.hosts import KnownHosts
        from cotdemo.ui.page import ASSETS, build_demo, launch_options

        self.backend = Double(pace=0.01, any_words=True)
        self.loaded = threading.Event()
        self.may_load = threading.Event()
        self.trace = Trace.of(search("parm", Double(pace=0), PROMPT, seed=3), created="2026-01-02T03:04:05+00:00")
        self.trace.save(folder / "recorded.json")
        invent(folder)
        shutil.copytree(ASSETS / "runs", folder / "runs")
        self.demo = build_demo("mini", self.load, recorded=folder / "recorded.json", assets=folder)
        guards = Middleware(KnownHosts), Middleware(SafeHeaders)  # as app.py has them
        _, self.url, _ = self.demo.launch(prevent_thread_lock=True, quiet=True, **launch_options(*guards))

    def load(self):
        self.may_load.wait(600)
        self.loaded.set()
        return self.backend


# What a page reports to its window alone, such as a ResizeObserver's loop, is said on the console as well.
LISTEN = """
    addEventListener("error", (event) => event.message && console.error(`window: ${event.message}`));
    addEventListener("unhandledrejection", (event) => console.error(`not caught: ${event.reason}`));
"""
# What Gradio's own client says of the answers it still listens to in a page that is being left: no fault while leaving.
CUT_OFF = ("AbortError: signal is aborted", "Connection errored out")
_LEFT: WeakSet = WeakSet()  # contexts of the pages that are being left


def watched(context, complaints: list[str]):
    """A new page of a context that is watched."""
    watch(context, complaints)
    return context.new_page()


def watch(context, complaints: list[str]) -> None:
    """Adds to ``complaints`` whatever the browser complains of in any page of a context."""
    context.set_default_timeout(PATIENCE)
    context.add_init_script(LISTEN)

    def hear(said) -> None:
        of_leaving = context in _LEFT and any(words in said.text for words in CUT_OFF)
        if said.type in ("error", "warning") and not of_leaving:
            complaints.append(f"{said.type}: {said.text}")

    context.on("console", hear)
    context.on("weberror", lambda raised: complaints.append(f"uncaught: {raised.error}"))
    context.on("dialog", lambda dialog: (complaints.append(f"a dialog: {dialog.message}"), dialog.dismiss()))


class Lasting:
    """A browser and its own context, in which compiled programs last from page to page, and nothing else does."""

    def __init__(self, chromium, folder):
        self.context = chromium.launch_persistent_context(folder, executable_path=CHROMIUM, args=ARGUMENTS)
        self.complaints: list[str] = []
        watch(self.context, self.complaints)
        (self._blank,) = self.context.pages
        self._protocol = self.context.new_cdp_session(self._blank)
        self._visited: set[str] = set()
        _LASTING[self.context] = self

    def page(self, viewport, reduced_motion="no-preference", **options):
        """A page that knows of none before it; None where it would be beside another one, or needs more options."""
        if options or len(self.context.pages) > 1:
            return None
        page = self.context.new_page()
        page.set_viewport_size(viewport)
        page.emulate_media(reduced_motion=reduced_motion)
        page.on("framenavigated", lambda frame: self._visited.add("/".join(frame.url.split("/")[:3])))
        return page

    def shut(self) -> None:
        """Closes all pages and forgets what they have kept."""
        for page in self.context.pages:
            if page is not self._blank:
                page.close()
        for origin in self._visited:
            asked = {"origin": origin, "storageTypes": "cookies,local_storage,indexeddb,service_workers,cache_storage"}
            self._protocol.send("Storage.clearDataForOrigin", asked)
        self._visited.clear()


_LASTING: WeakKeyDictionary = WeakKeyDictionary()  # such a context -> its Lasting


def shut(page) -> None:
    """Closes a page, all others of its context, and forgets what they have kept."""
    lasting = _LASTING.get(page.context)
    if lasting is None:
        page.context.close()
    elif not page.is_closed():
        lasting.shut()


def small(method: str = "parm", paths: int = 4, steps: int = 6, seed: int = 3, prompt: str = PROMPT) -> str:
    query = {"prompt": prompt, "method": method, "paths": paths, "steps": steps, "seed": seed}
    return "?" + urlencode(query)


def filled(page, seed: int, prompt: str = PROMPT) -> None:
    """Waits until the settings of the address, a seed among them, are in the form, to overwrite nothing later."""
    page.wait_for_function(
        "([seed, prompt]) => document.querySelector('#seed input')?.value === seed"
        " && document.querySelector('#prompt textarea').value === prompt"
        " && document.querySelector('#fresh label:has(input:checked)')?.textContent.includes('keep')",
        arg=[str(seed), prompt],
    )


def open_settings(page) -> None:
    page.get_by_role("button", name="Attempts, steps, guidance").click()


def run(page, phase: str = "finished") -> None:
    """Presses Run and waits until the page shows that run, not the one it replaces."""
    page.locator("#viewer .cot").evaluate("viewer => { viewer.dataset.phase = 'pressed'; }")
    page.click("#run")
    under_way = phase in ("running", "waiting")
    page.wait_for_selector(f'.cot[data-phase="{phase}"]') if under_way else settled(page, phase)


def compare(page) -> None:
    """Presses Compare, and waits until that comparison has ended, however soon that is."""
    page.evaluate("""() => {
      window.compared = false;  // the button itself may be made anew while the tab comes
      const pressed = ({ target }) => target.id === "compare";
      const begun = new MutationObserver((seen) => { window.compared ||= seen.some(pressed); });
      begun.observe(document.body, { subtree: true, attributeFilter: ["disabled"] });
    }""")
    page.click("#compare")
    page.wait_for_function("window.compared")
    page.wait_for_selector("#compare:enabled")


def settled(page, phase: str = "finished") -> None:
    page.wait_for_selector(f'.cot[data-phase="{phase}"]')
    page.wait_for_selector("#run:not([disabled])")


def quiet(page) -> None:
    """Waits until the page has asked nothing for a second. (Its heartbeat never ends: "networkidle" does not come.)"""
    asked = [time.monotonic()]
    page.on("request", lambda _: asked.append(time.monotonic()))
    while time.monotonic() - asked[-1] < 1:
        page.wait_for_timeout(100)


# Gradio's own lines to its server, which it opens anew whenever one breaks; what a page asks for goes by others.
_OPEN_LINES = ("/heartbeat/", "/queue/data?")


def listened(page) -> list[str]:
    """The addresses that the page asks for from now on."""
    asked: list[str] = []

    def hear(request) -> None:
        if not request.url.startswith("data:") and not any(line in request.url for line in _OPEN_LINES):
            asked.append(request.url)

    page.on("request", hear)
    return asked


def at_rest(page, selector: str) -> dict[str, float]:
    """The box of an element, once the page has scrolled to where it scrolls."""
    before, box = None, page.locator(selector).bounding_box()
    while box != before:
        page.wait_for_timeout(150)
        before, box = box, page.locator(selector).bounding_box()
    return box


@contextmanager
def leaving(page):
    """While a page is reloaded or closed, Gradio's client may complain of answers cut off, and of nothing else."""
    _LEFT.add(page.context)
    yield
    _LEFT.discard(page.context)


def reload(page) -> None:
    """Loads the page anew, once it is quiet."""
    quiet(page)
    with leaving(page):
        page.reload()
    page.wait_for_selector(".cot-matrix td", state="attached")


def themes(page):
    """The page in light, then in dark, as ``?__theme=dark`` has it (``test_page_manners``), without loading it."""
    for theme in ("light", "dark"):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        page.wait_for_timeout(300)  # what fades from colour to colour
        yield theme


def cells(page, state: str) -> int:
    return page.locator(f'td[data-state="{state}"]').count()


def status(page) -> str:
    return page.locator(".cot-status").inner_text()


def seed_whose_winner_is(right: bool) -> int:
    from cotdemo.run.trace import Trace
    from cotdemo.search import search

    for seed in range(100):
        winner = Trace.of(search("parm", Double(pace=0), PROMPT, paths=2, steps=6, seed=seed)).winner
        if (winner.p_yes > 0.5) is right:
            return seed
    raise AssertionError("no such seed")


def share(page, kind: str) -> None:
    if page.locator(".cot-share").get_attribute("open") is None:
        page.locator(".cot-share summary").click()
    page.get_by_role("button", name=kind, exact=True).click()


def save(page, label: str, about: str = ""):
    """A download of the run on show, as the menu has it."""
    menu = page.locator(".cot-menu")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    with page.expect_download() as download:
        menu.locator(f"button:has(strong:text-is('{label}')):has-text('{about}')").click()
    return download.value


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def row_of(page, name: str):
    """A row of the Results: that at the top, where it stands there, too."""
    return page.locator(f'.cot-row[data-name="{name}"]').first


def unfold(page, title: str):
    """Opens a folded part of the Results."""
    part = page.locator(f".cot-fold:has(h3:has-text('{title}'))")
    part.locator("summary").first.click()
    return part
