// The brush: tokens of the chosen image that the visitor marks, by dragging or by keys, to have only them painted anew.

import { answerOf, changedTokens, reflections } from "./reducer.js";
import { make, setAttribute, setText, shape, toggle } from "./dom.js";

const UNSURE = 0.25; // share of the tokens that "the least sure" are
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export class Brush {
  // `onPaint(tokens, prompt)` once they are to be painted, from the same prompt where it is ""; `onClose()` where the brush
  // is put away.
  constructor(onPaint, onClose) {
    this.onClose = onClose;
    this.marked = new Set();
    this.cells = shape("g", {});
    this.cursor = shape("rect", { width: 1, height: 1, class: "cot-brush-cursor" });
    this.grid = shape("svg", { "aria-hidden": "true" }, this.cells, this.cursor);
    this.said = make("span", { class: "cot-hidden", role: "status", "aria-live": "polite" });
    this.element = make(
      "div", {
        class: "cot-brush", tabindex: "0", role: "application", hidden: true,
        "aria-label": "Tokens to paint anew: arrow keys move, Space marks, Escape ends",
        onpointerdown: (event) => this.press(event), onpointermove: (event) => this.drag(event),
        onpointerup: () => { this.adding = null; }, onpointercancel: () => { this.adding = null; }, onkeydown: (event) => this.key(event),
      }, this.grid, this.said,
    );
    const act = (words, onclick) => make("button", { type: "button", class: "cot-follow", onclick }, words);
    const paint = () => { onPaint([...this.marked].sort((a, b) => a - b), this.prompt.value.trim()); this.close(); };
    this.paint = act("", paint);
    this.prompt = make("input", {
      type: "text", class: "cot-brush-prompt", autocapitalize: "off", autocomplete: "off", enterkeyhint: "go",
      "aria-label": "Another prompt for the whole image", placeholder: "the same prompt",
      onkeydown: (event) => { if (event.key === "Enter" && this.marked.size) { event.preventDefault(); paint(); } },
    });
    this.critique = act("Mark what the critique meant", () => this.add(this.meant));
    setAttribute(this.critique, "title", "The tokens in which the image that was painted again from the critique differs from the one before");
    this.ways = make("div", { class: "cot-brush-ways", role: "group", "aria-label": "Take away what is marked", hidden: true });
    this.bar = make(
      "div", { class: "cot-brush-bar", role: "group", "aria-label": "Brush", hidden: true, onkeydown: ({ key }) => key === "Escape" && this.close() },
      make("p", { class: "cot-note" }, "Drag over what should be painted anew; everything else stays. Say what the image is to be then, or the same may well come back."),
      this.prompt, this.ways,
      this.paint, act("Mark the least sure", () => this.add(leastSure(this.steps))), this.critique, act("Clear", () => this.mark([])), act("Cancel", () => this.close()),
    );
  }

  get open() {
    return !this.element.hidden;
  }

  // `steps` are those of the path whose image it is, `grid` [rows, columns]; `meant` are tokens that a critique is about.
  begin(steps, grid, meant = []) {
    [this.steps, this.size, this.at, this.meant] = [steps, grid, [0, 0], meant];
    toggle(this.critique, meant.length > 0);
    setAttribute(this.grid, "viewBox", `0 0 ${grid[1]} ${grid[0]}`);
    toggle(this.element, true);
    toggle(this.bar, true);
    this.prompt.value = "";
    this.offer([]);
    this.mark([]);
    this.element.focus({ preventScroll: true });
  }

  // What may be taken away, as [what, the prompt that is left], each by a click that says what the image is to be then.
  offer(ways) {
    const say = (prompt) => { this.prompt.value = prompt; setText(this.said, prompt); };
    const buttons = ways.map(([what, left]) => make("button", { type: "button", class: "cot-follow", title: left, onclick: () => say(left) }, what));
    this.ways.replaceChildren(make("span", { "aria-hidden": "true" }, "To take away"), ...buttons);
    toggle(this.ways, ways.length > 0);
  }

  // As it was when it was asked for.
  resume(tokens, prompt) {
    this.prompt.value = prompt;
    this.mark(tokens);
  }

  close() {
    if (!this.open) return;
    toggle(this.element, false);
    toggle(this.bar, false);
    this.onClose();
  }

  mark(tokens) {
    this.marked = new Set(tokens);
    this.draw();
  }

  // What was marked by hand stays.
  add(tokens) {
    this.mark([...this.marked, ...tokens]);
  }

  press(event) {
    const token = tokenAt(event, this.element.getBoundingClientRect(), this.size);
    this.element.setPointerCapture(event.pointerId);
    this.adding = !this.marked.has(token); // a stroke that begins on a marked token takes marks away
    this.at = [Math.floor(token / this.size[1]), token % this.size[1]];
    this.drag(event);
  }

  drag(event) {
    if (this.adding === null || this.adding === undefined) return;
    const box = this.element.getBoundingClientRect();
    const end = tokenAt(event, box, this.size);
    for (const token of between(this.token, end, this.size)) this.set(token, this.adding);
  }

  set(token, marked) {
    this.at = [Math.floor(token / this.size[1]), token % this.size[1]];
    if (marked === this.marked.has(token)) return;
    if (marked) this.marked.add(token);
    else this.marked.delete(token);
    this.draw();
  }

  key(event) {
    const move = MOVES[event.key];
    if (move) this.at = this.at.map((place, axis) => Math.min(Math.max(place + move[axis], 0), this.size[axis] - 1));
    else if (event.key === " " || event.key === "Enter") this.set(this.token, !this.marked.has(this.token));
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.draw();
    setText(this.said, `Row ${this.at[0] + 1}, column ${this.at[1] + 1}${this.marked.has(this.token) ? ", marked" : ""}`);
  }

  get token() {
    return this.at[0] * this.size[1] + this.at[1];
  }

  draw() {
    const columns = this.size[1];
    this.cells.replaceChildren(...[...this.marked].map((token) => shape("rect", { x: token % columns, y: Math.floor(token / columns), width: 1, height: 1 })));
    setAttribute(this.cursor, "x", this.at[1]);
    setAttribute(this.cursor, "y", this.at[0]);
    const count = this.marked.size;
    setText(this.paint, count ? `Paint ${count} token${count === 1 ? "" : "s"} anew` : "Paint anew");
    this.paint.disabled = count === 0;
  }
}

