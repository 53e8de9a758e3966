// A table whose rows are strips: what was measured here in one column, what the paper reports in another of its own.

import { make, setText } from "./dom.js";
import { Axis, Strip } from "./strip.js";

export const HERE = "here, embedded model";
export const PAPER = "paper, full-size model, GenEval";

export class StripTable {
  // `about(name)` is what `card` tells of a row. `extras` are the headings of columns of text.
  constructor({ caption, corner, extras = [], groups, card, about }) {
    this.card = card;
    this.about = about;
    this.hereAxis = new Axis();
    this.paperAxis = new Axis();
    this.rows = new Map();
    this.caption = make("caption", {}, caption);
    const column = (words, source, axis) => make("th", { scope: "col", class: "cot-column", "data-source": source }, make("span", { class: "cot-source" }, words), make("div", { class: "cot-value" }, axis.element, make("span")));
    const head = make(
      "tr", {},
      make("th", { scope: "col", class: "cot-corner" }, corner),
      column(HERE, "here", this.hereAxis), column(PAPER, "paper", this.paperAxis),
      ...extras.map((words) => make("th", { scope: "col", class: "cot-extra" }, words)),
    );
    const bodies = groups.map(({ heading, items }) => make(
      "tbody", {},
      heading ? make("tr", { class: "cot-group" }, make("th", { scope: "rowgroup", colspan: 3 }, heading), ...extras.map(() => make("td", { class: "cot-extra" }))) : null,
      ...items.map((item) => this.row(item, extras.length)),
    ));
    this.table = make("table", { class: "cot-strips" }, this.caption, make("thead", {}, head), ...bodies);
    this.element = make("div", { class: "cot-frame" }, this.table);
    this.listen();
  }

  row({ name, label, detail }, extras) {
    const button = make("button", { type: "button", class: "cot-name", tabindex: this.rows.size ? -1 : 0 }, label);
    const here = new Strip("here");
    const paper = new Strip("paper");
    const hereWords = make("div", { class: "cot-said" });
    const paperWords = make("div", { class: "cot-said" });
    const beneath = make("span", { class: "cot-detail cot-beneath" }); // where the columns of text have no room
    const texts = Array.from({ length: extras }, () => make("td", { class: "cot-extra" }));
    const cell = make("td", { "data-source": "here" }, make("div", { class: "cot-value" }, here.element, hereWords));
    const element = make(
      "tr", { class: "cot-row", "data-name": name },
      make("th", { scope: "row" }, button, detail ? make("span", { class: "cot-detail" }, detail) : null, beneath),
      cell, make("td", { "data-source": "paper" }, make("div", { class: "cot-value" }, paper.element, paperWords)), ...texts,
    );
    this.rows.set(name, { button, cell, here, paper, hereWords, paperWords, texts, beneath });
    return element;
  }

  // `items` by name: {here, seeds, reported, open, words, missing, reportedWords, extras}; `words` are those of a tick,
  // `figure` those of a value.
  draw(items, { domain, reference = null, paperReference = null, words, figure }) {
    this.hereAxis.draw(domain, words);
    this.paperAxis.draw(domain, words);
    for (const item of items) {
      const row = this.rows.get(item.name);
      row.here.draw({ estimate: item.here, seeds: item.seeds, domain, reference, open: item.open });
      row.paper.draw({ estimate: item.reported === null ? null : [item.reported], domain, reference: paperReference });
      row.hereWords.replaceChildren(...said(item, figure));
      row.paperWords.replaceChildren(item.reported === null ? make("span", { class: "cot-none" }, "none given") : make("strong", {}, item.reportedWords));
      row.texts.forEach((cell, index) => setText(cell, item.extras[index]));
      setText(row.beneath, row.texts.map((cell) => cell.textContent).filter(Boolean).join(", "));
    }
  }

  listen() {
    const rowOf = (event) => event.target.closest(".cot-row");
    const show = (row, box, pinned) => this.card.show(this, box, pinned, ...this.about(row.dataset.name));
    const pin = (row) => row && show(row, this.rows.get(row.dataset.name).cell.getBoundingClientRect(), true);
    this.table.addEventListener("pointerover", (event) => {
      const row = rowOf(event);
      if (event.pointerType !== "mouse" || row === this.over) return;
      this.over = row;
      if (!row) return this.card.leave(this);
      const { top, bottom } = row.getBoundingClientRect();
      show(row, { left: event.clientX + 24, top, bottom }, false);
    });
    this.table.addEventListener("pointerleave", () => { this.over = null; this.card.leave(this); });
    this.table.addEventListener("click", (event) => pin(rowOf(event)));
    this.table.addEventListener("focusin", (event) => {
      if (!event.target.matches(":focus-visible")) return;
      this.tabTo(event.target);
      pin(rowOf(event));
    });
    this.table.addEventListener("focusout", () => this.card.hide(this));
    this.table.addEventListener("keydown", (event) => this.pressed(event));
  }

  // One stop of the tab key for the whole table; arrows go from row to row.
  tabTo(button) {
    for (const row of this.rows.values()) row.button.tabIndex = row.button === button ? 0 : -1;
  }

  pressed(event) {
    const buttons = [...this.rows.values()].map((row) => row.button);
    const at = buttons.indexOf(event.target);
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
    if (at < 0 || !(event.key in places)) return;
    event.preventDefault();
    buttons[Math.min(Math.max(places[event.key], 0), buttons.length - 1)].focus();
  }
}

function said({ here, seeds, words, missing }, figure) {
  const parts = here === null ? [make("span", { class: "cot-none" }, missing ? `Not measured: ${missing}` : "Not measured.")] : words;
  const others = seeds.map(({ seed, here: [value] }) => `${seed}: ${figure(value)}`).join(", ");
  return others ? [...parts, make("span", { class: "cot-small" }, `seed ${others}`)] : parts;
}
