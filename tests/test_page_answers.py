"""The stream of answers between page and server, as a slow network shows it."""

from __future__ import annotations

from page_driver import DESKTOP, PROMPT, compare

# The server's word that the stream ends is held back until something else has been asked.
LATE_END = """
    const fetched = window.fetch;
    const asked = new Promise((resolve) => { window.asked = resolve; });
    window.fetch = async (...request) => {
      const answer = await fetched(...request), address = String(request[0]?.url ?? request[0]);
      if (address.includes("/queue/join") && window.ending) setTimeout(window.asked, 200);
      if (!address.includes("/queue/data") || window.ending) return answer;
      const late = new TransformStream({
        async transform(part, out) {
          if (new TextDecoder().decode(part).includes('"close_stream"')) {
            window.ending = true;
            await asked;
          }
          out.enqueue(part);
        },
      });
      return new Response(answer.body.pipeThrough(late), answer);
    };
"""


def test_what_is_asked_as_the_stream_of_answers_ends_is_answered(enter, site):
    site.may_load.set()
    site.backend.pace = 0.01
    page = enter(viewport=DESKTOP, reduced_motion="reduce")
    page.add_init_script(LATE_END)
    page.goto(site.url + "#compare")
    page.wait_for_function("window.ending")
    for box in page.locator("#compare-which input").all()[1:]:
        box.set_checked(False)
    page.fill("#compare-prompt textarea", PROMPT)
    compare(page)
    assert page.locator(".cot-compare > li[data-state='done']").count() == 1
