// What the judge said along all paths of a round, all its questions in one chart: a line for each path, over the steps, and
// a cursor that goes where the matrix is pointed at or selected.

import { make, setAttribute, setText, shape, toggle } from "./dom.js";
import { Fitted } from "./fitted.js";
import { QUESTIONS } from "./reducer.js";
import { VERDICTS, attempt, number, pathWords, sentence, term, told } from "./words.js";

const HEIGHT = 150; // pixels
const EDGE = { left: 38, right: 12, top: 10, bottom: 20 };
const WATCHED = { prm: "outcome", parm: "clarity", "parm++": "clarity" }; // what is asked step by step
const TITLES = { outcome: "of every guess", clarity: "of every guess, until it is", "": "of the final images" };

// The question that is drawn as a line; "" where the judge only sees final images.
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

// What a pointer means at `step`, where P(yes) is `level`: the path whose point there is nearest; where none was judged at
// that step, `otherwise`. `lines` are [{path, line, marks}].
export function meant(lines, step, level, otherwise) {
  const here = lines.flatMap(({ path, line, marks }) => [...line, ...marks].filter((point) => point.step === step).map(({ yes }) => ({ path, far: Math.abs(yes - level) })));
  const [nearest] = here.toSorted((a, b) => a.far - b.far);
  return { path: nearest?.path ?? otherwise, step };
}

