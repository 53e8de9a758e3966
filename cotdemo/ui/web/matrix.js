// The matrix: one row per path, one column per step, a sticky first column with the path's state.

import { QUESTIONS, beginning, isCutOff, judgesEveryStep, requirementsOf, veilOf, waveOf } from "./reducer.js";
import { ICONS, icon, make, setAttribute, setText, toggle } from "./dom.js";
import { canvasSide, clear, drawGuess } from "./canvas.js";
import { CellBars } from "./checklist.js";
import { VERDICTS, attempt, cellWords, isCrowned, markWords, pathNumber, pathNumberWords, pathWords, whyWords } from "./words.js";

const CELL = 96; // canvas pixels per side of a cell, about

// What is asked of every step; the outcome is mostly the path's.
function marksOf(started, round) {
  return judgesEveryStep(started, round) ? ["outcome"] : QUESTIONS.slice(0, 2);
}

export class Matrix {
  constructor(onSelect, onPoint) {
    this.onSelect = onSelect;
    this.table = make("table", { class: "cot-matrix", role: "grid" });
    this.element = make("div", { class: "cot-scroll" }, this.table);
    this.table.addEventListener("click", (event) => this.clicked(event));
    this.table.addEventListener("keydown", (event) => this.pressed(event));
    this.table.addEventListener("pointerover", (event) => onPoint(this.placeOf(event.target)));
    this.table.addEventListener("pointerleave", () => onPoint(null));
    this.rows = [];
    this.pointed = null;
    this.shape = "";
    this.round = null;
  }

  draw(state, round, selection, colours) {
    const shape = `${state.run}/${round.round}/${round.paths.length}x${state.started.steps}`;
    if (shape !== this.shape) this.build(state, round, shape);
    const before = this.round;
    this.round = round;
    round.paths.forEach((path, index) => {
      if (before !== round) this.drawPath(state, round, path, index, before?.paths[index], colours);
    });
    this.select(selection, selection.chosen || state.phase === "running");
    if (this.phase === "running" && state.phase !== "running" && !selection.chosen) this.element.scrollLeft = 0; // early stops are seen
    this.phase = state.phase;
  }

  redraw() {
    this.round = null;
  }

  // {path, step} of what is in the table; the step is null in the first column.
  placeOf(element) {
    const path = this.rows.findIndex((row) => row.element.contains(element));
    const cell = element.closest("td");
    return path < 0 ? null : { path, step: cell ? Number(cell.dataset.step) : null };
  }

  // A path, and the step of it, that is pointed at elsewhere; null for none.
  point(place) {
    this.rows.forEach((row, index) => setAttribute(row.element, "data-pointed", index === place?.path ? "true" : null));
    const cell = place ? this.rows[place.path]?.cells[place.step]?.element ?? null : null;
    if (this.pointed && this.pointed !== cell) setAttribute(this.pointed, "data-pointed", null);
    if (cell) setAttribute(cell, "data-pointed", "true");
    this.pointed = cell;
  }

  build(state, round, shape) {
    const { steps, grid } = state.started;
    this.shape = shape;
    this.round = null;
    this.selected = this.pointed = null;
    this.marked = marksOf(state.started, round.round);
    this.requirements = requirementsOf(state);
    const head = make("tr", {}, make("th", { scope: "col", class: "cot-path-head" }, "Attempt"));
    this.heads = Array.from({ length: steps }, (_, step) => make("th", { scope: "col" }, String(step + 1)));
    head.append(...this.heads);
    const body = make("tbody");
    this.rows = round.paths.map((path) => this.buildRow(path.path, steps, canvasSide(CELL, grid[1])));
    body.append(...this.rows.map((row) => row.element));
    this.table.replaceChildren(make("thead", {}, head), body);
    setAttribute(this.table, "aria-label", `Attempts by steps: ${round.paths.length} rows, ${steps} columns`);
    this.table.style.setProperty("--steps", steps);
    this.element.scrollLeft = 0;
  }

  buildRow(path, steps, side) {
    const state = make("span", { class: "cot-path-state" });
    const number = make("span", { class: "cot-path-number" });
    const crown = icon(ICONS.crown);
    const head = make(
      "th", { scope: "row" },
      make("span", { class: "cot-path-name" }, crown, attempt(path)), state, number,
    );
    const cells = Array.from({ length: steps }, (_, step) => this.buildCell(path, step, side));
    return { element: make("tr", {}, head, ...cells.map((cell) => cell.element)), state, number, crown, cells };
  }

  buildCell(path, step, side) {
    const canvas = make("canvas", { width: side, height: side, "aria-hidden": "true" });
    const marks = this.marked.map(() => make("span", { class: "cot-mark", "aria-hidden": "true" }, "\u00a0"));
    const bars = this.requirements.length ? new CellBars(this.requirements.length) : null;
    const element = make("td", { role: "gridcell", tabindex: "-1", "data-path": path, "data-step": step, class: "cot-cell" }, canvas, bars?.element ?? null, ...marks);
    return { element, canvas, bars, marks };
  }

