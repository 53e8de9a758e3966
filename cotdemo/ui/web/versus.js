// Another run beside the one on show: an attempt of a trace file, step by step below the attempt that is selected, and what
// both came to. The file is read in the browser; the server is asked nothing.

import { answerOf, answerRound, emptyState, isCutOff, lastStep, reduce, requirementsOf } from "./reducer.js";
import { make, setAttribute, setText, toggle } from "./dom.js";
import { canvasSide, clear, drawGuess } from "./canvas.js";
import { drawMark } from "./matrix.js";
import { attempt, cellWords, chosenWords, costWords, fateInWords, sentence, settingsWords, truthWords } from "./words.js";

const FRAME_SIDE = 80; // canvas pixels per side, about
const NO_TRACE = "This is not a trace of this app: choose a trace.json that it wrote.";
const DAMAGED = "This trace is damaged: it cannot be shown.";

// What the text of a trace file comes to. Throws an Error whose message says why it cannot be shown.
export function traceOf(text, labels) {
  let content = null;
  try {
    content = JSON.parse(text);
  } catch {
    // it is none
  }
  if (content?.format !== "cotdemo-trace" || !Array.isArray(content.events)) throw new Error(NO_TRACE);
  const { events } = content;
  if (!events.length || events.length > labels.most.events || !begins(events[0], labels.most) || !events.every((event) => belongs(event, events[0], labels.most))) throw new Error(DAMAGED);
  try {
    const state = events.reduce(reduce, emptyState());
    if (answerRound(state) === null) throw new Error("no answer");
    allWords(state, labels); // what cannot be told is not shown
    return state;
  } catch {
    throw new Error(DAMAGED);
  }
}

function whole(value, low, high) {
  return Number.isInteger(value) && value >= low && value <= high;
}

function lists(values, most, are) {
  return Array.isArray(values) && values.length <= most && values.every(are);
}

function begins(event, most) {
  return event?.type === "RunStarted" && typeof event.prompt === "string" && whole(event.paths, 1, most.paths) && whole(event.steps, 1, most.steps)
    && Array.isArray(event.grid) && event.grid.length === 2 && event.grid.every((side) => whole(side, 1, most.side))
    && lists(event.requirements ?? [], most.requirements, (words) => typeof words === "string");
}

function belongs(event, { paths, steps, requirements = [] }, most) {
  if (typeof event !== "object" || event === null) return false;
  const { type, round = 0, path = 0, step = 0, p_yes: yes = null } = event;
  const isShare = (share) => share >= 0 && share <= 1;
  const said = type === "Present" ? lists(yes, requirements.length, isShare) && yes.length === requirements.length : yes === null || isShare(yes);
  return whole(round, 0, most.round) && whole(path, 0, paths - 1) && whole(step, 0, steps - 1) && said;
}

function allWords(state, labels) {
  for (const round of state.rounds) {
    for (const path of round.paths) for (const { step } of path.steps) cellWords(path, step, requirementsOf(state));
  }
  const round = answerRound(state);
  return comparison(state, round, round.paths[answerOf(round).path], labels);
}

// What is told of an attempt and its run, beside those of another: [name, words].
export function comparison(state, round, path, labels) {
  return [
    ["Prompt", `“${state.started.prompt}”`],
    ["Asked", settingsWords(state.started, labels).join(" · ")],
    [attempt(path.path), fateInWords(round, path, requirementsOf(state))],
    ["Answer", answerOf(round) ? chosenWords(round) : "none yet"],
    ["Checker", path.checked ? `${truthWords(path.checked)}${path.checked.by ? ` (${path.checked.by})` : ""}` : "–"],
    ["Cost", costWords(state) || "–"],
  ];
}

