// A figure as a mark on a line of its own, with its interval; and the axis above a column of them. All places are
// percentages, so nothing is measured and a strip is as wide as its cell.

import { make, setAttribute, shape, toggle } from "./dom.js";
import { ticks } from "./scale.js";

const DOT = "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z"; // measured here
const DIAMOND = "M0-5.5 5.5 0 0 5.5-5.5 0z"; // reported by the paper

function percentage(value, [low, high]) {
  return `${(100 * ((value - low) / (high - low))).toFixed(2)}%`;
}

export class Strip {
  // `source` is "here" or "paper".
  constructor(source) {
    this.interval = shape("rect", { class: "cot-interval", y: "50%", height: 10, transform: "translate(0 -5)", rx: 3 });
    this.reference = shape("rect", { class: "cot-reference", width: 1, y: 0, height: "100%" });
    this.seeds = shape("g");
    this.mark = shape("svg", { y: "50%", width: 1, height: 1, overflow: "visible" }, shape("path", { d: source === "paper" ? DIAMOND : DOT, class: "cot-dot" }));
    this.grid = shape("g");
    this.element = shape(
      "svg", { class: "cot-strip", "data-source": source, "aria-hidden": "true" },
      this.grid, shape("rect", { class: "cot-track", width: "100%", height: 1, y: "50%" }), this.reference, this.seeds, this.interval, this.mark,
    );
  }

  // `estimate` is [value, low, high], or null; [value] has no interval. `open` leaves the mark hollow.
  draw({ estimate, seeds = [], domain, reference = null, open = false }) {
    this.grid.replaceChildren(...ticks(...domain).map((tick) => shape("rect", { class: "cot-tick", x: percentage(tick, domain), width: 1, height: "100%" })));
    toggle(this.reference, reference !== null);
    if (reference !== null) setAttribute(this.reference, "x", percentage(reference, domain));
    toggle(this.mark, estimate !== null);
    toggle(this.interval, estimate?.length === 3);
    setAttribute(this.element, "data-open", open ? "true" : null);
    this.seeds.replaceChildren(...seeds.map(({ here }) => shape("circle", { class: "cot-ring", cx: percentage(here[0], domain), cy: "84%", r: 3 })));
    if (estimate === null) return;
    const [value, low, high] = estimate;
    setAttribute(this.mark, "x", percentage(value, domain));
    if (estimate.length < 3) return;
    setAttribute(this.interval, "x", percentage(low, domain));
    setAttribute(this.interval, "width", `${((100 * (high - low)) / (domain[1] - domain[0])).toFixed(2)}%`);
  }
}

export class Axis {
  constructor() {
    this.element = make("div", { class: "cot-axis", "aria-hidden": "true" });
  }

  draw(domain, words) {
    this.element.replaceChildren(...ticks(...domain).map((tick) => make("span", { style: `left: ${percentage(tick, domain)}` }, words(tick))));
  }
}