  drawPath(state, round, path, index, before, colours) {
    const row = this.rows[index];
    const [words, kind] = pathWords(round, path);
    const { wave } = path;
    setText(row.state, wave !== null && waveOf(round) > 0 ? `${words} · wave ${wave + 1}` : words);
    setAttribute(row.state, "title", whyWords(round, path) || null);
    setAttribute(row.element, "data-kind", kind);
    setAttribute(row.element, "data-begins", wave > 0 && round.paths[index - 1]?.wave !== wave ? "true" : null); // its wave
    toggle(row.crown, kind === "won" && isCrowned(round));
    const number = pathNumber(path);
    setText(row.number, pathNumberWords(path) || "\u00a0");
    setAttribute(row.number, "title", number ? VERDICTS[number[0]].meaning : null);
    if (before === path) return;
    path.steps.forEach((step, at) => {
      const unchanged = before?.steps[at] === step && before.pruned === path.pruned;
      if (!unchanged) this.drawCell(state, path, step, row.cells[at], before?.steps[at], colours);
    });
    this.drawKept(state, round, path, row, colours);
  }

  // A round that repaints a region begins with later steps than the first: until then it has what it began with.
  drawKept(state, round, path, row, colours) {
    const first = path.steps.findIndex((step) => step.decoded);
    const [url, masked] = beginning(state, round);
    row.cells.slice(0, Math.max(first, 0)).forEach((cell, step) => {
      if (cell.element.dataset.state === "kept") return;
      const words = cellWords(path, step, this.requirements);
      for (const [name, value] of [["data-state", "kept"], ["aria-label", words], ["title", words]]) setAttribute(cell.element, name, value);
      if (url) drawGuess(cell.canvas, url, masked, state.started.grid, colours);
    });
  }

  drawCell(state, path, step, cell, before, colours) {
    const cut = isCutOff(path, step.step);
    const ends = path.pruned?.step === step.step;
    setAttribute(cell.element, "data-state", step.decoded ? "decoded" : cut ? "cut" : "open");
    setAttribute(cell.element, "data-ends", ends ? "true" : null);
    setAttribute(cell.element, "aria-label", cellWords(path, step.step, this.requirements));
    setAttribute(cell.element, "title", step.decoded || cut ? cellWords(path, step.step, this.requirements) : null);
    this.marked.forEach((question, at) => drawMark(cell.marks[at], question, step.verdicts[question]));
    cell.bars?.draw(step.present);
    if (before === step) return;
    if (step.decoded) drawGuess(cell.canvas, step.picture, veilOf(state, step), state.started.grid, colours);
    else clear(cell.canvas);
  }

  // `reveal`: the visitor has chosen the cell, or it is where painting goes on.
  select({ path, step }, reveal) {
    const cell = this.rows[path]?.cells[step]?.element;
    if (!cell || cell === this.selected) return;
    const hadFocus = this.selected?.ownerDocument.activeElement === this.selected && this.selected !== null;
    if (this.selected) {
      setAttribute(this.selected, "aria-selected", null);
      this.selected.tabIndex = -1;
      this.selected.parentElement.removeAttribute("data-selected");
      this.heads.forEach((head) => head.removeAttribute("data-selected"));
    }
    this.selected = cell;
    setAttribute(cell, "aria-selected", "true");
    setAttribute(cell.parentElement, "data-selected", "true");
    setAttribute(this.heads[step], "data-selected", "true");
    cell.tabIndex = 0;
    if (hadFocus) cell.focus({ preventScroll: true });
    if (reveal) this.reveal(cell);
  }

  // Scrolls the matrix, never the page, until the cell shows beside the sticky column.
  reveal(cell) {
    const box = this.element;
    const sticky = box.querySelector("tbody th")?.offsetWidth ?? 0;
    const left = cell.offsetLeft - sticky;
    const right = cell.offsetLeft + cell.offsetWidth;
    if (left < box.scrollLeft) box.scrollLeft = left;
    else if (right > box.scrollLeft + box.clientWidth) box.scrollLeft = right - box.clientWidth;
    const top = cell.offsetTop - (this.heads[0]?.offsetHeight ?? 0);
    const bottom = cell.offsetTop + cell.offsetHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
  }

  clicked(event) {
    const cell = event.target.closest("td");
    if (!cell) return;
    this.onSelect({ path: Number(cell.dataset.path), step: Number(cell.dataset.step) });
    cell.focus({ preventScroll: true });
  }

  pressed(event) {
    const cell = event.target.closest("td");
    if (!cell) return;
    let path = Number(cell.dataset.path);
    let step = Number(cell.dataset.step);
    const last = this.heads.length - 1;
    if (event.key === "ArrowRight") step += 1;
    else if (event.key === "ArrowLeft") step -= 1;
    else if (event.key === "ArrowDown") path += 1;
    else if (event.key === "ArrowUp") path -= 1;
    else if (event.key === "Home") step = 0;
    else if (event.key === "End") step = last;
    else return;
    event.preventDefault();
    path = Math.min(Math.max(path, 0), this.rows.length - 1);
    step = Math.min(Math.max(step, 0), last);
    this.onSelect({ path, step });
    this.rows[path].cells[step].element.focus({ preventScroll: true });
  }
}

export function drawMark(mark, question, verdict) {
  setText(mark, verdict ? markWords(question, verdict) : "\u00a0");
  setAttribute(mark, "data-verdict", verdict ? `${question}-${verdict.answer}` : null);
}

