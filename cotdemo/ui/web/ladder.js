// The ladder: every row's accuracy here and in the paper, and what it costs.

import { make } from "./dom.js";
import { count, interval, kindWords, operations, reported, seconds, share, tickWords, total } from "./figures.js";
import { PLAIN, rowsOf } from "./rows.js";
import { StripTable } from "./striptable.js";

const DOMAIN = [0, 1];

export class LadderTable {
  // `groups` are the rows to show (rows.js), as [{heading, rows}].
  constructor(ladder, card, groups) {
    this.ladder = ladder;
    this.strips = new StripTable({
      caption: "Share of right images, with 95% intervals by bootstrap over prompts. Small rings: other training seeds.",
      corner: "Method",
      extras: ["operations", "time"],
      groups: groups.map(({ heading, rows: items }) => ({
        heading, items: items.map((row) => ({ ...row, detail: `${row.model}, ${pathWords(row.paths)}` })),
      })),
      card,
      about: (name) => aboutRow(ladder, name, this.chosen),
    });
    this.names = groups.flatMap(({ rows: items }) => items.map(({ name }) => name));
    this.element = this.strips.element;
  }

  draw(kind, rule) {
    this.chosen = { kind, rule };
    const all = rowsOf(this.ladder, kind, rule);
    const plain = all.find(({ name }) => name === PLAIN);
    const items = all.filter(({ name }) => this.names.includes(name)).map((one) => ({
      ...one,
      words: one.here ? [make("strong", {}, share(one.here[0])), " ", make("span", { class: "cot-range" }, interval(one.here)), countOf(one.right)] : [],
      reportedWords: one.reported === null ? "" : reported(one.reported),
      extras: one.here ? [operations(total(one.operations)), seconds(one.seconds)] : ["", ""],
    }));
    this.strips.draw(items, { domain: DOMAIN, reference: plain?.here?.[0] ?? null, paperReference: plain?.reported ?? null, words: tickWords, figure: share });
  }
}

// What the card tells of a row: by kind, at the chosen rule.
export function aboutRow(ladder, name, { kind, rule }) {
  const one = rowsOf(ladder, kind, rule).find((row) => row.name === name);
  const heading = make("h4", {}, one.label, make("span", { class: "cot-detail" }, ` ${one.model}, ${pathWords(one.paths)}`));
  if (!one.here) return [heading, make("p", {}, `Not measured: ${one.missing}`), ...seedWords(one)];
  const kinds = ["overall", ...ladder.kinds];
  const rows = kinds.map((other) => {
    const row = rowsOf(ladder, other, rule).find((each) => each.name === name);
    return make(
      "tr", { "data-chosen": other === kind },
      make("th", { scope: "row" }, kindWords(other)), make("td", {}, make("strong", {}, share(row.here[0])), " ", make("span", { class: "cot-range" }, interval(row.here))),
      make("td", { class: "cot-count" }, row.right ? `${count(row.right[0])} of ${count(row.right[1])}` : ""),
      make("td", { "data-source": "paper" }, row.reported === null ? "–" : reported(row.reported)),
    );
  });
  const head = make("tr", {}, make("th", { scope: "col" }, "kind"), make("th", { scope: "col" }, "here"), make("th", { scope: "col" }, "images"), make("th", { scope: "col", "data-source": "paper" }, "paper"));
  return [heading, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)), ...seedWords(one), ...costOf(one)];
}

function pathWords(paths) {
  return paths === 1 ? "1 path" : `${Number(paths.toFixed(1))} paths`;
}

function countOf(right) {
  return make("span", { class: "cot-small" }, right ? `${count(right[0])} of ${count(right[1])} images` : "a mean of two N");
}

function seedWords({ seeds }) {
  return seeds.map(({ seed, here }) => make("p", { class: "cot-small" }, `training seed ${seed}: ${share(here[0])} ${interval(here)}`));
}

function costOf(one) {
  const parts = Object.entries(one.operations).map(([part, spent]) => `${part} ${operations(spent)}`);
  return [make("p", { class: "cot-small" }, `A prompt: ${parts.join(", ")}; ${seconds(one.seconds)}`)];
}
