// The Compare tab's cards: one for each method and model, in the order they were chosen.

import { make, setAttribute, setText, toggle } from "./dom.js";
import { operations } from "./figures.js";
import { BAD_LOT, CHECKER, NOT_JUDGED, VERDICTS, plural, probability, prose, sentence } from "./words.js";

const STATES = { waiting: "Waiting", running: "Running", done: "Done", stopped: "Stopped", failed: "Failed" };
const EMPTY = "Paint one prompt by several methods and models, from the same seed, and see the results and what they cost side by side. Each can then be opened, step by step.";

// `props.value` is the latest message of cotdemo.ui.comparison, a text.
export function mountCompare(element, props, trigger, watch) {
  const board = new Board((run) => {
    trigger("select", { index: 0, value: run });
    document.querySelector('#cot-tabs [role="tab"]')?.click();
  });
  element.replaceChildren(board.element);
  watch("value", () => board.show(props.value));
  board.show(props.value);
}

export function overallWords(cards, left = null) {
  const ended = cards.filter((card) => !["waiting", "running"].includes(card.state)).length;
  const now = cards.find((card) => card.state === "running");
  const counted = `${ended} of ${plural(cards.length, "run")} ended`;
  const about = left === null ? "" : ` · about ${Math.max(1, Math.round(left))} s left`;
  return now ? `${counted}${about} · ${now.title}: ${runningWords(now)}` : `${counted}.`;
}

function runningWords(card) {
  return (card.words || "starting").replaceAll(" - ", " · ");
}

export function stateWords(card) {
  if (card.state === "running") return runningWords(card);
  if (card.state === "failed") return card.words;
  return STATES[card.state];
}

// What the judge says of the answer, and what is true of it.
export function judgeWords({ answer, p_yes }) {
  if (!answer) return sentence(NOT_JUDGED);
  const [glyph, words] = VERDICTS.outcome[answer];
  return `${glyph} P(yes) ${probability(p_yes)} ${words}${answer === "yes" ? "" : `: ${BAD_LOT}`}`;
}

export function checkedWords(truth) {
  if (!truth) return "";
  const reason = prose(truth.reason);
  return truth.correct ? (truth.strict ? "right" : `right, but ${reason}`) : `wrong: ${reason}`;
}

// Everything it computed, counted; of it, generator passes beside those of one plain picture.
export function spentWords({ operations: all, passes, questions, seconds, plain_passes: plain }) {
  const times = passes / plain;
  return [
    ...(all ? [`${operations(all)} in all`] : []),
    `${plural(passes, "generator pass").replace("passs", "passes")}, ${times < 9.95 ? times.toFixed(1) : Math.round(times)} × plain`,
    plural(questions, "question") + " to the judge",
    `${seconds.toFixed(1)} s`,
  ];
}

class Board {
  constructor(open) {
    this.open = open;
    this.cards = [];
    this.status = make("p", { class: "cot-compare-status", role: "status" });
    this.list = make("ul", { class: "cot-compare" });
    this.empty = make("div", { class: "cot-empty" }, make("p", {}, EMPTY));
    this.element = make("div", { class: "cot cot-board-of-cards" }, this.status, this.list, this.empty);
  }

  show(text) {
    const { cards = null, left = null, failed = "" } = text ? JSON.parse(text) : {};
    toggle(this.status, Boolean(text));
    toggle(this.empty, !text);
    if (failed) setText(this.status, failed); // what is there stays
    if (!cards) return;
    setText(this.status, overallWords(cards, left));
    if (cards.length !== this.cards.length) {
      this.cards = cards.map(() => new Card(this.open));
      this.list.replaceChildren(...this.cards.map((card) => card.element));
    }
    const most = Math.max(...cards.map((card) => card.costs?.operations ?? 0), 1);
    cards.forEach((card, index) => this.cards[index].draw(card, most));
  }
}

class Card {
  constructor(open) {
    this.run = "";
    this.image = make("img", { width: 160, height: 160, hidden: true });
    this.picture = make("div", { class: "cot-compare-picture" }, this.image);
    this.title = make("h3");
    this.model = make("p", { class: "cot-note" });
    this.state = make("p", { class: "cot-compare-state" });
    this.judge = make("span");
    this.truth = make("span");
    this.truthLine = make("p", {}, make("b", {}, CHECKER), this.truth);
    this.bar = make("i");
    this.costs = make("p", { class: "cot-note" });
    this.button = make("button", { type: "button", class: "cot-compare-open", disabled: true, onclick: () => open(this.run) }, "Open, step by step");
    this.element = make(
      "li", { "data-state": "waiting" }, this.title, this.model, this.picture, this.state,
      make("p", {}, make("b", {}, "Judge: "), this.judge), this.truthLine,
      make("div", { class: "cot-compare-bar", "aria-hidden": "true" }, this.bar), this.costs, this.button,
    );
  }

  draw(card, most) {
    const { title, model } = card;
    this.run = card.run;
    setAttribute(this.element, "data-state", card.state);
    setText(this.title, title);
    setText(this.model, `${model} · ${plural(card.paths, "attempt")}`);
    setText(this.state, stateWords(card));
    const shown = card.picture.startsWith("data:image/");
    if (shown) setAttribute(this.image, "src", card.picture);
    setAttribute(this.image, "alt", `What ${title} with ${model} chose; ${judgeWords(card.verdict)}`);
    toggle(this.image, shown);
    setText(this.judge, card.costs ? judgeWords(card.verdict) : "–");
    const truth = checkedWords(card.verdict.truth);
    setText(this.truth, truth || "–");
    setAttribute(this.truthLine, "data-right", card.verdict.truth ? String(card.verdict.truth.correct) : null);
    setText(this.costs, card.costs ? spentWords(card.costs).join(" · ") : "\u00a0");
    this.bar.style.width = `${(100 * (card.costs?.operations ?? 0)) / most}%`;
    this.button.disabled = !card.run;
    setAttribute(this.button, "aria-label", `Open the run of ${title}, ${model}, step by step`);
  }
}
