// The curves of one generator: accuracy against paths and against compute, the judges by step, what stopping paths does.

import { make, toggle } from "./dom.js";
import { Charts } from "./charts.js";
import { RULES, count, interval, operations, percent, reported, seconds, share, tickWords, total } from "./figures.js";
import { accuracyTable, seriesTable } from "./numbers.js";
import { around, doublings, linear, logarithmic, ticks } from "./scale.js";
import { sample, seriesOf } from "./series.js";
import { Axis, Strip } from "./strip.js";
import { PAPER } from "./striptable.js";

const BLIND = 0.5; // area under ROC of a judge that does not look

export class Curves {
  constructor(curves, card) {
    this.curves = curves;
    this.generator = curves.generators[0];
    this.rule = "geneval";
    this.accuracy = new Charts([
      { title: "Accuracy against the number of paths", about: "Share of right images, overall, by each method with 1 to 32 paths; bands are 95% intervals." },
      { title: "Accuracy against compute", about: "The same points by counted operations a prompt: generator, decoder and judge." },
    ], card, (at, name, shown) => this.reached(at, name, shown));
    this.judges = new Charts([
      { title: "Will this guess come out right?", about: "Area under ROC within prompt of the judge's answer at each step, against what the path comes to." },
      { title: "Does it show what it will end with?", about: "Area under ROC within prompt of P(yes) to clarity, against whether the guess shows the things and colours its path ends with." },
    ], card, (at, name, shown) => values(`after step ${at}`, name, shown, at, share));
    this.stopping = new Charts([
      { title: "What stopping paths saves", about: "Share of paths that PARM stops, and of generator passes that are saved, by number of paths." },
      { title: "What it wrongly stops", about: "Share of the stopped paths that would have come out right, of prompts whose right paths were all stopped, and of prompts with no path left." },
    ], card, (at, name, shown) => values(`${at} paths`, name, shown, at, percent));
    this.paper = make("div", { class: "cot-paper" });
    this.accuracy.grid.append(this.paper);
    this.outcome = make("div", { class: "cot-outcome" });
    this.judges.element.append(this.outcome);
  }

  // The choice of a generator; hidden where there is but one. `onChange` is to draw anew.
  chooser(onChange) {
    const select = make("select", {}, ...this.curves.generators.map(({ model }) => make("option", { value: model }, model)));
    select.addEventListener("change", () => {
      this.generator = this.curves.generators.find(({ model }) => model === select.value);
      onChange();
    });
    const label = make("label", { class: "cot-chooser" }, make("span", {}, "Generator"), select);
    toggle(label, this.curves.generators.length > 1);
    return label;
  }

  draw(rule) {
    this.rule = rule;
    this.drawAccuracy();
    this.drawJudges();
    this.drawStopping();
  }

  drawAccuracy() {
    const { generator, rule } = this;
    const lines = (xOf) => generator.methods.map(({ method, points }) => ({ name: method, points: points.map((point) => accuracyAt(point, rule, xOf(point))) }));
    const oracle = { name: "oracle", points: generator.oracle.map((point) => accuracyAt(point, rule, point.paths)) };
    const byPaths = [oracle, ...lines(({ paths }) => paths)];
    const byCompute = lines((point) => total(point.operations) / 1e9);
    const y = shares(byPaths, 0.1);
    this.accuracy.draw([
      { series: byPaths, x: pathAxis(byPaths), y },
      { series: byCompute, x: computeAxis(byCompute), y },
    ], accuracyTable(generator, rule));
    this.drawPaper();
  }

  drawPaper() {
    const known = this.generator.methods.filter(({ method }) => this.generator.paper[method] !== null);
    const axis = new Axis();
    axis.draw([0, 1], tickWords);
    const rows = known.map(({ method }) => {
      const strip = new Strip("paper");
      const value = this.generator.paper[method];
      strip.draw({ estimate: [value], domain: [0, 1] });
      return make("tr", {}, make("th", { scope: "row" }, seriesOf(method).label), make("td", {}, strip.element), make("td", {}, make("strong", {}, reported(value))));
    });
    const head = make("tr", { "aria-hidden": "true" }, make("td"), make("td", {}, axis.element), make("td"));
    this.paper.replaceChildren(known.length
      ? make("table", { class: "cot-strips" }, make("caption", {}, `${PAPER}, best of 20`), make("tbody", {}, head, ...rows))
      : make("p", { class: "cot-none" }, "The paper gives no figures for this generator."));
  }

