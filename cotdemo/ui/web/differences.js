// What one row adds to another: differences paired by image, here and in the paper.

import { make } from "./dom.js";
import { difference, interval, kindWords, reported, share, tickWords } from "./figures.js";
import { gains, isTold, rowsOf, typeset } from "./rows.js";
import { around } from "./scale.js";
import { StripTable } from "./striptable.js";

export class DifferenceTable {
  constructor(ladder, card) {
    this.ladder = ladder;
    this.strips = new StripTable({
      caption: "Paired by prompt and path seed, with 95% intervals. A hollow mark cannot be told from 0; small rings: other training seeds.",
      corner: "Difference",
      groups: [{ heading: "", items: gains(ladder, "overall", "geneval").map(({ label }) => ({ name: label, label: typeset(label) })) }],
      card,
      about: (label) => this.about(label),
    });
    this.element = this.strips.element;
  }

  draw(kind, rule) {
    this.chosen = { kind, rule };
    this.gains = gains(this.ladder, kind, rule);
    const all = this.gains.flatMap((one) => [0, ...(one.here ?? []), one.reported ?? 0, ...one.seeds.flatMap(({ here }) => here)]);
    const items = this.gains.map((one) => ({
      ...one,
      name: one.label,
      open: one.here !== null && !isTold(one.here),
      words: one.here ? [make("strong", {}, difference(one.here[0])), " ", make("span", { class: "cot-range" }, interval(one.here, difference))] : [],
      reportedWords: one.reported === null ? "" : reported(one.reported, true),
      extras: [],
    }));
    this.strips.draw(items, { domain: around(all, 0.1), reference: 0, paperReference: 0, words: (value) => tickWords(value, true), figure: difference });
  }

  about(label) {
    const { kind, rule } = this.chosen;
    const one = this.gains.find((each) => each.label === label);
    const ends = rowsOf(this.ladder, kind, rule).filter((row) => [one.of, one.minus].includes(row.name));
    const lines = [one.of, one.minus].map((name) => ends.find((row) => row.name === name)).filter((row) => row?.here);
    const told = one.here && make("p", {}, isTold(one.here) ? "The interval leaves out 0." : "The interval holds 0: it cannot be told from no difference.");
    return [
      make("h4", {}, typeset(label), make("span", { class: "cot-detail" }, ` ${kindWords(kind)}`)),
      ...(one.here ? [make("p", {}, make("strong", {}, difference(one.here[0])), ` ${interval(one.here, difference)}`), told] : []),
      ...lines.map((row) => make("p", { class: "cot-small" }, `${row.label}: ${share(row.here[0])} ${interval(row.here)}`)),
      ...one.seeds.map(({ seed, here }) => make("p", { class: "cot-small" }, `training seed ${seed}: ${difference(here[0])} ${interval(here, difference)}`)),
      ...(one.reported === null ? [] : [make("p", { class: "cot-small", "data-source": "paper" }, `In the paper, full-size model, GenEval: ${reported(one.reported, true)}`)]),
    ];
  }
}
