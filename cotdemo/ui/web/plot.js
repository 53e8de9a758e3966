// A chart of lines with interval bands. It draws what it is told, says which point is pointed at or reached by the
// arrow keys, and marks the points it is told to mark; what is said of them is not its business.

import { make, setAttribute, shape, toggle } from "./dom.js";
import { Fitted } from "./fitted.js";
import { markOf, seriesOf } from "./series.js";

const HEIGHT = 280;
const MARGIN = { top: 10, right: 14, bottom: 42, left: 46 };
const LETTER = 6.4; // pixels that a letter of a label is wide, about
const LINE = 15; // pixels that a line of labels is high

let plots = 0;

export class Plot {
  // `onPoint({name, at}, box)` is called with the place of the point in the viewport; `onPoint(null)` when there is none.
  constructor({ title, about, onPoint }) {
    this.onPoint = onPoint;
    this.name = title;
    const id = `cot-plot-${(plots += 1)}`;
    this.svg = shape("svg", { role: "img", "aria-labelledby": `${id}-title ${id}-desc`, height: HEIGHT });
    this.text = [shape("title", { id: `${id}-title` }, title), shape("desc", { id: `${id}-desc` }, about)];
    this.area = make(
      "div",
      { class: "cot-plot", tabindex: 0, role: "application", "aria-roledescription": "chart", "aria-label": `${title}. Arrow keys go from point to point.` },
      this.svg,
    );
    this.element = make("figure", { class: "cot-chart" }, make("figcaption", {}, title), this.area);
    this.marked = null;
    this.listen();
    this.fitted = new Fitted(this.area, (shown, width) => this.paint(shown, width));
  }

  // {x, y: {scale, domain, ticks, words, label}, series: [{name, apart, points: [{at, x, y, low, high, few}]}], level: {y, label}}
  // Points of `few` cases are hollow. Points that stand `apart` are joined by no line. `guide` is a line that is not of any series, [{x, y}], and `labels`
  // are words beside points, [{x, y, words}], the first the most wanted: what has no room is left out.
  draw(shown) {
    this.fitted.draw(shown);
  }

