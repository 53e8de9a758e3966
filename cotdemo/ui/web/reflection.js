// Reflection: what the judge says of a picture, and the picture painted again, round by round.

import { answerOf, reflections } from "./reducer.js";
import { make, toggle } from "./dom.js";
import { slide } from "./slide.js";
import { VERDICTS, plural, probability, prose, truthWords } from "./words.js";

export class Reflection {
  constructor() {
    this.list = make("div", { class: "cot-rounds" });
    this.element = make(
      "section", { class: "cot-reflection", hidden: true, "aria-label": "Reflection" },
      make("h3", {}, "Reflection"), this.list,
    );
    this.drawn = [];
  }

  draw(state) {
    const entries = reflections(state);
    toggle(this.element, entries.length > 0);
    const parts = entries.map((entry) => {
      const key = [entry.before, entry.critique, entry.after, state.phase];
      return this.drawn.find((part) => part.key.every((one, index) => one === key[index])) ?? { key, element: drawRound(state, entry) };
    });
    if (parts.length !== this.drawn.length || parts.some((part, index) => part !== this.drawn[index])) {
      this.list.replaceChildren(...parts.map((part) => part.element));
    }
    this.drawn = parts;
  }
}

function drawRound(state, entry) {
  const { before, after } = entry;
  const first = card(state, before, before.round === 0 ? "First picture" : `Repainted in round ${before.round}`);
  const repainted = after ? card(state, after, after.round === 1 ? "Repainted" : `Repainted, round ${after.round}`) : null;
  return make("div", { class: "cot-round" }, first, words(state, entry), repainted);
}

function words(state, { critique, approved, after, before }) {
  if (!critique && approved !== undefined && approved !== null) {
    return make(
      "div", { class: "cot-critique" },
      make("p", {}, "Nothing to mend."),
      make("span", { class: "cot-note" }, `The judge says yes, with P(yes) ${probability(approved)}. Press “Repaint anyway” to see what the self-correcting model makes of it.`),
    );
  }
  const parts = [
    make("span", { class: "cot-critique-by" }, "The judge says"),
    make("blockquote", {}, prose(critique) || "…"),
  ];
  if (after) {
    const [old, now] = [answerOf(before), answerOf(after)];
    parts.push(make("span", { class: "cot-note" }, change(old, now)));
    if (old?.picture && now?.picture) parts.push(slide(old, now, state.started.grid));
  } else if (state.phase !== "running") parts.push(make("span", { class: "cot-note" }, "Not repainted."));
  return make("div", { class: "cot-critique" }, ...parts);
}

function change(before, after) {
  if (!before?.outcome || !after?.outcome) return "";
  return `P(yes) ${probability(before.p_yes)} → ${probability(after.p_yes)}`;
}

function card(state, round, title) {
  const answer = answerOf(round);
  const heading = make("h4", {}, title);
  const painter = make("p", { class: "cot-note" }, `painted by the model “${round.model}”`);
  if (!answer) {
    const words = state.phase === "running" ? `painting ${plural(round.paths.length, "path")} …` : "not finished";
    return make("figure", { class: "cot-card" }, heading, make("div", { class: "cot-blank" }, words), make("figcaption", {}, painter));
  }
  const picture = answer.picture
    ? make("img", { src: answer.picture, alt: `${title}: path ${answer.path + 1}`, class: "cot-picture" })
    : make("div", { class: "cot-blank" }, "no picture kept");
  const facts = [];
  if (answer.outcome) {
    const [glyph, meaning] = VERDICTS.outcome[answer.outcome.answer];
    facts.push(make(
      "p", { class: "cot-judgement" }, "Judge: ",
      make("span", { class: "cot-mark", "data-verdict": `outcome-${answer.outcome.answer}` }, `${glyph} P(yes) ${probability(answer.p_yes)}`),
      ` ${meaning}`,
    ));
  }
  if (answer.checked) {
    facts.push(make("p", { class: "cot-truth" }, make("strong", {}, "Truth, which the judge does not see: "), truthWords(answer.checked)));
  }
  return make("figure", { class: "cot-card" }, heading, picture, make("figcaption", {}, ...facts, painter));
}
