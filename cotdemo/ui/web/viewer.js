// The viewer: the state of a run on the screen. It keeps the state, hands it to its parts, and asks the server nothing
// but for messages that were lost on the way, files to save, and what the brush may take away.

import { alive, answerOf, emptyState, firstStep, lastStep, latest, promptOf, receive, reflections, requirementsOf, skipGap } from "./reducer.js";
import { addressOf } from "./address.js";
import { asksOtherwise } from "./asked.js";
import { bringIntoSight, make, setAttribute, setText, toggle } from "./dom.js";
import { forgetImages, readColours } from "./canvas.js";
import { CellBars } from "./checklist.js";
import { Matrix } from "./matrix.js";
import { Focus } from "./focus.js";
import { asFigure, frameOf } from "./figure.js";
import { canGuess } from "./guess.js";
import { Stage, invitePrompt } from "./stage.js";
import { Rewards } from "./rewards.js";
import { SaveMenu } from "./save.js";
import { Drop } from "./drop.js";
import { Versus } from "./versus.js";
import { VERDICTS, briefly, costWords, milestone, settingsWords, speakToResearchers, speaksToResearchers, term, weightsWords } from "./words.js";

const VOICE = "cotdemo-researchers"; // remembered: whether the field's own words are wanted
const FIRST_RUN = "recorded"; // its id, in every page
const CHECKS = "The bars below a guess, one for each thing that the prompt asks for, are as high as the judge is sure that it is there. Nothing is chosen by them; they show what will be wrong, and when that is decided.";
const PATIENCE = 4000; // milliseconds to wait for the stage's place
const NARROW = matchMedia("(max-width: 703px)"); // where the stage's parts stand below each other, as viewer.css has it
const BEGINS = "#run, #reflect, #anyway"; // what a visitor begins something of his own with

// `props.value` is the latest message of the stream, as JSON; `server.resend` gives messages again. Its "select" event wants
// the run that an address names, {run, fresh}, where the visitor goes back to it. Without a server, in a file of its own
// (cotdemo/ui/standalone.py), nothing is offered that needs one.
export function mount(element, props, watch, server, trigger) {
  const viewer = new Viewer(element, server, props);
  if (server && !viewer.compact) addEventListener("popstate", () => viewer.goBack((wanted) => trigger("select", wanted)));
  let first = new URLSearchParams(location.search).has("run") ? props.value : null; // another is asked for: it comes soon
  const take = () => {
    if (!props.value || props.value === first) return;
    const message = JSON.parse(props.value);
    if (first && message.notice) viewer.take(JSON.parse(first)); // or it does not
    first = null;
    viewer.take(message);
  };
  watch("value", take);
  take();
  return viewer;
}

