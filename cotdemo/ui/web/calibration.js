// Whether the judge is as sure as it should be: for each of its questions what it states against how often it was right.

import { Charts } from "./charts.js";
import { make, toggle } from "./dom.js";
import { RULES, count, percent, share, tickWords } from "./figures.js";
import { numbers } from "./numbers.js";
import { linear, ticks } from "./scale.js";
import { sample, seriesOf } from "./series.js";

const FEW = 30; // answers of a bin that say little
const QUESTIONS = [
  { name: "clarity", title: "Is it clear enough?", about: "the guess shows what its path ends with" },
  { name: "potential", title: "Can it still come out right?", about: "the path comes out right" },
  { name: "outcome", title: "Does it match the prompt?", about: "the final image is right" },
];

export class Calibration {
  constructor(card) {
    this.charts = new Charts(
      QUESTIONS.map(({ title, about }) => ({ title, about: `Ten points: P(yes) as the judge states it, and how often ${about}. The dashed line is where both are the same.` })),
      card, (at, name, shown) => this.reached(at, name, shown),
    );
    toggle(this.charts.legend, false); // there is a line in each
    this.off = make("dl", {});
    this.element = make("div", { class: "cot-calibration" }, this.charts.element, make("div", { class: "cot-outcome" }, this.off));
  }

  // `calibration` is that of a generator: by question, bins {from, count, stated, right: {rule}}.
  draw(calibration, rule) {
    const axis = { scale: linear, domain: [0, 1], ticks: ticks(0, 1), words: tickWords };
    const guide = [{ x: 0, y: 0 }, { x: 1, y: 1 }];
    this.charts.draw(QUESTIONS.map(({ name }) => {
      const points = pointsOf(calibration[name], rule);
      const labels = points.map(({ x, y, of }) => ({ x, y, words: count(of) }));
      return { series: [{ name, points }], x: { ...axis, label: "P(yes) that it states" }, y: axis, guide, labels };
    }), binTable(calibration, rule));
    this.off.replaceChildren(
      make("dt", {}, "On average off by:"),
      ...QUESTIONS.map(({ name }) => make("dd", {}, sample(seriesOf(name)), `${seriesOf(name).label} `, make("strong", {}, share(error(calibration[name], rule))), ` over ${count(answers(calibration[name]))} answers`)),
    );
  }

  // What is said of the bins at `at`.
  reached(at, chosen, shown) {
    const rows = shown.flatMap(({ series }) => series.flatMap(({ name, points }) => points.filter((point) => point.at === at).map((point) => make(
      "tr", { "data-chosen": name === chosen },
      make("th", { scope: "row" }, sample(seriesOf(name)), seriesOf(name).label),
      make("td", {}, "states ", make("strong", {}, share(point.x))), make("td", {}, "right ", make("strong", {}, share(point.y))),
      make("td", { class: "cot-count" }, `of ${count(point.of)}`),
    ))));
    return [make("h4", {}, `P(yes) ${range(at)}`), make("table", {}, make("tbody", {}, ...rows))];
  }
}

// The bins that hold answers, as points; `few` where they say little.
export function pointsOf(bins, rule) {
  return bins.filter(({ count: of }) => of > 0).map((bin) => ({ at: bin.from, x: bin.stated, y: bin.right[rule], of: bin.count, few: bin.count < FEW }));
}

// The expected calibration error: how far what is stated and what was right are apart, on average over all answers.
export function error(bins, rule) {
  const points = pointsOf(bins, rule);
  return points.reduce((sum, { x, y, of }) => sum + of * Math.abs(x - y), 0) / Math.max(answers(bins), 1);
}

function answers(bins) {
  return bins.reduce((sum, { count: of }) => sum + of, 0);
}

function range(from) {
  return `${percent(from)} to ${percent(from + 0.1)}`;
}

function binTable(calibration, rule) {
  const words = ({ count: of, stated, right }) => (of ? [share(stated), share(right[rule]), count(of)] : ["–", "–", "0"]);
  const rows = calibration[QUESTIONS[0].name].map(({ from }, place) => [range(from), ...QUESTIONS.flatMap(({ name }) => words(calibration[name][place]))]);
  const heads = QUESTIONS.flatMap(({ name }) => [seriesOf(name).label, "right", "answers"]);
  return numbers(`What is stated on average and how often it is right, ${RULES.get(rule)}, by P(yes)`, ["P(yes)", ...heads], rows);
}
