// Sharing the settings in the form: shown as a link or as code, and copied as shown.

import { THANKS, make, setAttribute, setText } from "./dom.js";
import { snippetsOf } from "./snippets.js";

// What each kind is for.
const USES = {
  Link: "Opens this page with the settings in its form. Nothing runs by itself.",
  Python: "The same run with the package, row by row.",
  Shell: "Writes winner.png and trace.json.",
  Client: "Runs it here, from another program, with gradio_client.",
  MCP: "For the settings of an agent: it gets the tools generate and reflect.",
};

// `props.value` is the form, as {prompt, method, model, paths, ...}; `props.backend` what runs; `props.settings`
// what there is to set; `props.most` the most bytes of a file that is opened.
export function mountShare(element, props, watch) {
  const share = new Share(element, props);
  watch("value", () => share.draw());
}

class Share {
  constructor(element, props) {
    this.props = props;
    this.kind = "Link";
    this.tabs = make("div", { class: "cot-kinds", role: "group", "aria-label": "Share as" });
    this.code = make("pre", { class: "cot-code", tabindex: "0" });
    this.use = make("p", { class: "cot-choice-note" });
    this.copy = make("button", { type: "button", class: "cot-copy", onclick: () => this.take() }, "Copy");
    this.told = make("span", { class: "cot-told", role: "status" });
    element.replaceChildren(
      make("p", { class: "cot-choice-note" }, `Or drop one anywhere on the page: a trace.json, or an image that was saved here, up to ${props.most / 1e6} MB.`),
      make(
        "details", { class: "cot-share" },
        make("summary", {}, "Share these settings"),
        make("div", { class: "cot-share-body" }, this.tabs, this.code, make("div", { class: "cot-copying" }, this.copy, this.told), this.use),
      ),
    );
    this.draw();
  }

  draw() {
    const place = { url: `${location.origin}${location.pathname}`, mcp: Boolean(window.gradio_config?.mcp_server) };
    const snippets = snippetsOf({ ...this.props.value, backend: this.props.backend }, place, this.props.settings);
    if (!this.tabs.childElementCount) {
      this.tabs.append(...snippets.map(([kind]) => make("button", { type: "button", onclick: () => this.choose(kind) }, kind)));
    }
    for (const tab of this.tabs.children) setAttribute(tab, "aria-pressed", String(tab.textContent === this.kind));
    setText(this.code, snippets.find(([kind]) => kind === this.kind)[1]);
    setAttribute(this.code, "aria-label", this.kind);
    setAttribute(this.code, "data-kind", this.kind);
    setText(this.use, USES[this.kind]);
  }

  choose(kind) {
    this.kind = kind;
    setText(this.told, "");
    this.draw();
  }

  // Copies what is shown; where the browser does not allow that, it is marked, to be copied by hand.
  async take() {
    try {
      await navigator.clipboard.writeText(this.code.textContent);
      setText(this.told, "Copied");
    } catch {
      getSelection().selectAllChildren(this.code);
      setText(this.told, "Marked: copy it with Ctrl+C");
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => setText(this.told, ""), THANKS);
  }
}
