// The checklist: what the judge says of each requirement of the prompt, a small bar for each; what an image will miss, and
// since when that is so.

import { EVEN, agreedOn, decidedAt, requirementsOf } from "./reducer.js";
import { make, setAttribute, setText, toggle } from "./dom.js";
import { number, presentWords, sinceWords } from "./words.js";

// A bar as high, or as wide, as a requirement of P(yes) is sure to be there; empty where it was not asked for.
function fill(bar, yes = null) {
  setAttribute(bar, "data-says", yes === null ? null : yes >= EVEN ? "yes" : "no");
  setAttribute(bar, "style", yes === null ? null : `--yes: ${(100 * yes).toFixed(1)}%`);
}

// Under a guess of the grid: a bar for each requirement, side by side. Words stand in the cell's own name.
export class CellBars {
  constructor(count) {
    this.bars = Array.from({ length: count }, () => make("i"));
    this.element = make("span", { class: "cot-checks", "aria-hidden": "true" }, ...this.bars);
  }

  // `present` holds P(yes) of each requirement, or is null.
  draw(present) {
    this.bars.forEach((bar, place) => fill(bar, present?.[place]));
  }
}

// Beside the large image: a line for each requirement, by the latest look at the guess that is shown, or before it.
export class Checklist {
  constructor() {
    this.lines = [];
    this.element = make("ul", { class: "cot-checklist", "aria-label": "What the prompt asks for, and how sure the judge is that it is there" });
  }

  draw(state, path, at) {
    const requirements = requirementsOf(state);
    if (this.lines.length !== requirements.length) this.build(requirements.length);
    const seen = path?.steps.findLast((step) => step.step <= at && step.present) ?? null;
    setAttribute(this.element, "data-later", seen ? null : "true"); // keeps its room
    if (!seen) return;
    setAttribute(this.element, "data-earlier", seen.step < at ? "true" : null);
    this.lines.forEach(({ bar, words, share, line }, place) => {
      const yes = seen.present[place];
      fill(bar, yes);
      setText(words, requirements[place]);
      setText(share, `: ${number(yes)}`);
      setAttribute(line, "title", `${presentWords(requirements[place], yes)}, as the judge saw it at step ${seen.step + 1}`);
    });
  }

  build(count) {
    this.lines = Array.from({ length: count }, () => {
      const [bar, words, share] = [make("i", { "aria-hidden": "true" }), make("span"), make("span", { class: "cot-sure" })];
      return { bar, words, share, line: make("li", {}, bar, words, share) };
    });
    this.element.replaceChildren(...this.lines.map(({ line }) => line));
  }
}

// In the inspector: each requirement over the steps of an attempt, and since when it is decided.
export class Decided {
  constructor() {
    this.rows = [];
    this.shape = "";
    this.element = make("dl", { class: "cot-decided", "aria-label": "What the prompt asks for, step by step" });
  }

  draw(state, path, at) {
    const requirements = requirementsOf(state);
    const shape = [requirements.length, path.steps.length].join();
    if (this.shape !== shape) this.build(requirements, path.steps, shape);
    toggle(this.element, requirements.length > 0);
    this.rows.forEach(({ name, bars, words }, place) => {
      setText(name, requirements[place]);
      path.steps.forEach((step, number) => {
        fill(bars[number], step.present?.[place]);
        setAttribute(bars[number], "data-selected", number === at ? "true" : null);
      });
      setText(words, sinceWords(path, place, at, decidedAt(path, place)));
    });
  }

  build(requirements, steps, shape) {
    this.shape = shape;
    this.rows = requirements.map(() => {
      const bars = steps.map(() => make("i"));
      return { name: make("dt"), bars, words: make("span", { class: "cot-words" }), strip: make("span", { class: "cot-checks", "aria-hidden": "true" }, ...bars) };
    });
    this.element.replaceChildren(...this.rows.flatMap(({ name, strip, words }) => [name, make("dd", {}, strip, words)]));
  }
}

// Below a critique: the requirement on which the judge's checklist agrees with it; nothing where they differ.
export function agreement(state, round) {
  const place = agreedOn(round);
  if (place === null) return [];
  const path = round.paths[round.winner.path];
  const yes = path.steps.findLast((step) => step.present).present[place];
  const bar = make("i", { "aria-hidden": "true" });
  fill(bar, yes);
  return [make("p", { class: "cot-agreed" }, "The checklist says so, too", bar, make("span", {}, presentWords(requirementsOf(state)[place], yes)))];
}
