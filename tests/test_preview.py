"""What other sites are told of a link: tags in the document as it is sent, and the image that they name."""

from __future__ import annotations

import io
import os
import re

import httpx
import pytest
from page_double import Double
from PIL import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

PROMPT = 'a photo of a "dog" & <b>bus</b>'


@pytest.fixture(scope="module")
def page():
    from cotdemo.ui.endpoints import Endpoints
    from cotdemo.ui.handlers import Handlers
    from cotdemo.ui.page import build_demo, launch_options

    demo = build_demo("mini", lambda: Double(pace=0, any_words=True))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    handlers = Handlers("mini", lambda: Double(pace=0, any_words=True))
    handlers.runs = demo.keep.runs  # whatever has painted a run that is kept there
    run = Endpoints(handlers).painted(PROMPT, paths=3, steps=4, seed=1).run
    yield url, run.id, next(iter(demo.keep.recorded))
    demo.close()


def tags(text: str) -> dict[str, str]:
    return dict(re.findall(r'<meta property="(og:[a-z]+)" content="([^"]*)" />', text))


def test_the_page_tells_its_own_name_and_shows_its_first_run(page):
    url, _, _ = page
    answer = httpx.get(url)
    told = tags(answer.text)
    assert told["og:title"] == "Watch an image generator think" and "judge" in told["og:description"]
    assert (
        "Gradio" not in "".join(told.values()) and answer.text.count("og:title") == answer.text.count("og:image") == 1
    )
    assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded
    assert_image(told["og:image"])


def assert_image(url: str) -> None:
    answer = httpx.get(url)
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).width >= 460


def test_a_link_to_a_run_tells_of_that_run(page):
    url, run_id, recorded = page
    told = tags(httpx.get(url, params={"run": run_id}).text)
    assert told["og:title"].startswith("“a photo of a &quot;dog&quot; &amp; &lt;b&gt;bus&lt;/b&gt;”")
    assert told["og:image"].endswith(f"/preview.png?run={run_id}")
    assert_image(told["og:image"])
    told = tags(httpx.get(url, params={"run": recorded}).text)
    assert told["og:image"].endswith(recorded)
    assert_image(told["og:image"])


@pytest.mark.parametrize("run", ["nonsense", "../../etc/passwd", "%00", '"><script>'])
def test_a_run_that_there_is_not_is_none(page, run):
    url, _, _ = page
    told = tags(httpx.get(url, params={"run": run}).text)
    assert told["og:title"] == "Watch an image generator think" and "og:image" not in told
    assert httpx.get(f"{url}preview.png", params={"run": run}).status_code == 404
