// The focus area: the selected path at the selected step, large; play, pause and scrub through its steps.

import { QUESTIONS, countTokens, keptAt, lastStep, tokenState } from "./reducer.js";
import { ICONS, icon, make, setAttribute, setText, toggle } from "./dom.js";
import { canvasSide, clear, drawGuess, drawKept } from "./canvas.js";
import { Decided } from "./checklist.js";
import { Pinned } from "./pinned.js";
import { SPARED, VERDICTS, attempt, checkerWords, isCrowned, number, pathWords, plural, probability, sentence, term, truthWords, whyWords } from "./words.js";

const SIDE = 512; // canvas pixels per side, about
const PACE = 280; // milliseconds per step when playing

export class Focus {
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.crown = icon(ICONS.crown);
    this.name = make("span");
    this.fate = make("span", { class: "cot-note" });
    this.title = make("h3", { class: "cot-focus-title" }, this.crown, this.name, this.fate);
    this.why = make("p", { class: "cot-note cot-why" });
    this.kept = this.picture("Kept so far");
    this.guess = this.picture("The guess");
    this.note = make("p", { class: "cot-note" });
    this.verdicts = QUESTIONS.map((question) => this.meter(question));
    this.decided = new Decided();
    this.truth = make("p", { class: "cot-truth" });
    this.play = make("button", { type: "button", class: "cot-play", onclick: () => this.toggle() }, icon(ICONS.play), icon(ICONS.pause));
    this.slider = make("input", {
      type: "range", min: 1, max: 1, step: 1, value: 1, "aria-label": "Step", class: "cot-slider",
      oninput: () => { this.pause(); this.onSelect({ step: Number(this.slider.value) - 1 }); },
    });
    this.place = make("output", { class: "cot-place" });
    this.follow = make("button", { type: "button", class: "cot-follow", hidden: true, onclick: () => this.onSelect({ follow: true }) }, "Follow live");
    this.pin = make("button", { type: "button", class: "cot-follow", onclick: () => this.keep([...this.pins, this.shown.path.path]) }, "Pin this attempt");
    this.pins = []; // paths that stay in sight while others are looked at
    this.cards = [];
    this.beside = make("div", { class: "cot-pins" });
    this.element = make(
      "section", { class: "cot-focus", "aria-label": "Selected attempt and step" },
      make("div", { class: "cot-focus-head" }, this.title, make("span", {}, this.follow, this.pin)),
      this.why,
      make("div", { class: "cot-pair" }, this.kept.element, this.guess.element),
      make("div", { class: "cot-transport" }, this.play, this.slider, this.place),
      this.note,
      make("dl", { class: "cot-verdicts" }, ...this.verdicts.flatMap((verdict) => [verdict.name, verdict.value])),
      this.decided.element, this.truth, this.beside,
    );
    for (const { canvas } of [this.kept, this.guess]) {
      canvas.addEventListener("pointermove", (event) => this.inspect(event));
      canvas.addEventListener("pointerleave", () => this.inspect(null));
    }
    this.timer = null;
    this.shown = null;
    this.labelPlay();
  }

  picture(caption) {
    const canvas = make("canvas", { width: SIDE, height: SIDE, role: "img" });
    return { canvas, element: make("figure", { class: "cot-figure" }, canvas, make("figcaption", {}, caption)) };
  }

  meter(question) {
    const mark = make("span", { class: "cot-mark" });
    const bar = make("span", { class: "cot-bar" }, make("span"));
    const words = make("span", { class: "cot-words" });
    return { question, mark, bar, words, name: make("dt", {}, VERDICTS[question].name), value: make("dd", {}, mark, bar, words) };
  }

  // `step` may not have been painted on this path: then its last painted step before that is shown.
  draw(state, round, selection, colours) {
    const path = round.paths[selection.path];
    const last = lastStep(path);
    const at = Math.min(selection.step, last);
    const step = at >= 0 ? path.steps[at] : null;
    const [fate, kind] = pathWords(round, path);
    setText(this.name, attempt(path.path));
    setText(this.fate, fate);
    const why = whyWords(round, path);
    setText(this.why, why && `${why}.`);
    toggle(this.why, why !== "");
    toggle(this.crown, kind === "won" && isCrowned(round));
    setAttribute(this.slider, "max", state.started.steps);
    this.slider.value = selection.step + 1;
    setText(this.place, `step ${selection.step + 1} of ${state.started.steps}`);
    setAttribute(this.slider, "aria-valuetext", this.place.textContent);
    toggle(this.follow, state.phase === "running" && !selection.follow);
    this.last = state.started.steps - 1;
    this.step = selection.step;
    const shown = { path, step, grid: state.started.grid, words: this.noteWords(path, step, selection.step) };
    if (this.shown?.step !== step || this.shown?.path !== path || this.stale) {
      this.shown = shown;
      this.stale = false;
      this.drawPictures(path, step, state.started.grid, colours);
      this.drawVerdicts(step);
      this.decided.draw(state, path, Math.max(at, 0));
    }
    this.shown = shown;
    setText(this.note, shown.words);
    const truth = path.checked && at === last ? truthWords(path.checked) : "";
    this.truth.replaceChildren(...(truth ? [make("strong", {}, checkerWords(path.checked)), truth] : []));
    toggle(this.truth, Boolean(truth));
    if (state.run !== this.run) this.pins = []; // another run has other paths
    this.run = state.run;
    toggle(this.pin, round.paths.length > 1 && !this.pins.includes(path.path));
    this.drawPinned(state, round, selection.step, colours);
  }

  drawPinned(state, round, wanted, colours) {
    while (this.cards.length < this.pins.length) this.cards.push(new Pinned((path) => this.keep(this.pins.filter((one) => one !== path))));
    if (this.beside.childElementCount < this.cards.length) this.beside.replaceChildren(...this.cards.map((card) => card.element));
    toggle(this.beside, this.pins.length > 0);
    this.cards.forEach((card, place) => card.draw(state, round, round.paths[this.pins[place]] ?? null, wanted, colours));
  }

  noteWords(path, step, wanted) {
    if (!step) return path.spared ? `${sentence(SPARED)}.` : "Not painted yet.";
    const { kept, added, total } = countTokens(path, step.step);
    const open = total - kept;
    const rest = open && step.step === this.last ? ` The last ${plural(open, "token")} ${open === 1 ? "is" : "are"} drawn with it.` : "";
    const counts = `${kept} of ${plural(total, "token")} kept, ${added} of them in this step.${rest}`;
    if (step.step === wanted) return counts;
    if (path.pruned && wanted > path.pruned.step) return `Stopped after step ${path.pruned.step + 1}; that step is shown. ${counts}`;
    return `Step ${wanted + 1} is not painted yet; step ${step.step + 1} is shown. ${counts}`;
  }

  drawPictures(path, step, grid, colours) {
    const side = canvasSide(SIDE, grid[1]);
    for (const { canvas } of [this.kept, this.guess]) {
      if (canvas.width !== side) canvas.width = canvas.height = side;
      if (!step) clear(canvas);
    }
    const label = step ? `attempt ${path.path + 1}, step ${step.step + 1}` : "nothing painted yet";
    setAttribute(this.kept.canvas, "aria-label", `Tokens kept so far, ${label}`);
    setAttribute(this.guess.canvas, "aria-label", `Decoded guess of all tokens, ${label}`);
    if (!step) return;
    const fresh = step.masked.map((_, token) => (tokenState(path, step.step, token) === "new" ? 1 : 0));
    drawKept(this.kept.canvas, step.picture, step.masked, fresh, step.confidence, grid, colours);
    drawGuess(this.guess.canvas, step.picture, null, grid, colours);
  }

  drawVerdicts(step) {
    for (const { question, mark, bar, words, name, value } of this.verdicts) {
      const verdict = step?.verdicts[question];
      const glyphs = VERDICTS[question];
      setAttribute(name, "data-asked", verdict ? "true" : null);
      setAttribute(value, "data-verdict", verdict ? `${question}-${verdict.answer}` : null);
      setText(name, sentence(term(question)));
      setAttribute(name, "title", glyphs.meaning);
      setText(mark, verdict ? `${glyphs[verdict.answer][0]} ${number(verdict.p_yes)}` : "–");
      setText(words, verdict ? glyphs[verdict.answer][1] : "not asked");
      bar.firstChild.style.width = verdict ? `${(100 * verdict.p_yes).toFixed(1)}%` : "0";
    }
  }

  // What is known of the token under the pointer.
  inspect(event) {
    const { path, step, grid, words } = this.shown ?? {};
    if (!step) return;
    if (!event) return setText(this.note, words);
    const box = event.target.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * grid[0]);
    const column = Math.floor(((event.clientX - box.left) / box.width) * grid[1]);
    const token = row * grid[1] + column;
    if (!(token >= 0 && token < step.codes.length)) return;
    const kept = keptAt(path, step.step, token);
    const fate = kept < 0 ? "still masked" : kept === step.step ? "kept in this step" : `kept since step ${kept + 1}`;
    const surety = kept >= 0 && kept < step.step ? "" : `, confidence ${probability(step.confidence[token] / 255)}`;
    setText(this.note, `Token in row ${row + 1}, column ${column + 1}: code ${step.codes[token]}${surety}, ${fate}.`);
  }

  keep(pins) {
    this.pins = pins;
    this.onSelect({});
  }

  redraw() {
    this.stale = true;
  }

  toggle() {
    if (this.timer) this.pause();
    else this.start();
  }

  start() {
    if (this.step >= this.last) this.onSelect({ step: 0 });
    this.timer = setInterval(() => {
      if (this.step >= this.last) this.pause();
      else this.onSelect({ step: this.step + 1 });
    }, PACE);
    this.labelPlay();
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.labelPlay();
  }

  labelPlay() {
    setAttribute(this.play, "aria-label", this.timer ? "Pause" : "Play the steps");
    setAttribute(this.play, "data-playing", this.timer ? "true" : null);
  }
}