  paint(shown, width) {
    this.shown = shown;
    setAttribute(this.svg, "width", width);
    const { x, y, level, guide = [], labels = [] } = shown;
    this.x = x.scale(x.domain, [MARGIN.left, width - MARGIN.right]);
    this.y = y.scale(y.domain, [HEIGHT - MARGIN.bottom, MARGIN.top]);
    this.points = shown.series.flatMap(({ name, points }) => points.map((point) => ({ ...point, name, left: this.x(point.x), top: this.y(point.y) })));
    this.cross = shape("line", { class: "cot-cross", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
    this.rings = shape("g");
    this.svg.replaceChildren(
      ...this.text, this.grid(width, x, y), ...(level ? [this.level(width, level)] : []), this.cross,
      shape("path", { class: "cot-guide", d: this.path(guide) }), ...this.labels(labels, width),
      shape("g", {}, ...shown.series.map((one) => this.band(one))), shape("g", {}, ...shown.series.map((one) => this.line(one))), this.rings,
    );
    this.mark(this.marked);
  }

  grid(width, x, y) {
    const bottom = HEIGHT - MARGIN.bottom;
    const across = y.ticks.map((tick) => shape(
      "g", { transform: `translate(0 ${this.y(tick)})` },
      shape("line", { class: "cot-gridline", x1: MARGIN.left, x2: width - MARGIN.right }), shape("text", { x: MARGIN.left - 8, dy: "0.35em", "text-anchor": "end" }, y.words(tick)),
    ));
    const down = x.ticks.map((tick) => shape(
      "g", { transform: `translate(${this.x(tick)} ${bottom})` },
      shape("line", { class: "cot-axis-tick", y2: 5 }), shape("text", { y: 19, "text-anchor": "middle" }, x.words(tick)),
    ));
    const label = shape("text", { class: "cot-axis-label", x: (MARGIN.left + width - MARGIN.right) / 2, y: HEIGHT - 5, "text-anchor": "middle" }, x.label);
    return shape("g", { class: "cot-grid" }, ...across, ...down, label);
  }

  level(width, { y, label }) {
    return shape(
      "g", { class: "cot-level", transform: `translate(0 ${this.y(y)})` },
      shape("line", { x1: MARGIN.left, x2: width - MARGIN.right }), shape("text", { x: width - MARGIN.right, y: -6, "text-anchor": "end" }, label),
    );
  }

  path(points) {
    const d = points.map((point) => `${this.x(point.x).toFixed(1)} ${this.y(point.y).toFixed(1)}`).join("L");
    return d && `M${d}`;
  }

  labels(wanted, width) {
    const own = wanted.map(({ x, y, words }) => ({ left: this.x(x), top: this.y(y), words }));
    const marks = this.points.map(({ left, top, low, high }) => ({ left, top, from: low === undefined ? top : this.y(high), to: low === undefined ? top : this.y(low) }));
    const placed = placeLabels(own, marks, [MARGIN.left, width - MARGIN.right]);
    return placed.map(({ anchor, x, y, words }) => shape("text", { class: "cot-point-name", x, y, "text-anchor": anchor }, words));
  }

  band({ name, apart, points }) {
    const known = points.filter((point) => point.low !== undefined);
    if (apart) return shape("g", {}, ...known.map((point) => shape("line", { class: "cot-whisker", "data-tone": seriesOf(name).tone, x1: this.x(point.x), x2: this.x(point.x), y1: this.y(point.low), y2: this.y(point.high) })));
    const place = (value) => (point) => `${this.x(point.x).toFixed(1)} ${this.y(point[value]).toFixed(1)}`;
    const outline = [...known.map(place("high")), ...known.toReversed().map(place("low"))].join("L");
    return shape("path", { class: "cot-band", "data-tone": seriesOf(name).tone, d: known.length ? `M${outline}z` : "" });
  }

  line({ name, apart, points }) {
    const style = seriesOf(name);
    const marks = points.map((point) => markOf(style, { transform: `translate(${this.x(point.x).toFixed(1)} ${this.y(point.y).toFixed(1)})`, "data-few": point.few ? "true" : null }));
    const line = apart ? [] : [shape("path", { class: "cot-line", "data-tone": style.tone, "stroke-dasharray": style.dash || null, d: this.path(points) })];
    return shape("g", { "data-series": name }, ...line, ...marks);
  }

  // Rings the points at `at`, that of `name` more strongly; nothing for null.
  mark(marked) {
    this.marked = marked;
    const here = (marked && this.points?.filter((point) => point.at === marked.at)) ?? [];
    const chosen = here.find((point) => point.name === marked.name);
    this.rings?.replaceChildren(...here.map((point) => shape("circle", { class: "cot-ring", "data-tone": seriesOf(point.name).tone, cx: point.left, cy: point.top, r: point === chosen ? 9 : 6 })));
    if (this.cross) toggle(this.cross, Boolean(chosen));
    if (chosen) for (const end of ["x1", "x2"]) setAttribute(this.cross, end, chosen.left);
    for (const line of this.svg.querySelectorAll("[data-series]")) setAttribute(line, "data-dim", marked && line.dataset.series !== marked.name ? "true" : null);
  }

  listen() {
    this.area.addEventListener("pointermove", (event) => this.nearest(event));
    this.area.addEventListener("pointerdown", (event) => this.nearest(event));
    this.area.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.onPoint(null));
    this.area.addEventListener("focus", () => this.area.matches(":focus-visible") && this.points?.length && this.reach(this.points[0]));
    this.area.addEventListener("blur", () => this.onPoint(null));
    this.area.addEventListener("keydown", (event) => this.pressed(event));
  }

  nearest(event) {
    const box = this.svg.getBoundingClientRect();
    const point = nearestPoint(this.points ?? [], { left: event.clientX - box.left, top: event.clientY - box.top });
    if (point) this.reach(point);
    else this.onPoint(null);
  }

  reach(point) {
    const box = this.svg.getBoundingClientRect();
    const [left, top] = [box.left + point.left, box.top + point.top];
    this.onPoint({ name: point.name, at: point.at }, { left: left + 16, top: top - 8, bottom: top + 8 });
  }

  // Left and right along a line, up and down from line to line.
  pressed(event) {
    const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!(event.key in steps) || !this.points?.length) return;
    event.preventDefault();
    const [along, across] = steps[event.key];
    const lines = this.shown.series.filter(({ points }) => points.length);
    const from = Math.max(0, lines.findIndex(({ name }) => name === this.marked?.name));
    const line = lines[(from + across + lines.length) % lines.length];
    const at = line.points.findIndex((point) => point.at === this.marked?.at);
    const next = line.points[Math.min(Math.max(at + along, 0), line.points.length - 1)];
    this.reach(this.points.find((point) => point.name === line.name && point.at === next.at));
  }
}

// The point that a pointer at {left, top} means, however far it is: of the nearest column where points stand in columns, as
// over steps or paths; else the nearest in the plane. null where there is none.
export function nearestPoint(points, { left, top }) {
  const inColumns = points.every(({ at, x }) => at === x);
  const far = (point) => (inColumns ? [Math.abs(point.left - left), Math.abs(point.top - top)] : [Math.hypot(point.left - left, point.top - top), 0]);
  const nearer = (a, b) => far(a)[0] - far(b)[0] || far(a)[1] - far(b)[1];
  return points.reduce((best, one) => (best && nearer(best, one) <= 0 ? best : one), null);
}

// Where labels stand, each beside its point {left, top, words}, the first the most wanted: [{words, x, y, anchor}]. None
// stands on another, nor on a mark of `marks`, {left, top} with its whisker {from, to}; what has no room is left out.
export function placeLabels(wanted, marks, [low, high]) {
  const placed = [];
  for (const { left, top, words } of wanted) {
    const long = words.length * LETTER;
    const at = (anchor, x, y) => ({ anchor, x, y, words, start: anchor === "end" ? x - long : anchor === "start" ? x : x - long / 2 });
    const places = [
      at("end", left - 8, top - 8), at("start", left + 10, top + 16), at("start", left + 8, top - 8), at("end", left - 8, top + 16),
      at("middle", left, top - 14), at("middle", left, top + 24), at("end", left - 26, top - 12),
    ];
    const clear = ({ y, start }) => start > low && start + long < high && y > MARGIN.top
      && !placed.some((one) => Math.abs(one.y - y) < LINE && start < one.start + one.words.length * LETTER && one.start < start + long)
      && !marks.some((mark) => !(mark.left === left && mark.top === top) && start < mark.left + 7 && mark.left - 7 < start + long && mark.from - 6 < y && y - LINE < mark.to + 6);
    const place = places.find(clear);
    if (place) placed.push(place);
  }
  return placed;
}
