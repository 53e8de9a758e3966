// What every row gets for what it costs: a point each, and the line of those that none beats for as little compute.

import { Charts } from "./charts.js";
import { computeAxis, shares } from "./curves.js";
import { interval, kindWords, operations, share, total } from "./figures.js";
import { aboutRow } from "./ladder.js";
import { numbers } from "./numbers.js";
import { rowsOf } from "./rows.js";
import { seriesOf } from "./series.js";

export class Costs {
  constructor(ladder, card) {
    this.ladder = ladder;
    this.charts = new Charts(
      [{ title: "Accuracy against compute", about: "One point for each row of the ladder, by counted operations a prompt; upright lines are 95% intervals." }],
      card, (name) => aboutRow(ladder, name, this.chosen),
    );
    this.element = this.charts.element;
  }

  draw(kind, rule) {
    this.chosen = { kind, rule };
    const all = costly(rowsOf(this.ladder, kind, rule));
    const series = [...new Set(all.map(({ method }) => method))].map((method) => ({ name: method, apart: true, points: all.filter((one) => one.method === method) }));
    const best = frontier(all);
    const [most, least, ...rest] = [best.at(-1), best[0], ...best.slice(1, -1).toReversed()];
    const labels = [...new Set([least, most, ...rest])].filter(Boolean).map(({ x, y, label }) => ({ x, y, words: label }));
    this.charts.draw([{ series, x: computeAxis(series), y: shares(series, 0.1), guide: best, labels }], table(all, kind));
  }
}

// The measured rows that somebody might choose, as points, the cheapest first.
export function costly(all) {
  return all
    .filter((one) => one.here && !one.yardstick && total(one.operations) > 0)
    .map((one) => ({ ...one, at: one.name, x: total(one.operations) / 1e9, y: one.here[0], low: one.here[1], high: one.here[2] }))
    .toSorted((a, b) => a.x - b.x || b.y - a.y);
}

// Those that are right more often than all that cost as little; `sorted` by cost.
export function frontier(sorted) {
  return sorted.filter((one, place) => sorted.slice(0, place).every((other) => other.y < one.y));
}

function table(all, kind) {
  const rows = all.map((one) => [one.label, seriesOf(one.method).label, operations(total(one.operations)), `${share(one.y)} ${interval(one.here)}`]);
  return numbers(`Accuracy, ${kindWords(kind)}, and operations a prompt, the cheapest first`, ["row", "method", "operations", "accuracy"], rows);
}
