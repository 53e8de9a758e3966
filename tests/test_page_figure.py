"""The page elsewhere: as a figure in an article, and under a root path behind a proxy."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest
from page_double import Double
from page_driver import PROMPT, filled, leaving, open_tab, run, shut, small
from test_page_stage import MOVING

FIGURE = {"width": 760, "height": 470}
PREFIX = "/behind/a-proxy"


@contextmanager
def proxied(url: str):
    """A server that has ``url`` under ``PREFIX``, which it strips, as nginx does; gives the address."""
    import httpx
    import uvicorn
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    async def forward(request: Request) -> Response:
        if not request.url.path.startswith(PREFIX):
            icon = request.url.path == "/favicon.ico"  # which browsers ask of every host
            return Response(status_code=204 if icon else 404)
        target = url.rstrip("/") + request.url.path.removeprefix(PREFIX) + f"?{request.url.query}"
        client = httpx.AsyncClient(timeout=None)
        asked = client.build_request(request.method, target, headers=request.headers.raw, content=await request.body())
        answer = await client.send(asked, stream=True)
        headers = {name: value for name, value in answer.headers.items() if name != "transfer-encoding"}
        done = BackgroundTask(client.aclose)
        return StreamingResponse(answer.aiter_raw(), answer.status_code, headers, background=done)

    app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST", "HEAD", "DELETE"])])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}{PREFIX}/"
    server.should_exit = True
    thread.join()


def test_as_a_figure_the_page_is_its_stage_and_plays(visit, site):
    name = list(site.demo.keep.recorded)[1]
    prompt = site.demo.keep.recorded[name].started.settings.prompt
    with visit(f"?run={name}&view=run&compact=1", FIGURE, reduced_motion=MOVING) as page:
        page.wait_for_selector(f".cot-prompt:text-is('{prompt}')")
        page.wait_for_selector('.cot-show[data-part="painting"]')  # it plays
        for part in ("#prompt", "#cot-tabs [role='tab']", "h1", "footer", ".cot-matrix", ".cot-invitation", "#gallery"):
            assert not page.locator(part).first.is_visible(), part
        page.wait_for_selector('.cot-show[data-part="rest"]')
        assert page.locator(".cot-status").is_visible() and page.get_by_role("button", name="Replay").is_visible()
        assert page.evaluate("document.documentElement.scrollHeight") <= FIGURE["height"]
        assert "compact=1" in page.url  # the article's address stays as it is
        whole = page.get_by_role("link", name="Open the run")
        assert whole.get_attribute("href").endswith(f"/?run={name}") and whole.get_attribute("target") == "_blank"
        assert page.evaluate("document.activeElement === document.body")
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        assert [one["id"] for one in axe.run(page, context="#stage").response["violations"]] == []


def test_an_article_frames_a_run_by_what_the_menu_copies(visit, enter, site, tmp_path):
    name = list(site.demo.keep.recorded)[1]
    with visit(f"?run={name}", permissions=["clipboard-read", "clipboard-write"]) as page:
        page.wait_for_function(f"location.search.includes('{name}')")
        page.locator(".cot-menu summary").click()
        page.get_by_role("button", name="Copy figure").click()
        page.wait_for_selector(".cot-save strong:text-is('Copied')")
        frame = page.evaluate("navigator.clipboard.readText()")
    article = tmp_path / "article.html"
    article.write_text(f"<!doctype html><title>An article</title><p>See:</p>{frame}")
    reader = enter()
    reader.goto(article.as_uri())
    inside = reader.frame_locator("iframe")
    inside.locator('.cot-show[data-part="rest"]').wait_for()
    assert inside.locator(".cot-prompt").inner_text() == site.demo.keep.recorded[name].started.settings.prompt


def test_the_page_works_under_a_root_path(enter):
    from cotdemo.ui.page import build_demo, launch_options

    demo = build_demo("mini", lambda: Double(pace=0.01, any_words=True))
    demo.launch(prevent_thread_lock=True, quiet=True, root_path=PREFIX, **launch_options())
    try:
        with proxied(f"http://127.0.0.1:{demo.server_port}") as address:
            page = enter(private=True)  # other windows ask for a manifest, which Gradio has at the root of the host
            answers = []
            page.on("response", lambda answer: answers.append((answer.status, answer.url)))
            page.goto(address + small("orm", 2, 4, 5))
            page.wait_for_selector(".cot-matrix td", state="attached")
            filled(page, 5)
            run(page)
            assert page.locator(".cot-prompt").inner_text() == PROMPT and page.url.startswith(address)
            image = page.request.get(page.locator('meta[property="og:image"]').first.get_attribute("content"))
            assert image.ok and PREFIX in image.url
            open_tab(page, "Results")
            page.wait_for_selector(".cot-findings")
            host = address.removesuffix(f"{PREFIX}/")
            outside = [one for one in answers if one[1].startswith(host) and not one[1].startswith(address)]
            assert outside == [] and [one for one in answers if one[0] >= 400] == []
            with leaving(page):
                shut(page)
    finally:
        demo.close()