// The token of a grid of [rows, columns] under a pointer; the nearest one where it has left the image.
export function tokenAt({ clientX, clientY }, { left, top, width, height }, [rows, columns]) {
  const place = (at, from, length, count) => Math.min(Math.max(Math.floor(((at - from) / length) * count), 0), count - 1);
  return place(clientY, top, height, rows) * columns + place(clientX, left, width, columns);
}

// The tokens on the way from one to another, however fast the pointer went.
export function between(from, to, [, columns]) {
  const [begin, end] = [from, to].map((token) => [Math.floor(token / columns), token % columns]);
  const steps = Math.max(...begin.map((place, axis) => Math.abs(end[axis] - place)), 1);
  return Array.from({ length: steps + 1 }, (_, step) => {
    const [row, column] = begin.map((place, axis) => Math.round(place + ((end[axis] - place) * step) / steps));
    return row * columns + column;
  });
}

// The tokens of an image that the generator was least sure of when it kept them, of the steps that made it.
export function leastSure(steps) {
  const sure = [];
  for (const { decoded, masked, confidence } of steps) {
    if (decoded) masked.forEach((again, token) => { if (!again && (sure[token] === undefined || confidence[token] < 255)) sure[token] = confidence[token]; });
  }
  const order = [...sure.keys()].sort((a, b) => sure[a] - sure[b]);
  return order.slice(0, Math.ceil(UNSURE * order.length));
}

// The tokens that the last critique was about: those in which the image painted again from it differs from the one before,
// whichever of the two was kept.
export function meantBy(state) {
  const entry = reflections(state).findLast(({ after }) => after && !after.tokens.length);
  return (entry && changedTokens(answerOf(entry.before)?.codes, answerOf(entry.after)?.codes)) ?? [];
}
