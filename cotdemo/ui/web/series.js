// What the lines of the charts look like: a colour, a dash and a mark each, so that none depends on colour alone.

import { shape } from "./dom.js";

const MARKS = {
  circle: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
  square: "M-3.6-3.6h7.2v7.2h-7.2z",
  triangle: "M0-4.8 4.6 3.4h-9.2z",
  diamond: "M0-5.2 5.2 0 0 5.2-5.2 0z",
  plus: "M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",
  wedge: "M0 4.8 4.6-3.4h-9.2z",
  ring: "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
};

// `tone` names a colour of results.css.
const SERIES = new Map([
  ["oracle", { label: "oracle", tone: "grey", dash: "1 4", mark: "ring" }],
  ["baseline", { label: "plain generator", tone: "grey", dash: "", mark: "ring" }],
  ["parm++", { label: "PARM++", tone: "purple", dash: "", mark: "plus" }],
  ["parm", { label: "PARM", tone: "vermilion", dash: "", mark: "circle" }],
  ["orm", { label: "ORM", tone: "blue", dash: "9 3", mark: "square" }],
  ["adaptive", { label: "Adaptive best of N", tone: "blue", dash: "", mark: "wedge" }],
  ["think", { label: "Think", tone: "green", dash: "", mark: "diamond" }],
  ["orm-zero-shot", { label: "Zero-shot ORM", tone: "sky", dash: "3 3", mark: "triangle" }],
  ["prm", { label: "PRM", tone: "green", dash: "9 3 2 3", mark: "diamond" }],
  ["potential", { label: "PARM, potential", tone: "vermilion", dash: "", mark: "circle" }],
  ["clarity", { label: "PARM, clarity", tone: "purple", dash: "9 3", mark: "square" }],
  ["outcome", { label: "PARM, outcome", tone: "blue", dash: "9 3 2 3", mark: "diamond" }],
  ["stopped", { label: "paths stopped", tone: "vermilion", dash: "", mark: "circle" }],
  ["passes_saved", { label: "generator passes saved", tone: "blue", dash: "9 3", mark: "square" }],
  ["wrongly", { label: "stopped, but would have come out right", tone: "purple", dash: "3 3", mark: "triangle" }],
  ["lost", { label: "every right path of a prompt stopped", tone: "grey", dash: "1 4", mark: "ring" }],
  ["none_left", { label: "no path left", tone: "green", dash: "9 3 2 3", mark: "diamond" }],
]);

export function seriesOf(name) {
  return SERIES.get(name) ?? { label: name, tone: "grey", dash: "", mark: "circle" };
}

export function markOf({ mark, tone }, attributes = {}) {
  return shape("path", { d: MARKS[mark], class: "cot-point", "data-tone": tone, "data-mark": mark, ...attributes });
}

// The piece of line that stands for a series in a legend.
export function sample(style) {
  const line = shape("line", { x1: 0, x2: 34, y1: 8, y2: 8, class: "cot-line", "data-tone": style.tone, "stroke-dasharray": style.dash || null });
  return shape("svg", { width: 34, height: 16, "aria-hidden": "true", class: "cot-sample" }, line, markOf(style, { transform: "translate(17 8)" }));
}
