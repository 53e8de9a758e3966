"""The page: Gradio Blocks, a tab for each thing one can do here. ``build_demo`` builds it and loads no model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from ..compute.precision import AUTO
from ..errors import UserError
from ..files import ASSETS
from ..registry import BACKENDS, EMBEDDED
from ..run.trace import MAX_BYTES
from ..search import entry as searches
from . import compare_tab, learn_tab, results_tab, run_tab
from .agents import spread_outputs
from .bodies import BoundedBodies
from .closing import close_in_turn
from .components import Heading, Tour, joined, page_style
from .deep_links import NoDeepLinks, hold_no_configs
from .fetching import fetch_nothing
from .handlers import Handlers
from .health import Health
from .keep import recorded_runs
from .learn import tour_of
from .plots import settle_plots
from .preview import Preview
from .queue import MOST
from .run_log import RunLog
from .starting import wait_for_slow_starts
from .tab import Page, Tab
from .theme import theme
from .uploads import BoundedUploads

# In the order of the tab bar; the address names all but the first: .../#results
TABS = (
    Tab("run", "Run", run_tab.build),
    Tab("compare", "Compare", compare_tab.build),
    Tab("results", "Results", results_tab.build),
    Tab("learn", "Learn", learn_tab.build),
)
# before anything is drawn: of a figure nothing else may flash up
AS_FIGURE = "<script>(() => {" + joined("figure.js", "asFigure(location.search);") + "})();</script>"
KEPT_ANSWERS = "<script>(() => {" + joined("answers.js", "keepAnswers(window);") + "})();</script>"
SESSIONS = 1000  # of which Gradio keeps what they have, 7 kB each for an hour; the least recently used leaves first
FOLLOW_ADDRESS = "() => {" + joined("tabs.js", 'followAddress(document.getElementById("cot-tabs"));') + "}"


def build_demo(
    backend_name: str = EMBEDDED,
    load: Callable[[], Any] | None = None,
    *,
    device: str | None = None,
    weights: Path | None = None,
    precision: str = AUTO,
    guarded: bool = False,
    scored: str | None = None,
    graphs: bool = False,
    searches: Any = searches,
    recorded: Path | None = None,
    assets: Path = ASSETS,
    max_queue: int = MOST,
    log_prompts: bool = False,
) -> gr.Blocks:
    """The page for one backend. Raises UserError for a backend that there is not.

    ``load`` gives the backend (by default ``cotdemo.backends.load_backend``, for ``device``, ``weights``,
    ``precision``, ``guarded``, ``scored`` and ``graphs``); it is called in the background once the page has been
    opened, and may have ``words`` on how far it is. ``searches`` has the functions of ``cotdemo.search``. ``recorded``
    is a trace file to show first, by default the first of ``runs`` in ``assets`` that this backend painted. ``assets``
    also holds what was measured: ladder.json, curves.json.
    ``max_queue`` runs are taken in, under way or waiting. ``log_prompts``: the lines of runs in the log have them.
    """
    if backend_name not in BACKENDS:
        raise UserError(f"There is no backend {ascii(backend_name)[:40]}; there are {', '.join(BACKENDS)}.")
    spread_outputs()
    fetch_nothing()
    hold_no_configs()
    settle_plots()
    wait_for_slow_starts()
    close_in_turn()
    runs = recorded_runs(backend_name, assets / "runs", recorded)
    asked = {"precision": precision, "guarded": guarded, "scored": scored, "graphs": graphs}
    load = load or Loading(backend_name, device, weights, **asked)
    handlers = Handlers(backend_name, load, runs, searches, max_queue, RunLog(log_prompts))

    with gr.Blocks(title="cotdemo: an image generator thinks", delete_cache=(3600, 3600), fill_width=True) as demo:
        page = Page(demo, handlers, assets)
        demo.keep, demo.health = handlers.keep, handlers.health  # for Preview and Health
        Heading(backend=backend_name, elem_id="heading")
        with gr.Tabs(elem_id="cot-tabs"):
            for tab in TABS:
                with gr.Tab(tab.label, id=tab.name, elem_id=f"{tab.name}-tab"):
                    tab.build(page)
        Tour(tour=tour_of(runs), offer=True, elem_id="offer")
        demo.load(None, js=FOLLOW_ADDRESS, api_visibility="private")
    return demo.queue(max_size=max(max_queue, MOST))


def launch_options(*guards: Middleware, **app: Any) -> dict[str, Any]:
    """What ``Blocks.launch`` is to be given besides address and port.

    ``guards`` stand before all else of the app that it makes, and ``app`` are further options of that.
    """
    bounds = Middleware(BoundedUploads), Middleware(BoundedBodies), Middleware(NoDeepLinks)
    return {
        "theme": theme(), "head": page_style() + AS_FIGURE + KEPT_ANSWERS, "max_file_size": MAX_BYTES,
        "ssr_mode": False, "share": False, "footer_links": ["api"], "enable_monitoring": False,
        "state_session_capacity": SESSIONS,
        "app_kwargs": {"middleware": [*guards, *bounds, Middleware(Health), Middleware(Preview)], **app},
    }  # fmt: skip


class Loading:
    """Loads a backend when called; ``words`` say how far a download is."""

    def __init__(self, backend_name: str, device: str | None, weights: Path | None, **how: Any):
        self._asked = backend_name, device, weights
        self._how = how
        self.words = ""

    def __call__(self) -> Any:
        from ..backends import load_backend  # imports torch: not before the page is up

        backend = load_backend(*self._asked, tell=self._tell, **self._how)
        backend.warm_up()
        return backend

    def _tell(self, words: str) -> None:
        self.words = words
