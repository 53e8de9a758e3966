// What the judge said along all paths of a round: one line for each path, over the steps.

import { make, setAttribute, setText, shape, toggle } from "./dom.js";
import { Fitted } from "./fitted.js";
import { VERDICTS, attempt, number, pathWords, sentence, term } from "./words.js";

const HEIGHT = 150; // pixels
const EDGE = { left: 38, right: 12, top: 10, bottom: 20 };
const WATCHED = { prm: "outcome", parm: "clarity", "parm++": "clarity" }; // what is asked step by step
const TITLES = { outcome: "of every guess", clarity: "of every guess, until it is", "": "of the final pictures" };

// The question that is drawn as a line; "" where the judge only sees final pictures.
export function watched(started, round) {
  if (round.round === 0) return WATCHED[started.method] ?? "";
  return round.paths.some((path) => path.steps.some((step) => step.verdicts.clarity)) ? "clarity" : ""; // in older traces
}

// Points {step, yes} of one path's line, and its marks {step, yes, glyph, kind}: potential, and the outcome at the end.
export function series(path, question) {
  const line = [], marks = [];
  for (const { step, verdicts } of path.steps) {
    if (verdicts[question]) line.push({ step, yes: verdicts[question].p_yes });
    for (const other of ["potential", "outcome"]) {
      const verdict = verdicts[other];
      if (verdict && other !== question) marks.push({ step, yes: verdict.p_yes, glyph: VERDICTS[other][verdict.answer][0], kind: `${other}-${verdict.answer}` });
    }
  }
  return { line, marks };
}

export class Rewards {
  // `onSelect({path, step})` where a line is clicked; `onPoint(path)` while the pointer is at one, with null when it leaves.
  constructor(onSelect, onPoint) {
    this.onSelect = onSelect;
    this.onPoint = onPoint;
    this.lines = [];
    this.title = make("h3", { class: "cot-rewards-title" });
    this.note = make("span", { class: "cot-note" });
    this.plot = shape("svg", { height: HEIGHT, role: "img", class: "cot-rewards-plot" });
    this.element = make("section", { class: "cot-rewards", hidden: true, "aria-label": "What the judge said, step by step" }, make("div", { class: "cot-rewards-head" }, this.title, this.note), this.plot);
    this.fitted = new Fitted(this.plot, (shown, width) => this.paint(shown, width));
    this.plot.addEventListener("pointermove", (event) => this.point(this.nearest(event)));
    this.plot.addEventListener("pointerleave", () => this.point(null));
    this.plot.addEventListener("click", (event) => { const place = this.nearest(event); if (place) this.onSelect(place); });
  }

  draw(state, round, selection) {
    const question = watched(state.started, round);
    const about = `${state.run}/${round.round}`;
    if (about !== this.about) this.point(null); // what was pointed at belongs to another round
    this.about = about;
    const shown = Boolean(WATCHED[state.started.method] || question); // in all rounds of a run, so that nothing moves
    toggle(this.element, shown);
    this.fitted.draw(shown ? { round, selection, question, steps: state.started.steps } : null);
  }

  paint({ round, selection, question, steps }, width) {
    this.width = width;
    this.x = (step) => EDGE.left + (step / Math.max(steps - 1, 1)) * (width - EDGE.left - EDGE.right);
    this.y = (yes) => HEIGHT - EDGE.bottom - yes * (HEIGHT - EDGE.top - EDGE.bottom);
    setText(this.title, sentence(`${term(question || "outcome")}: ${TITLES[question]}`));
    setAttribute(this.plot, "aria-label", `${this.title.textContent}, a line for each of ${round.paths.length} attempts; the same numbers are in the table above`);
    this.lines = round.paths.map((path) => ({ path: path.path, ...series(path, question) }));
    this.words = round.paths.map((path) => `${attempt(path.path)}: ${pathWords(round, path)[0]}`);
    const order = [...round.paths].sort((a, b) => (a.path === selection.path) - (b.path === selection.path)); // the selected one on top
    this.plot.replaceChildren(...this.axes(steps), ...order.map((path) => this.drawPath(round, path, selection)));
    this.point(this.pointed ?? null);
  }

  axes(steps) {
    const text = (x, y, words, anchor) => shape("text", { x, y, "text-anchor": anchor }, words);
    const levels = [0, 0.5, 1].flatMap((yes) => [
      shape("line", { x1: EDGE.left, x2: this.width - EDGE.right, y1: this.y(yes), y2: this.y(yes) }),
      text(EDGE.left - 6, this.y(yes) + 3.5, number(yes), "end"),
    ]);
    const every = Math.ceil(steps / 9);
    const ticks = Array.from({ length: steps }, (_, step) => step).filter((step) => step % every === 0);
    return [shape("g", { class: "cot-rewards-axes", "aria-hidden": "true" }, ...levels, ...ticks.map((step) => text(this.x(step), HEIGHT - 4, String(step + 1), "middle")))];
  }

  drawPath(round, path, selection) {
    const { line, marks } = this.lines[path.path];
    const d = line.map(({ step, yes }, index) => `${index ? "L" : "M"}${this.x(step).toFixed(1)} ${this.y(yes).toFixed(1)}`).join("");
    return shape(
      "g", { "data-path": path.path, "data-kind": pathWords(round, path)[1], "data-selected": path.path === selection.path ? "true" : null, class: "cot-reward" },
      shape("path", { d }),
      ...marks.map(({ step, yes, glyph, kind }) => shape("text", { x: this.x(step), y: this.y(yes) + 4, "text-anchor": "middle", "data-verdict": kind }, glyph)),
    );
  }

  // The path and step whose point or mark is next to the pointer; null where none is near.
  nearest(event) {
    const box = this.plot.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    for (const { path, line, marks } of this.lines) {
      for (const { step, yes } of [...line, ...marks]) {
        const far = Math.hypot(this.x(step) - x, this.y(yes) - y);
        if (far < 24 && (!best || far < best.far)) best = { path, step, yes, far };
      }
    }
    return best && { path: best.path, step: best.step, yes: best.yes };
  }

  point(place) {
    const before = this.pointed;
    this.pointed = place;
    this.highlight(place ? place.path : null);
    setText(this.note, place ? `${this.words[place.path]} · step ${place.step + 1}: ${number(place.yes)}` : "");
    if (before?.path !== place?.path) this.onPoint(place ? place.path : null);
  }

  // A path that is pointed at, here or in the matrix.
  highlight(path) {
    for (const line of this.plot.querySelectorAll(".cot-reward")) setAttribute(line, "data-pointed", path !== null && line.dataset.path === String(path) ? "true" : null);
    setAttribute(this.plot, "data-pointing", path !== null ? "true" : null);
  }
}
