// The Compare tab's cards: one for each method and model, in the order they were chosen, once for each prompt and seed.

import { bringIntoSight, make, setAttribute, setText, toggle } from "./dom.js";
import { operations } from "./figures.js";
import { Saying } from "./saying.js";
import { BAD_LOT, NOT_JUDGED, checkerWords, outcomeWords, plural, progressWords, prose, sentence } from "./words.js";

const STATES = { waiting: "Waiting", running: "Running", done: "Done", stopped: "Stopped", failed: "Failed" };
const EMPTY = "Paint one prompt by several methods and models, from the same seed, and see the results and what they cost side by side; or two prompts, or several seeds. Each can then be opened, step by step.";

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
  if (now) return `${counted}${about} · ${now.title}: ${runningWords(now)}`;
  return ended < cards.length ? `${counted}${about}` : conclusion(cards) || endedWords(cards);
}

// What became of runs of which there is nothing to conclude: "1 run done, 7 stopped.", or why none could be.
function endedWords(cards) {
  if (failedAlike(cards)) return cards[0].words;
  const of = (state) => cards.filter((card) => card.state === state).length;
  const others = ["stopped", "failed"].filter(of).map((state) => `${of(state)} ${state}`);
  return `${[`${plural(of("done"), "run")} done`, ...others].join(", ")}.`;
}

// What came of it, in a sentence or two: who is right, and what that cost beside the plain run.
export function conclusion(cards) {
  const done = cards.filter((card) => card.state === "done");
  if (done.length < 2) return "";
  const checked = done.every((card) => card.verdict.truth); // there is no checker everywhere
  const by = checked ? done[0].verdict.truth.by : "the judge";
  const judged = by ? ` by ${by}` : "";
  const isRight = (card) => (checked ? card.verdict.truth.correct : card.verdict.answer === "yes");
  const rows = grouped(done, ({ label }) => label).map((of) => ({ title: of[0].label, right: of.filter(isRight).length, runs: of.length, cost: mean(of.map(costOf)), plain: of[0].method === "baseline" }));
  const plain = rows.find((row) => row.plain);
  const times = (row) => (plain && row !== plain ? (row.cost / plain.cost < 1.05 ? `, which costs no more than ${plain.title}` : `, at ${multiple(row.cost / plain.cost)} the cost of ${plain.title}`) : "");
  const cheapestFirst = rows.toSorted((a, b) => a.cost - b.cost);
  if (rows[0].runs > 1) {
    return `Right${judged}: ${cheapestFirst.map((row) => `${row.title} ${row.right} of ${row.runs}${times(row)}`).join("; ")}.`;
  }
  const right = cheapestFirst.filter((row) => row.right);
  if (!right.length) return `None of ${rows.length} is right${judged}.`;
  const counted = right.length === rows.length ? `All ${rows.length} are right` : `${right.length} of ${rows.length} ${right.length === 1 ? "is" : "are"} right`;
  const [cheapest] = right;
  const which = right.length === 1 ? `: ${cheapest.title}` : `; the cheapest of them is ${cheapest.title}`;
  return `${counted}${judged}${which}${times(cheapest)}.`;
}

// Whether all have failed for one reason.
function failedAlike(cards) {
  return cards.every((card) => card.state === "failed" && card.words === cards[0].words);
}

// The plain run of the same prompt and seed, with which costs are compared; undefined where there is none.
export function plainBeside(card, cards) {
  return cards.find((one) => one.method === "baseline" && one.costs && one.prompt === card.prompt && one.seed === card.seed);
}

// Cards of the same prompt and seed, in order.
export function groups(cards) {
  return grouped(cards, (card) => `${card.seed} ${card.prompt}`);
}

function grouped(cards, key) {
  const found = new Map();
  for (const card of cards) found.set(key(card), [...(found.get(key(card)) ?? []), card]);
  return [...found.values()];
}

