// The viewer: the state of a run on the screen. It keeps the state, hands it to its parts, and asks the server nothing
// but for messages that were lost on the way.

import { alive, answerOf, answerRound, emptyState, lastStep, receive, skipGap } from "./reducer.js";
import { make, setAttribute, setText, toggle } from "./dom.js";
import { forgetImages, readColours } from "./canvas.js";
import { Matrix } from "./matrix.js";
import { Focus } from "./focus.js";
import { Reflection } from "./reflection.js";
import { Rewards } from "./rewards.js";
import { Drop } from "./drop.js";
import { costWords, milestone, settingsWords, statusWords, truthWords, weightsWords } from "./words.js";

// `props.value` is the latest message of the stream, as JSON; `server.resend` gives messages again.
export function mount(element, props, watch, server) {
  const viewer = new Viewer(element, server, props.most_bytes, props.labels);
  const take = () => props.value && viewer.take(JSON.parse(props.value));
  watch("value", take);
  take();
  return viewer;
}

class Viewer {
  constructor(element, server, mostBytes, labels) {
    this.server = server;
    this.labels = labels;
    this.drop = new Drop(element, mostBytes, (message) => this.take({ notice: { type: "Failed", message } }));
    this.state = emptyState();
    this.selection = { round: 0, path: 0, step: 0, follow: true };
    this.asking = false;
    this.build(element);
    this.draw();
    // Canvases hold colours of the theme they were drawn in.
    new MutationObserver(() => this.redraw()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  build(element) {
    this.prompt = make("h2", { class: "cot-prompt" });
    this.settings = make("p", { class: "cot-settings" });
    this.recorded = make("p", { class: "cot-recorded" });
    this.status = make("p", { class: "cot-status" });
    this.truth = make("p", { class: "cot-truth" });
    this.cost = make("p", { class: "cot-cost" });
    this.progress = make("div", { class: "cot-progress", "aria-hidden": "true" }, make("span"));
    this.announcer = make("p", { class: "cot-hidden", role: "status", "aria-live": "polite" });
    this.rounds = make("div", { class: "cot-tabs", role: "group", "aria-label": "Rounds" });
    const choose = (place) => { this.focus.pause(); this.select(place); };
    this.rewards = new Rewards(({ path, step }) => choose({ path, step }), (path) => this.matrix.point(path));
    this.matrix = new Matrix(choose, (path) => this.rewards.highlight(path));
    this.focus = new Focus((place) => this.select(place));
    this.reflection = new Reflection();
    this.board = make("div", { class: "cot-board" }, make("div", { class: "cot-left" }, this.rounds, this.matrix.element, this.rewards.element), this.focus.element);
    const saving = (what, name, type) => make("button", { type: "button", class: "cot-save", onclick: () => this.saveAs(what, name, type) }, name);
    this.save = make(
      "div", { class: "cot-saving", role: "group", "aria-label": "Save this run" }, make("span", {}, "Save this run"),
      saving("trace", "trace.json", "application/json"), saving("table", "trace.csv", "text/csv"),
    );
    this.blank = make(
      "div", { class: "cot-empty" },
      make("p", {}, "Write a prompt and press Run: every path appears here as a row, every step as a column."),
    );
    this.root = make(
      "div", { class: "cot" },
      make("header", { class: "cot-head" }, this.recorded, this.prompt, this.settings, this.status, make("div", { class: "cot-facts" }, this.truth, this.cost), this.progress),
      this.announcer, this.blank, this.board, this.reflection.element,
      make("div", { class: "cot-foot" }, legend(), this.save),
    );
    element.replaceChildren(this.root);
  }

  take(message) {
    const before = this.state;
    this.state = receive(this.state, message);
    if (this.state.run !== before.run) this.begin();
    if (this.state.phase === "running" && before.phase !== "running") this.selection.follow = true; // a reflection begins
    this.follow(before);
    setText(this.announcer, milestone(before, this.state) || this.announcer.textContent);
    this.schedule();
    if (this.state.missing.length) this.askAgain();
  }

  begin() {
    forgetImages();
    this.focus.pause();
    this.selection = { round: 0, path: 0, step: 0, follow: true };
    // On a phone the form fills the screen: what was asked for is below it.
    if (this.begun && this.root.getBoundingClientRect().top > 0.7 * window.innerHeight) this.root.scrollIntoView();
    this.begun = true;
  }

  async askAgain() {
    if (this.asking) return;
    this.asking = true;
    const { run, missing } = this.state;
    let messages = [];
    try {
      messages = (await this.server.resend({ run, missing })) ?? [];
    } catch {
      // Nothing more to be had: what came later is shown without them.
    }
    if (this.state.run === run) for (const message of messages) this.take(JSON.parse(message));
    this.asking = false;
    if (this.state.run !== run || !this.state.missing.length) return;
    if (messages.length || !this.state.missing.some((seq) => missing.includes(seq))) {
      this.askAgain(); // a request is given as much as is sensible, not all
      return;
    }
    this.state = skipGap(this.state);
    this.follow(this.state);
    this.schedule();
  }

  // `what` is "trace" or "table", as the server gives it.
  async saveAs(what, name, type) {
    const text = await this.server[what](this.state.run);
    if (!text) return this.take({ notice: { type: "Failed", message: "This run is no longer kept here: run it again to save it." } });
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // Unless the visitor has chosen a place, the newest is shown: the latest step, then the winner.
  follow(before) {
    const round = this.state.rounds.at(-1);
    if (!this.selection.follow || !round) return;
    const chosen = answerOf(round);
    let { path } = this.selection.round === round.round ? this.selection : { path: 0 };
    if (chosen) path = chosen.path;
    else if (round.paths[path]?.pruned && alive(round)) path = round.paths.find((one) => one.pruned === null).path;
    const step = Math.max(0, chosen ? lastStep(round.paths[path]) : Math.max(...round.paths.map(lastStep)));
    this.selection = { round: round.round, path, step, follow: true };
    if (this.state.phase !== before.phase && this.state.phase !== "running" && chosen) this.selection.follow = false;
  }

  select(place) {
    this.selection = { ...this.selection, follow: false, ...place };
    if (place.follow) this.follow(this.state);
    this.draw();
  }

  schedule() {
    this.scheduled ??= requestAnimationFrame(() => this.draw());
  }

  redraw() {
    this.matrix.redraw();
    this.focus.redraw();
    this.schedule();
  }

  draw() {
    this.scheduled = undefined;
    const { state, selection } = this;
    const round = state.rounds[selection.round];
    setAttribute(this.root, "data-phase", state.phase);
    this.drawHead();
    toggle(this.blank, !round);
    toggle(this.board, Boolean(round));
    toggle(this.save, Boolean(round) && state.phase !== "running");
    if (round) {
      const colours = readColours(this.root);
      this.drawRounds();
      this.matrix.draw(state, round, selection, colours);
      this.rewards.draw(state, round, selection);
      this.focus.draw(state, round, selection, colours);
    }
    this.reflection.draw(state);
  }

  drawHead() {
    const { state } = this;
    setText(this.prompt, state.started ? state.started.prompt : "");
    setText(this.settings, state.started ? settingsWords(state.started, this.labels).join(" · ") : "");
    setText(this.status, statusWords(state));
    const checked = state.phase === "finished" && answerOf(answerRound(state))?.checked;
    this.truth.replaceChildren(...(checked ? [make("strong", {}, "Truth, which the judge does not see: "), truthWords(checked)] : []));
    setText(this.cost, costWords(state));
    const { recorded } = state;
    const weights = recorded && state.started ? weightsWords(state.started, this.labels) : "";
    setText(this.recorded, recorded ? [`${recorded.title} of ${recorded.created.slice(0, 10)}`, weights && `weights: ${weights}`].filter(Boolean).join(" · ") : "");
    toggle(this.recorded, Boolean(recorded));
    for (const line of [this.prompt, this.settings, this.truth, this.cost]) toggle(line, line.textContent !== "");
    const round = state.rounds.at(-1);
    const done = round ? (1 + Math.max(...round.paths.map(lastStep))) / state.started.steps : 0;
    this.progress.firstChild.style.width = `${(100 * (state.phase === "finished" ? 1 : done)).toFixed(1)}%`;
  }

  drawRounds() {
    const { rounds } = this.state;
    toggle(this.rounds, rounds.length > 1);
    if (this.rounds.childElementCount !== rounds.length) {
      this.rounds.replaceChildren(...rounds.map((round) => make(
        "button", { type: "button", onclick: () => this.select({ round: round.round, ...this.best(round.round) }) },
        round.round === 0 ? "First painting" : `Repainting ${round.round}`,
      )));
    }
    [...this.rounds.children].forEach((tab, index) => setAttribute(tab, "aria-pressed", String(index === this.selection.round)));
  }

  best(index) {
    const round = this.state.rounds[index];
    const path = answerOf(round)?.path ?? 0;
    return { path, step: Math.max(0, lastStep(round.paths[path])) };
  }
}

function legend() {
  const term = (mark, kind, words) => make("li", {}, make("span", { class: "cot-mark", "data-verdict": kind }, mark), words);
  return make(
    "details", { class: "cot-legend" },
    make("summary", {}, "How to read this"),
    make(
      "div", { class: "cot-legend-body" },
      make("p", {}, "The generator paints a picture as a grid of tokens. At each step it guesses all of them, keeps the surest and masks the rest again. Each row is one path from noise to picture; each cell shows the guess of one step, veiled where tokens are still masked. The judge sees the guess, never the truth."),
      make(
        "ul", {},
        term("● .91", "clarity-yes", "P(clear): the guess is clear enough to be judged"),
        term("○ .12", "clarity-no", "not clear yet: painting goes on"),
        term("▲ .83", "potential-yes", "P(potential): this path can still become right"),
        term("▼ .08", "potential-no", "it can no longer: the path stops at once and frees its place"),
        term("✓ .97", "outcome-yes", "P(yes): the final picture matches the prompt; this ranks the survivors"),
      ),
    ),
  );
}