class Viewer {
  constructor(element, server, { most_bytes, labels, settings, exports = [] }) {
    this.server = server;
    this.labels = labels;
    this.settable = settings;
    if (server) this.drop = new Drop(element, most_bytes, (message) => this.take({ notice: { type: "Failed", message } }));
    this.state = emptyState();
    this.selection = { round: 0, path: 0, step: 0, follow: true };
    this.asking = false;
    this.search = location.search; // of the address as this page has taken or made it
    this.brought = new URLSearchParams(location.search).has("run");
    this.build(element, server, exports, most_bytes);
    this.draw();
    for (const kind of ["wheel", "touchmove"]) window.addEventListener(kind, () => { this.away = true; }, { passive: true });
    // Canvases hold colours of the theme they were drawn in.
    new MutationObserver(() => this.redraw()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  build(element, server, exports, most) {
    this.prompt = make("h2", { class: "cot-prompt" });
    this.origin = make("p", { class: "cot-note cot-begun" });
    this.recorded = make("span", { class: "cot-recorded" });
    this.asked = make("span", {});
    this.settings = make("p", { class: "cot-settings" });
    this.taking = make(
      "button", { type: "button", class: "cot-follow", title: "Puts them into the form, the seed too; the prompt in it stays", onclick: () => this.takeSettings() },
      "Use these settings",
    );
    this.cost = make("p", { class: "cot-cost" });
    this.weights = make("p", { class: "cot-cost cot-weights" });
    this.voice = make("input", { type: "checkbox", onchange: () => this.speak(this.voice.checked, true) });
    this.guessing = make("input", { type: "checkbox", onchange: () => this.guessFirst(this.guessing.checked) });
    this.guessable = make("label", { class: "cot-voice cot-guess", title: "Bet which attempts the judge stops and which one wins, before it says so" }, this.guessing, "guess first");
    this.announcer = make("p", { class: "cot-hidden", role: "status", "aria-live": "polite" });
    this.rounds = make("div", { class: "cot-tabs", role: "group", "aria-label": "Rounds" });
    const choose = (place) => { this.focus.pause(); this.select(place); };
    this.rewards = new Rewards(choose, (place) => this.matrix.point(place));
    this.matrix = new Matrix(choose, (place) => this.rewards.follow(place));
    this.versus = new Versus(most, this.labels, () => this.draw(), (step) => choose({ step }));
    this.focus = new Focus((place) => this.select(place));
    this.stage = new Stage(choose, () => { this.staging ??= requestAnimationFrame(() => this.drawStage()); }, (prompt) => server.less(prompt));
    this.legend = make("p", { class: "cot-key" });
    this.board = make("div", { class: "cot-board" }, make("div", { class: "cot-left" }, this.rounds, this.legend, this.matrix.element, this.rewards.element, this.versus.element), this.focus.element);
    this.menu = new SaveMenu(exports, (what) => this.saveAs(what), () => this.copy(this.link()), () => this.copy(frameOf(this.link(), promptOf(this.state))));
    this.stage.acts.append(this.menu.element);
    this.compact = Boolean(server) && asFigure(location.search);
    this.whole = make("a", { class: "cot-follow cot-open", target: "_blank", rel: "noopener", hidden: !this.compact }, "Open the run");
    this.stage.acts.append(this.whole);
    this.offer = make(
      "div", { class: "cot-offer", hidden: true },
      make("p", {}), make("button", { type: "button", onclick: () => document.querySelector("#run").click() }, "Paint it"),
      make("button", { type: "button", class: "cot-follow", onclick: () => this.decline() }, "Not now"),
    );
    document.addEventListener("click", ({ target }) => target.closest?.(BEGINS) && !(target.closest("#run") && refusal()) && this.engage());
    document.addEventListener("keydown", ({ key, shiftKey, target }) => key === "Enter" && !shiftKey && target.closest?.("#prompt") && !refusal() && this.engage());
    this.stage.element.addEventListener("cot-brush", () => this.engage());
    this.blank = make(
      "div", { class: "cot-empty" },
      make("p", {}, "Write a prompt and press Run: every attempt appears here as a row, every step as a column."),
    );
    this.top = make(
      "div", { class: "cot cot-top" }, this.offer,
      make(
        "header", { class: "cot-head" },
        make("p", { class: "cot-asked" }, this.recorded, this.asked, " ", this.taking),
        this.guessable, make("label", { class: "cot-voice", title: "P(clear), P(potential), P(yes), guidance, temperature, hashes of weights" }, this.voice, "for researchers"),
        this.prompt, this.origin,
      ),
      this.stage.element, this.announcer,
    );
    setAttribute(this.top, "data-alone", this.server ? null : "true");
    this.apart = make("div", { class: "cot-apart" }); // where the reflection stands, if not on the stage
    this.root = make(
      "div", { class: "cot" },
      this.apart, make("header", { class: "cot-about-run" }, this.settings, this.cost, this.weights),
      this.blank, this.board, legend(),
    );
    const ends = (event) => [this.stage.replay, this.guessable].some((part) => part.contains(event.target)) || this.stage.rest();
    for (const part of [this.top, this.root]) for (const kind of ["pointerdown", "keydown"]) part.addEventListener(kind, ends, true);
    NARROW.addEventListener("change", () => this.arrange());
    this.placed = this.place();
    this.speak(remembersResearchers());
    element.replaceChildren(this.root);
  }

  // Puts the stage where the page has a place for it, before the form on a phone; this may be mounted later than the viewer.
  async place() {
    const since = performance.now();
    let place = null;
    while (!(place = document.querySelector("#stage .cot-place-of-stage")) && performance.now() - since < PATIENCE) await new Promise((go) => setTimeout(go, 15));
    if (!place) return this.root.prepend(this.top);
    place.replaceChildren(this.top);
    place.addEventListener("cot-form", () => {
      this.drawHead();
      if (this.addressed) history.replaceState(this.remembered(), "");
    });
    this.form = place;
    this.arrange();
    this.drawHead();
  }

  // What is asked for begins: what makes room for it or goes does so at once, and not when the server answers, which would
  // move what is read then.
  engage() {
    this.engaged = true;
    this.decline();
    this.arrange();
  }

  // What a link asks for is not offered again.
  decline() {
    this.taken = this.offer.firstChild.textContent;
    toggle(this.offer, false);
  }

  // On a phone, until a visitor has begun something of his own, the reflection stands below the form, so that prompt and
  // Run are on the screen with the stage: the sentence there says the critique, and the slider has both images.
  arrange() {
    const apart = Boolean(this.form) && NARROW.matches && !this.engaged && !this.compact;
    const home = apart ? this.apart : this.stage.beside;
    if (this.stage.reflection.element.parentNode !== home) home.prepend(this.stage.reflection.element);
    setAttribute(this.top, "data-apart", apart ? "true" : null);
    setAttribute(this.stage.element, "data-apart", apart ? "true" : null);
    this.drawStage();
  }

  takeSettings() {
    this.stage.element.dispatchEvent(new CustomEvent("cot-take", { bubbles: true }));
    document.querySelector("#run")?.focus({ preventScroll: true }); // the button goes
  }

  // In plain words, or in the field's own.
  speak(toResearchers, keep = false) {
    speakToResearchers(toResearchers);
    this.voice.checked = toResearchers;
    this.redraw();
    if (!keep) return;
    rememberResearchers(toResearchers);
    this.draw(); // at once: it is the answer to a click
  }

  // From now on recorded runs are guessed before they are played, that on show first; or no more.
  guessFirst(wanted) {
    if (wanted) this.stage.ask(this.state);
    else this.stage.reveal(false);
  }

  take(message) {
    const before = this.state;
    this.state = receive(this.state, message);
    if (this.state === before) return; // known already
    if (this.state.run !== before.run) this.begin();
    this.takeAddress();
    if (this.state.phase === "running" && before.phase !== "running") { // a reflection begins
      this.selection.follow = true;
      this.stage.peek = null;
    }
    if (this.state.run === before.run) this.settle();
    this.follow(before);
    this.show(before);
    setText(this.announcer, milestone(before, this.state) || this.announcer.textContent);
    this.schedule();
    if (this.state.missing.length) this.askAgain();
  }

  begin() {
    forgetImages();
    this.focus.pause();
    this.selection = { round: 0, path: 0, step: 0, follow: true };
    this.settle();
    this.stage.peek = null;
    // A run that can be seen from its beginning to its end is played; at first, the prompt is the visitor's turn.
    if (this.state.recorded && this.state.phase === "finished") {
      const first = !this.begun;
      const { run } = this.state;
      this.due = run;
      this.placed.then(() => requestAnimationFrame(() => {
        if (this.due !== run) return;
        if (this.guessing.checked && this.stage.ask(this.state)) return;
        this.stage.play(this.state, () => first && invitePrompt());
      }));
    }
    this.begun = true;
  }

  // The page's address becomes that of the run on show, but for the one that every page shows at first. What the visitor
  // has begun or opened leaves the one before to go back to; not so what the address itself has brought.
  takeAddress() {
    const { run, started } = this.state;
    const shown = `${run} ${this.state.recorded?.name}`;
    if (this.compact && started) return setAttribute(this.whole, "href", this.link()); // its own is the article's
    if (!this.server || !started || run === FIRST_RUN || this.addressed === shown) return;
    const same = this.brought || this.addressed?.startsWith(`${run} `);
    this.addressed = shown;
    this.brought = false;
    history[same ? "replaceState" : "pushState"](this.remembered(), "", `${this.link()}${location.hash}`);
    this.search = location.search;
  }

  // What a reload is to know, and whoever follows the link is not: whether Run draws a new seed.
  remembered() {
    return { ...history.state, fresh: Boolean(this.form?.asked.fresh) };
  }

  // `ask({run, fresh})` is for another run than the one on show; "" is the one that the page shows at first.
  goBack(ask) {
    if (location.search === this.search) return; // of another tab
    this.search = location.search;
    this.brought = true;
    ask({ run: new URLSearchParams(location.search).get("run") ?? "", fresh: Boolean(history.state?.fresh) });
  }

  link() {
    return addressOf(this.state, this.settable, location);
  }

  // Whether it could be copied.
  async copy(text) {
    return Boolean(await navigator.clipboard?.writeText(text).then(() => true, () => false));
  }

  // A run goes on while it is played, or before: what comes now is shown.
  settle() {
    this.due = null;
    this.stage.rest();
  }

  // What has just come is brought into sight, if the visitor is not looking for something himself: a run that begins, the
  // judge's word on its image, and the image painted again, which the stage has large, with what is said of it below.
  show(before) {
    const { phase } = this.state;
    if (phase === "running" && before.phase !== "running") this.away = false;
    if (phase === "failed" && before.phase !== "failed" && refusal()) bringIntoSight(refusal().parentElement);
    if (this.away || before.run === null) return;
    const begins = phase === "running" && before.phase !== "running";
    if (begins && !reflections(this.state).length) return this.bring(this.top);
    const said = (state) => reflections(state).map(({ critique, approved, after }) => [critique && 1, approved, after && answerOf(after) && 1]).join();
    if (before.run !== this.state.run || said(this.state) === said(before)) return;
    const isWord = reflections(this.state).at(-1)?.after === null;
    this.bring(isWord ? this.stage.reflection.element : this.stage.element);
  }

  // Of what is higher than the window its beginning.
  bring(element) {
    this.away = false;
    requestAnimationFrame(() => requestAnimationFrame(() => bringIntoSight(element, element.offsetHeight > window.innerHeight ? "start" : "nearest")));
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

  // `what` is a row of cotdemo/ui/exports.py; the server answers with a file, {name, url}, or why there is none.
  async saveAs(what) {
    const { name, url, refused } = await this.server.export({ run: this.state.run, what });
    if (refused) return this.take({ notice: { type: "Failed", message: refused } });
    const file = await (await fetch(url)).blob(); // a URL of data may be too long for a link
    const link = make("a", { href: URL.createObjectURL(file), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // Unless the visitor has chosen a place, the newest is shown: the latest step, then the winner.
  follow(before) {
    const round = this.state.rounds.at(-1);
    if (!this.selection.follow || !round) return;
    const chosen = answerOf(round);
    let { path } = this.selection.round === round.round ? this.selection : { path: 0 };
    const wave = latest(round);
    if (chosen) path = chosen.path;
    else if (!wave.includes(round.paths[path])) [{ path }] = wave;
    else if (round.paths[path]?.pruned && alive(round)) path = round.paths.find((one) => one.pruned === null).path;
    const step = Math.max(0, chosen ? lastStep(round.paths[path]) : Math.max(...wave.map(lastStep)));
    this.selection = { round: round.round, path, step, follow: true };
    if (this.state.phase !== before.phase && this.state.phase !== "running" && chosen) this.selection.follow = false;
  }

  select(place) {
    this.selection = { ...this.selection, follow: false, chosen: true, ...place };
    if (place.follow) this.follow(this.state);
    this.draw();
  }

  schedule() {
    this.scheduled ??= requestAnimationFrame(() => this.draw());
  }

  redraw() {
    this.stage.redraw();
    this.matrix.redraw();
    this.focus.redraw();
    this.versus.redraw();
    this.schedule();
  }

  draw() {
    this.scheduled = undefined;
    const { state, selection } = this;
    const round = state.rounds[selection.round];
    setAttribute(this.root, "data-phase", state.phase);
    setText(this.offer.firstChild, state.offered);
    toggle(this.offer, state.offered !== "" && state.offered !== this.taken);
    setAttribute(this.top, "data-tone", state.phase === "failed" ? "failed" : null);
    this.drawHead();
    const colours = this.drawStage();
    toggle(this.blank, !round);
    toggle(this.board, Boolean(round));
    setAttribute(this.menu.element, "data-later", round && state.phase !== "running" ? null : "true"); // keeps its room
    this.menu.draw(state);
    if (round) {
      this.drawRounds();
      this.drawKey();
      this.matrix.draw(state, round, selection, colours);
      this.focus.draw(state, round, selection, colours);
      this.rewards.draw(state, round, selection, this.focus.pins, this.versus.guest);
      this.versus.draw(state, round, selection, colours, speaksToResearchers());
    }
  }

  drawHead() {
    const { state } = this;
    setText(this.prompt, state.started ? promptOf(state) : "");
    setText(this.origin, state.started && promptOf(state) !== state.started.prompt ? `Begun as “${state.started.prompt}”, which the link of this run has, and paints again once the run is no longer kept.` : "");
    toggle(this.origin, this.origin.textContent !== "");
    this.drawAsked();
    setText(this.settings, state.started ? settingsWords(state.started, this.labels).join(" · ") : "");
    setText(this.cost, costWords(state));
    const { recorded } = state;
    setText(this.weights, speaksToResearchers() && state.started ? `weights: ${weightsWords(state.started, this.labels)}` : "");
    setText(this.recorded, recorded ? `${recorded.title} of ${recorded.created.slice(0, 10)}` : "");
    toggle(this.recorded, Boolean(recorded));
    for (const line of [this.settings, this.weights]) toggle(line, line.textContent !== "");
    const otherwise = this.form && state.started && asksOtherwise(this.form.asked, state.started, this.settable);
    setAttribute(this.taking, "data-later", otherwise ? null : "true"); // keeps its room
  }

  // What the run was asked for, in short, broken between its parts alone.
  drawAsked() {
    const { started, recorded } = this.state;
    const words = started ? briefly(started, this.labels) : [];
    const parts = words.flatMap((one, place) => [place || recorded ? " · " : "", make("span", {}, one)]);
    const text = parts.map((part) => part.textContent ?? part).join("");
    if (this.asked.textContent !== text) this.asked.replaceChildren(...parts);
  }

  // What the marks of the grid are called, above it.
  drawKey() {
    const listed = requirementsOf(this.state).length > 0;
    const later = firstStep(this.state.rounds[this.selection.round]);
    const words = `${speaksToResearchers() ? "researchers" : "plain"}${listed ? ", with a checklist" : ""}, from step ${later}`;
    if (this.legend.dataset.words === words) return;
    this.legend.dataset.words = words;
    this.legend.replaceChildren(...key(), ...(listed ? [checksKey()] : []), ...(later ? [make("span", {}, `faint: kept from the image before, so that painting begins at step ${later + 1}`)] : []));
  }

  // The stage alone, while a run is played on it.
  drawStage() {
    cancelAnimationFrame(this.staging);
    this.staging = undefined;
    const colours = readColours(this.root);
    this.stage.draw(this.state, colours);
    toggle(this.root, !this.stage.guess.bets); // it tells what is to be guessed
    setAttribute(this.guessable, "data-later", canGuess(this.state) || this.guessing.checked ? null : "true"); // keeps its room
    return colours;
  }

  drawRounds() {
    const { rounds } = this.state;
    toggle(this.rounds, rounds.length > 1);
    if (this.rounds.childElementCount !== rounds.length) {
      this.rounds.replaceChildren(...rounds.map((round) => make(
        "button", { type: "button", onclick: () => this.select({ round: round.round, ...this.best(round.round) }) },
        round.round === 0 ? "First painting" : `Painted again ${round.round > 1 ? round.round : ""}`.trim(),
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

function remembersResearchers() {
  try {
    return localStorage.getItem(VOICE) === "yes";
  } catch {
    return false; // no storage: plain words each time
  }
}

function rememberResearchers(wanted) {
  try {
    localStorage.setItem(VOICE, wanted ? "yes" : "no");
  } catch {
    // as above
  }
}

function mark(question, answer) {
  return make("span", { class: "cot-mark", "data-verdict": `${question}-${answer}` }, VERDICTS[question][answer][0]);
}

function key() {
  const item = (question, answer, words) => make("span", { title: VERDICTS[question].meaning }, mark(question, answer), ` ${words}`);
  const called = (question) => (speaksToResearchers() ? `${term(question)}: ` : "");
  return [
    item("clarity", "no", `${called("clarity")}not clear yet`), item("clarity", "yes", "clear enough to judge"),
    item("potential", "yes", `${called("potential")}can still work`), item("potential", "no", "unlikely to"),
    item("outcome", "yes", `${called("outcome")}matches`),
  ];
}

function checksKey() {
  const bars = new CellBars(2);
  bars.draw([1, 0.4]);
  return make("span", { class: "cot-key-checks", title: CHECKS }, bars.element, "what is asked for: there, missing");
}

function legend() {
  const line = (question, answer, words) => make("li", {}, mark(question, answer), words);
  return make(
    "details", { class: "cot-legend" },
    make("summary", {}, "How to read this"),
    make(
      "div", { class: "cot-legend-body" },
      make("p", {}, "The generator paints an image as a grid of tokens. At each step it guesses all of them, keeps the surest and masks the rest again. Each row is one attempt, from noise to image; each cell shows the guess of one step, veiled where tokens are still masked. The tokens that are left are all drawn in the last step. The judge sees the guess; what the checker says is hidden from it."),
      make(
        "ul", {},
        line("clarity", "yes", "P(clear): the guess is clear enough to be judged"),
        line("clarity", "no", "not clear yet: painting goes on"),
        line("potential", "yes", "P(potential): this attempt can still become right"),
        line("potential", "no", "it can no longer: the attempt stops at once and frees its place"),
        line("outcome", "yes", "P(yes): the final image matches the prompt; this ranks those that are left"),
      ),
      make("p", {}, CHECKS),
    ),
  );
}

// Where the form says why it cannot be painted; null where it can, as far as is known.
function refusal() {
  const told = document.querySelector("#estimate .cot-limit");
  return told?.textContent ? told : null;
}