  drawJudges() {
    const { generator, rule } = this;
    const line = (name, valueOf) => ({ name, points: generator.by_step.map((row) => ({ at: row.step, x: row.step, y: valueOf(row) })).filter(({ y }) => y !== null) });
    const right = [line("potential", ({ potential }) => potential[rule]), line("prm", ({ prm }) => prm[rule])];
    const clear = [line("clarity", ({ clarity }) => clarity)];
    const steps = generator.by_step.map(({ step }) => step);
    const x = { scale: linear, domain: [1, Math.max(2, ...steps)], ticks: ticks(1, Math.max(2, ...steps), 8), words: String, label: "step" };
    const y = { ...shares([...right, ...clear], 0.1, [BLIND]), words: tickWords };
    const level = { y: BLIND, label: "a judge that does not look" };
    this.judges.draw([{ series: right, x, y, level }, { series: clear, x, y, level }], seriesTable("Area under ROC within prompt", "step", [...right, ...clear], share));
    const outcomes = Object.entries(generator.outcome).filter(([, areas]) => areas[rule] !== null);
    this.outcome.replaceChildren(make(
      "dl", {},
      make("dt", {}, "On final images:"),
      ...outcomes.map(([method, areas]) => make("dd", {}, sample(seriesOf(method)), `${seriesOf(method).label} `, make("strong", {}, share(areas[rule])))),
    ));
  }

  drawStopping() {
    const { generator, rule } = this;
    const line = (name, valueOf) => ({ name, points: generator.pruning.map((row) => ({ at: row.paths, x: row.paths, y: valueOf(row) })).filter(({ y }) => y !== null) });
    const saves = [line("stopped", ({ stopped }) => stopped), line("passes_saved", ({ passes_saved: saved }) => saved)];
    const loses = [line("wrongly", ({ wrongly }) => wrongly[rule]), line("lost", ({ lost }) => lost[rule]), line("none_left", ({ none_left: none }) => none)];
    const x = pathAxis([...saves, ...loses]);
    this.stopping.draw(
      [saves, loses].map((series) => ({ series, x, y: { ...shares(series, 0.05, [0]), words: percent } })),
      seriesTable(`Shares of paths, passes and prompts, ${RULES.get(rule)}`, "paths", [...saves, ...loses], percent),
    );
  }

  // What is said of the points with `at` paths: all methods, the best first.
  reached(at, chosen, shown) {
    const spent = new Map(this.generator.methods.flatMap(({ method, points }) => points.filter(({ paths }) => paths === at).map((point) => [method, point])));
    const points = atPlace(shown[0], at).sort((a, b) => b.y - a.y);
    const { images } = this.curves;
    const rows = points.map((point) => make(
      "tr", { "data-chosen": point.name === chosen },
      make("th", { scope: "row" }, sample(seriesOf(point.name)), seriesOf(point.name).label),
      make("td", {}, make("strong", {}, share(point.y)), " ", make("span", { class: "cot-range" }, interval([point.y, point.low, point.high]))),
      make("td", { class: "cot-count" }, images ? `${count(point.y * images)} of ${count(images)}` : ""),
      make("td", {}, spent.has(point.name) ? `${operations(total(spent.get(point.name).operations))}, ${seconds(spent.get(point.name).seconds)}` : ""),
    ));
    return [make("h4", {}, at === 1 ? "1 path" : `${at} paths`, make("span", { class: "cot-detail" }, ` ${RULES.get(this.rule)}, overall`)), make("table", {}, make("tbody", {}, ...rows))];
  }
}

function accuracyAt(point, rule, x) {
  const [y, low, high] = point.accuracy[rule];
  return { at: point.paths, x, y, low, high };
}

// A y axis that holds all lines with their bands.
export function shares(series, step, more = []) {
  const values = series.flatMap(({ points }) => points.flatMap(({ y, low = y, high = y }) => [low, y, high]));
  const domain = around([...values, ...more], step);
  if (domain[0] === domain[1]) domain[1] += step;
  return { scale: linear, domain, ticks: ticks(...domain), words: percent };
}

function pathAxis(series) {
  const numbers = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const apart = numbers.filter((number) => !numbers.includes(number * 1.25) || number < 16); // 16 beside 20 has no room
  return { scale: logarithmic, domain: ends(numbers), ticks: apart, words: String, label: "paths N" };
}

export function computeAxis(series) {
  const domain = ends(series.flatMap(({ points }) => points.map(({ x }) => x)));
  return { scale: logarithmic, domain, ticks: doublings(...domain), words: (value) => count(value), label: "GFLOP a prompt: generator, decoder, judge" };
}

// From the least to the greatest, with room where they are one.
function ends(values) {
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [1, 2];
  return low < high ? [low, high] : [low, low * 2 || 1];
}

function atPlace({ series }, at) {
  return series.flatMap(({ name, points }) => points.filter((point) => point.at === at).map((point) => ({ ...point, name })));
}

function values(heading, chosen, shown, at, words) {
  const rows = shown.flatMap((one) => atPlace(one, at)).map((point) => make(
    "tr", { "data-chosen": point.name === chosen }, make("th", { scope: "row" }, sample(seriesOf(point.name)), seriesOf(point.name).label), make("td", {}, make("strong", {}, words(point.y))),
  ));
  return [make("h4", {}, heading), make("table", {}, make("tbody", {}, ...rows))];
}