function costOf({ costs }) {
  return costs.operations || costs.passes;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// "8.6 ×", "24 ×"
function multiple(times) {
  return `${times < 9.95 ? times.toFixed(1) : Math.round(times)} ×`;
}

function runningWords(card) {
  return progressWords(card.words);
}

// `alike` is whether all have failed for one reason, which stands above them.
export function stateWords(card, alike = false) {
  if (card.state === "running") return runningWords(card);
  if (card.state === "failed") return alike ? STATES.failed : card.words;
  return STATES[card.state];
}

// What the judge says of the answer, and what is true of it.
export function judgeWords({ answer, p_yes }) {
  if (!answer) return sentence(NOT_JUDGED);
  const [glyph, words] = outcomeWords({ outcome: { answer }, p_yes, mean: null });
  return `${glyph} ${words}${answer === "yes" ? "" : `: ${BAD_LOT}`}`;
}

export function checkedWords(truth) {
  if (!truth) return "";
  const reason = prose(truth.reason);
  return truth.correct ? (truth.strict ? "right" : `right, but ${reason}`) : `wrong: ${reason}`;
}

// Everything it computed, counted.
export function spentWords({ operations: all, passes, questions, seconds }) {
  return [
    ...(all ? [`${operations(all)} in all`] : []),
    plural(passes, "generator pass").replace("passs", "passes"),
    plural(questions, "question") + " to the judge",
    `${seconds.toFixed(1)} s`,
  ];
}

class Board {
  constructor(open) {
    this.open = open;
    this.cards = [];
    this.status = new Saying("cot-compare-status", { role: "status" });
    this.list = make("div");
    this.empty = make("div", { class: "cot-empty" }, make("p", {}, EMPTY));
    this.element = make("div", { class: "cot cot-board-of-cards" }, this.status.element, this.list, this.empty);
  }

  show(text) {
    const { cards = null, left = null, failed = "", recorded = "" } = text ? JSON.parse(text) : {};
    toggle(this.status.element, Boolean(text));
    toggle(this.empty, !text);
    if (failed) {
      this.status.say(failed, true); // what is there stays
      this.bring();
    }
    if (!cards) return;
    this.status.say(`${recorded ? `A comparison recorded on ${recorded}. ` : ""}${overallWords(cards, left)}`, failedAlike(cards));
    const key = cards.map((card) => `${card.seed} ${card.prompt}`).join("|");
    if (key !== this.key) this.lay(cards, key);
    const goesOn = cards.some(({ state }) => state === "waiting" || state === "running");
    if (goesOn && !this.goesOn) this.bring();
    this.goesOn = goesOn;
    const most = Math.max(...cards.map((card) => card.costs?.operations ?? 0), 1);
    const alike = failedAlike(cards);
    cards.forEach((card, index) => this.cards[index].draw(card, most, plainBeside(card, cards), alike));
  }

  // On a phone the form stands above it, longer than the window.
  bring() {
    if (this.element.getBoundingClientRect().top > innerHeight / 2) bringIntoSight(this.element, "start");
  }

  // A list for each prompt and seed, with a heading: what is typed meanwhile, here or at Run, may be another.
  lay(cards, key) {
    this.key = key;
    this.cards = cards.map(() => new Card(this.open));
    const rest = [...this.cards];
    const parts = groups(cards).map((group) => [
      make("h3", { class: "cot-compare-group" }, `“${group[0].prompt}”, seed ${group[0].seed}`),
      make("ul", { class: "cot-compare" }, ...rest.splice(0, group.length).map((card) => card.element)),
    ]);
    this.list.replaceChildren(...parts.flat());
  }
}

class Card {
  constructor(open) {
    this.run = "";
    this.image = make("img", { width: 160, height: 160, hidden: true });
    this.picture = make("div", { class: "cot-compare-picture" }, this.image);
    this.title = make("h4");
    this.model = make("p", { class: "cot-note" });
    this.state = new Saying("cot-compare-state");
    this.judge = make("span");
    this.truth = make("span");
    this.checker = make("b");
    this.truthLine = make("p", {}, this.checker, this.truth);
    this.bar = make("i");
    this.times = make("span", { title: "beside the plain run of this prompt and seed" });
    this.cost = make("div", { class: "cot-compare-cost", hidden: true }, make("span", {}, "Cost"), make("span", { class: "cot-compare-bar", "aria-hidden": "true" }, this.bar), this.times);
    this.costs = make("p", { class: "cot-note" });
    this.button = make("button", { type: "button", class: "cot-compare-open", disabled: true, onclick: () => open(this.run) }, "Open, step by step");
    this.element = make(
      "li", { "data-state": "waiting" }, this.title, this.model, this.picture, this.state.element,
      make("p", {}, make("b", {}, "Judge: "), this.judge), this.truthLine,
      this.cost, this.costs, this.button,
    );
  }

  draw(card, most, plain, alike) {
    const { title, model } = card;
    this.run = card.run;
    setAttribute(this.element, "data-state", card.state);
    setText(this.title, title);
    setText(this.model, `${model} · ${plural(card.paths, "attempt")}`);
    this.state.say(stateWords(card, alike), card.state === "failed");
    const shown = card.picture.startsWith("data:image/");
    if (shown) setAttribute(this.image, "src", card.picture);
    setAttribute(this.image, "alt", card.costs ? `What ${title} with ${model} chose; ${judgeWords(card.verdict)}` : `What ${title} with ${model} has so far`);
    toggle(this.image, shown);
    setText(this.judge, card.costs ? judgeWords(card.verdict) : "–");
    const truth = checkedWords(card.verdict.truth);
    setText(this.checker, checkerWords(card.verdict.truth));
    setText(this.truth, truth || "–");
    setAttribute(this.truthLine, "data-right", card.verdict.truth ? String(card.verdict.truth.correct) : null);
    setText(this.costs, card.costs ? spentWords(card.costs).join(" · ") : "\u00a0");
    toggle(this.cost, Boolean(card.costs));
    setText(this.times, card.costs && plain ? multiple(costOf(card) / costOf(plain)) : "");
    this.bar.style.width = `${(100 * (card.costs?.operations ?? 0)) / most}%`;
    this.button.disabled = !card.run;
    setAttribute(this.button, "aria-label", `Open the run of ${title}, ${model}, step by step`);
  }
}