export class Rewards {
  // `onSelect({path, step})` where a line is clicked; `onPoint({path, step})` while the pointer is at one, with null when it leaves.
  constructor(onSelect, onPoint) {
    this.onSelect = onSelect;
    this.onPoint = onPoint;
    this.lines = this.paths = this.words = []; // of the round that is drawn
    this.title = make("h3", { class: "cot-rewards-title" });
    this.key = make("span", { class: "cot-rewards-key" });
    this.note = make("p", { class: "cot-note" });
    this.plot = shape("svg", { height: HEIGHT, role: "img", class: "cot-rewards-plot" });
    this.element = make("section", { class: "cot-rewards", hidden: true, "aria-label": "What the judge said, step by step" }, make("div", { class: "cot-rewards-head" }, this.title, this.key), this.plot, this.note);
    this.fitted = new Fitted(this.plot, (shown, width) => this.paint(shown, width));
    this.plot.addEventListener("pointermove", (event) => this.point(this.nearest(event)));
    this.plot.addEventListener("pointerdown", (event) => this.point(this.nearest(event)));
    this.plot.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && this.point(null));
    // a finger has left, and what it pointed at stays until something else is touched
    window.addEventListener("pointerdown", ({ target, pointerType }) => pointerType !== "mouse" && !this.plot.contains(target) && this.point(null), true);
    this.plot.addEventListener("click", (event) => { const place = this.nearest(event); if (place) this.onSelect(place); });
  }

  // `pins` are paths that stay in sight; `guest` is a path of another run, or null.
  draw(state, round, selection, pins = [], guest = null) {
    const question = watched(state.started, round);
    const about = `${state.run}/${round.round}`;
    if (about !== this.about) this.point(null); // what was pointed at belongs to another round
    this.about = about;
    const shown = Boolean(WATCHED[state.started.method] || question); // in all rounds of a run, so that nothing moves
    toggle(this.element, shown);
    if (shown) this.drawKey(QUESTIONS.slice(1).filter((other) => other !== WATCHED[state.started.method]));
    else this.lines = this.paths = this.words = [];
    const steps = Math.max(state.started.steps, guest?.steps.length ?? 0);
    this.fitted.draw(shown ? { round, selection, question, steps, pins, guest } : null);
  }

  // What is drawn beside the lines.
  drawKey(questions) {
    const words = questions.map(term).join();
    if (this.key.dataset.words === words) return;
    this.key.dataset.words = words;
    this.key.replaceChildren(...questions.map(keyOf));
  }

  paint({ round, selection, question, steps, pins, guest }, width) {
    this.width = width;
    this.x = (step) => EDGE.left + (step / Math.max(steps - 1, 1)) * (width - EDGE.left - EDGE.right);
    this.y = (yes) => HEIGHT - EDGE.bottom - yes * (HEIGHT - EDGE.top - EDGE.bottom);
    setText(this.title, sentence(`${term(question || "outcome")}: ${TITLES[question]}`));
    setAttribute(this.plot, "aria-label", `${this.title.textContent}, a line for each of ${round.paths.length} attempts; the same numbers are in the table above`);
    this.lines = round.paths.map((path) => ({ path: path.path, ...series(path, question) }));
    this.words = round.paths.map((path) => `${attempt(path.path)}: ${pathWords(round, path)[0]}`);
    this.paths = round.paths;
    this.selection = selection;
    const above = (path) => (path.path === selection.path ? 2 : pins.includes(path.path) ? 1 : 0); // the selected one on top
    const order = [...round.paths].sort((a, b) => above(a) - above(b));
    this.cursor = shape("line", { class: "cot-rewards-cursor", y1: EDGE.top - 6, y2: HEIGHT - EDGE.bottom });
    this.rings = shape("g", { class: "cot-rewards-rings" });
    this.plot.replaceChildren(
      ...this.axes(steps), this.cursor, ...(guest ? [this.drawGuest(guest, question)] : []),
      ...order.map((path) => this.drawPath(round, path, selection, pins)), this.rings,
    );
    this.follow(this.pointed ?? null);
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

  drawPath(round, path, selection, pins) {
    const selected = path.path === selection.path;
    const pinned = pins.includes(path.path);
    return shape(
      "g", {
        "data-path": path.path, "data-kind": pathWords(round, path)[1], "data-selected": selected ? "true" : null,
        "data-pinned": pinned ? "true" : null, class: "cot-reward",
      },
      ...this.drawSeries(this.lines[path.path]), ...(selected || pinned ? [this.name(this.lines[path.path], String(path.path + 1))] : []),
    );
  }

  drawGuest(path, question) {
    const guest = series(path, question || "clarity");
    return shape("g", { class: "cot-reward cot-reward-guest" }, ...this.drawSeries(guest), this.name(guest, "the other run"));
  }

  // The line, and where potential was asked more than once, one that is broken; the glyphs of the other answers.
  drawSeries({ line, marks }) {
    const again = marks.filter(({ kind }) => kind.startsWith("potential"));
    return [
      shape("path", { d: this.outline(line) }),
      ...(again.length > 1 ? [shape("path", { class: "cot-reward-again", d: this.outline(again) })] : []),
      ...marks.map(({ step, yes, glyph, kind }) => shape("text", { x: this.x(step), y: this.y(yes) + 4, "text-anchor": "middle", "data-verdict": kind }, glyph)),
    ];
  }

  outline(points) {
    return points.map(({ step, yes }, index) => `${index ? "L" : "M"}${this.x(step).toFixed(1)} ${this.y(yes).toFixed(1)}`).join("");
  }

  // Beside the end of a line.
  name({ line, marks }, words) {
    const last = [...line, ...marks].reduce((best, one) => (one.step >= (best?.step ?? 0) ? one : best), null);
    if (!last) return shape("g");
    const beyond = this.x(last.step) > this.width - EDGE.right - 9 - 7 * words.length;
    return shape("text", { class: "cot-reward-name", x: this.x(last.step) + (beyond ? -9 : 9), y: this.y(last.yes) + (last.yes > 0.5 ? 13 : -6), "text-anchor": beyond ? "end" : "start" }, words);
  }

  // The path and step that the pointer means, anywhere in the plot; null where there is nothing.
  nearest(event) {
    if (!this.lines.length) return null;
    const box = this.plot.getBoundingClientRect();
    const far = (step) => Math.abs(this.x(step) - (event.clientX - box.left));
    const step = this.paths[0].steps.reduce((best, one) => (far(one.step) < far(best) ? one.step : best), 0);
    const level = (this.y(0) - (event.clientY - box.top)) / (this.y(0) - this.y(1));
    return meant(this.lines, step, level, this.selection.path);
  }

  // What is pointed at here, which the matrix is told.
  point(place) {
    const before = this.pointed;
    this.follow(place);
    if (before?.path !== place?.path || before?.step !== place?.step) this.onPoint(place);
  }

  // What is pointed at, here or in the matrix: {path, step}, the step null for the whole path; null for nothing, and the
  // cursor is back at what is selected.
  follow(place) {
    this.pointed = place;
    for (const line of this.plot.querySelectorAll(".cot-reward")) setAttribute(line, "data-pointed", place !== null && line.dataset.path === String(place.path) ? "true" : null);
    setAttribute(this.plot, "data-pointing", place !== null ? "true" : null);
    const path = place ? this.paths[place.path] : null;
    const verdicts = path?.steps[place.step]?.verdicts ?? {};
    const said = QUESTIONS.filter((question) => verdicts[question]).map((question) => told(question, verdicts[question].p_yes));
    const at = path && place.step !== null ? ` · step ${place.step + 1}: ${said.join(", ") || "not asked"}` : "";
    setText(this.note, path ? `${this.words[place.path]}${at}` : "");
    if (this.cursor) this.drawCursor({ path: place?.path ?? this.selection.path, step: place?.step ?? this.selection.step });
  }

  drawCursor({ path, step }) {
    for (const end of ["x1", "x2"]) setAttribute(this.cursor, end, this.x(step));
    const { line = [], marks = [] } = this.lines[path] ?? {};
    const here = [...line, ...marks].filter((point) => point.step === step);
    this.rings.replaceChildren(...here.map(({ yes }) => shape("circle", { cx: this.x(step), cy: this.y(yes), r: 6 })));
  }
}

// How the answers to a question are drawn.
function keyOf(question) {
  const [yes, no] = ["yes", "no"].map((answer) => make("span", { class: "cot-mark", "data-verdict": `${question}-${answer}` }, VERDICTS[question][answer][0]));
  return make("span", { title: VERDICTS[question].meaning }, yes, no, ` ${term(question)}`);
}