export class Versus {
  // Files of up to `most` bytes are read; `onChange()` where the other run is another; `onStep(step)` where one is chosen.
  constructor(most, labels, onChange, onStep) {
    [this.most, this.labels, this.onChange] = [most, labels, onChange];
    this.state = null; // of the other run
    this.choose = make("button", { type: "button", class: "cot-follow", title: "A trace.json that was saved here or by the command line; it is not sent anywhere", onclick: () => this.ask() }, "Compare with a trace file");
    this.drop = make("button", { type: "button", class: "cot-follow", onclick: () => this.end() }, "Take it away");
    this.said = make("p", { class: "cot-note", role: "status" });
    this.pick = make("select", { "aria-label": "Attempt of the other run", onchange: () => { this.path = Number(this.pick.value); this.onChange(); } });
    this.films = [new Film(onStep), new Film(onStep)];
    this.films[1].head.append(this.pick);
    this.rows = make("tbody", {});
    this.body = make(
      "div", { hidden: true }, make("div", { class: "cot-films" }, ...this.films.map((film) => film.element)),
      make("table", { class: "cot-versus-words" }, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "What"), make("th", { scope: "col" }, "This run"), make("th", { scope: "col" }, "The other"))), this.rows),
    );
    this.element = make(
      "section", { class: "cot-versus", hidden: true, "aria-label": "Beside another run" },
      make("div", { class: "cot-rewards-head" }, make("h3", { class: "cot-versus-title" }, "Beside another run"), this.choose, this.drop), this.said, this.body,
    );
  }

  // The attempt of the other run that is shown; null where there is none.
  get guest() {
    return this.state ? answerRound(this.state).paths[this.path] : null;
  }

  ask() {
    const input = make("input", { type: "file", accept: "application/json" });
    input.addEventListener("change", () => this.open(input.files[0]));
    input.click();
  }

  async open(file) {
    try {
      if (file.size > this.most) throw new Error(`This file is too large: at most ${Math.floor(this.most / 1e6)} MB are read.`);
      const state = traceOf(await file.text(), this.labels);
      const round = answerRound(state);
      [this.state, this.path] = [state, answerOf(round).path];
      this.pick.replaceChildren(...round.paths.filter((path) => lastStep(path) >= 0).map(({ path }) => make("option", { value: path }, `${attempt(path)}${path === this.path ? ", its answer" : ""}`)));
      this.pick.value = this.path;
      setText(this.said, file.name);
    } catch ({ message }) {
      setText(this.said, `${file.name}: ${message}`);
    }
    this.onChange();
  }

  end() {
    this.state = null;
    setText(this.said, "");
    this.onChange();
    this.choose.focus({ preventScroll: true });
  }

  redraw() {
    for (const film of this.films) film.drawn = [];
  }

  // `wanted`: whether it is offered where no other run is open.
  draw(state, round, selection, colours, wanted) {
    const { guest } = this;
    toggle(this.element, wanted || guest !== null);
    toggle(this.body, guest !== null);
    toggle(this.drop, guest !== null);
    if (!guest) return;
    const others = [[state, round, round.paths[selection.path]], [this.state, answerRound(this.state), guest]];
    const columns = Math.max(...others.map(([{ started }]) => started.steps));
    others.forEach(([run, , path], place) => this.films[place].draw(run, path, place ? "The other run" : `This run, ${attempt(path.path).toLowerCase()}`, selection.step, columns, colours));
    const [mine, theirs] = others.map((one) => comparison(...one, this.labels));
    this.rows.replaceChildren(...mine.map(([name, words], row) => {
      const both = name.startsWith("Attempt") ? "Attempt" : name;
      const [, other] = theirs[row];
      return make("tr", { "data-same": words === other ? "true" : null }, make("th", { scope: "row" }, both), make("td", {}, sentence(words)), make("td", {}, sentence(other)));
    }));
  }
}

// The guesses of an attempt in a row, a step each.
class Film {
  constructor(onStep) {
    this.name = make("span", {});
    this.head = make("p", { class: "cot-film-head" }, this.name);
    this.strip = make("div", { class: "cot-film", role: "img" });
    this.strip.addEventListener("click", (event) => {
      const place = this.frames.findIndex(({ element }) => element.contains(event.target));
      if (place >= 0) onStep(place);
    });
    this.element = make("div", {}, this.head, this.strip);
    this.frames = [];
    this.drawn = [];
  }

  draw(state, path, name, at, columns, colours) {
    const { grid, steps } = state.started;
    setText(this.name, name);
    setAttribute(this.strip, "aria-label", `${name}: its guess at every step`);
    if (this.frames.length !== steps || this.columns !== columns) this.build(steps, columns);
    const side = canvasSide(FRAME_SIDE, grid[1]);
    path.steps.forEach((step, place) => {
      const { element, canvas, mark } = this.frames[place];
      setAttribute(element, "data-selected", place === at ? "true" : null);
      setAttribute(element, "data-state", step.decoded ? "decoded" : isCutOff(path, place) ? "cut" : "open");
      setAttribute(element, "title", cellWords(path, place, requirementsOf(state)));
      const question = ["potential", "outcome", "clarity"].find((one) => step.verdicts[one]) ?? "clarity";
      drawMark(mark, question, step.verdicts[question]);
      if (this.drawn[place] === step && this.path === path.path) return;
      this.drawn[place] = step;
      if (canvas.width !== side) canvas.width = canvas.height = side;
      if (step.decoded) drawGuess(canvas, step.picture, step.masked, grid, colours);
      else clear(canvas);
    });
    this.path = path.path;
  }

  build(steps, columns) {
    [this.columns, this.drawn] = [columns, []];
    this.strip.style.setProperty("--steps", columns);
    this.frames = Array.from({ length: steps }, () => {
      const canvas = make("canvas", {});
      const mark = make("span", { class: "cot-mark" }, "\u00a0");
      return { canvas, mark, element: make("div", { class: "cot-cell" }, canvas, mark) };
    });
    this.strip.replaceChildren(...this.frames.map(({ element }) => element));
  }
}
