// Reflection: what the judge says of an image, and the image painted again, round by round.

import { answerOf, changedTokens, lastStep, outcomeOf, reflections, stays } from "./reducer.js";
import { agreement } from "./checklist.js";
import { make, setAttribute, toggle } from "./dom.js";
import { markTokens } from "./slide.js";
import { VERDICTS, attempt, checkerWords, doubts, number, outcomeWords, plural, prose, speaksToResearchers, staysWords, told, truthBeside } from "./words.js";

export class Reflection {
  constructor() {
    this.list = make("div", { class: "cot-rounds" });
    this.element = make("section", { class: "cot-reflection", hidden: true, "aria-label": "Reflection" }, this.list);
    this.drawn = [];
  }

  // `seen` is how many critiques and repaintings are shown by now (moments.js); the others keep their place.
  draw(state, seen) {
    const entries = reflections(state);
    toggle(this.element, entries.length > 0);
    const parts = entries.map((entry) => {
      const key = [entry.before, entry.critique, entry.after, state.phase, speaksToResearchers()];
      return this.drawn.find((part) => part.key.every((one, index) => one === key[index])) ?? { key, ...drawRound(state, entry) };
    });
    if (parts.length !== this.drawn.length || parts.some((part, index) => part !== this.drawn[index])) {
      this.list.replaceChildren(...parts.map((part) => part.element));
    }
    this.drawn = parts;
    parts.forEach(({ criticised, repainted }, index) => {
      for (const part of criticised) setAttribute(part, "data-later", index < seen.critiques ? null : "true");
      for (const part of repainted) setAttribute(part, "data-later", index < seen.repaintings ? null : "true");
    });
  }
}

function drawRound(state, entry) {
  const { before, after } = entry;
  const first = card(state, before, before.round === 0 ? "First image" : `Painted again, round ${before.round}`);
  const change = make("p", { class: "cot-change" }, after && !after.prompt ? changeWords(answerOf(before), answerOf(after)) : "");
  const same = after?.tokens.length > 0 && stays(before, after);
  toggle(change, !same);
  const repainted = same ? attempts(state, before, after) : after ? card(state, after, after.round === 1 ? "Painted again" : `Painted again, round ${after.round}`) : null;
  const element = make("div", { class: "cot-round" }, first, make("div", { class: "cot-critique" }, ...words(state, entry), change), repainted);
  return { element, criticised: [first, element.children[1]], repainted: [change, ...(repainted ? [repainted] : [])] };
}

function words(state, { before, critique, approved, after }) {
  if (after?.tokens.length) {
    const by = make("p", { class: "cot-critique-by" }, `${plural(after.tokens.length, "token")} ${doubts(state, after) ? "doubted" : "marked"}`);
    if (!stays(before, after)) return [by, make("p", { class: "cot-note" }, after.prompt ? `Only these were painted anew, as “${after.prompt}”.` : "Only these were painted anew.")];
    if (doubts(state, after)) return [by, make("p", { class: "cot-note" }, "They came out as they were.")];
    const others = after.paths.some((path) => changed(before, path).length);
    const why = others ? "The judge is no surer of those that differ." : "All came out as it was: beside the rest of the image, nothing is likelier. Mark more, or try again.";
    return [by, make("p", { class: "cot-approved" }, staysWords(after)), make("p", { class: "cot-note" }, why)];
  }
  if (!critique && approved !== undefined && approved !== null) {
    return [
      make("p", { class: "cot-approved" }, "The judge sees nothing to fix."),
      make("p", { class: "cot-note", title: VERDICTS.outcome.meaning }, `${told("outcome", approved)}. It can be painted again all the same.`),
      make("button", { type: "button", class: "cot-follow cot-anyway", onclick: () => document.querySelector("#anyway")?.click() }, "Repaint anyway"),
    ];
  }
  const parts = [make("p", { class: "cot-critique-by" }, "The judge says"), make("blockquote", {}, prose(critique) || "…"), ...agreement(state, before)];
  if (!after && state.phase !== "running") parts.push(make("p", { class: "cot-note" }, "Not painted again."));
  return parts;
}

// The tokens of a path's last guess that differ from the image it began with.
function changed(before, path) {
  return changedTokens(answerOf(before)?.codes, path.steps[lastStep(path)]?.codes) ?? [];
}

// All that was painted anew where none of it was better, with what differs marked.
function attempts(state, before, after) {
  const each = after.paths.map((path) => {
    const tokens = changed(before, path);
    const said = `${tokens.length ? `${tokens.length} changed` : "as it was"}${path.outcome ? `, ${number(outcomeOf(path))}` : ""}`;
    const { picture } = path.steps[lastStep(path)] ?? {};
    const image = picture ? make("img", { src: picture, alt: "" }) : null;
    return make("li", { title: attempt(path.path) }, make("div", { class: "cot-pane" }, image, markTokens(tokens, state.started.grid)), make("strong", {}, `${path.path + 1}: `), said);
  });
  return make("figure", { class: "cot-card" }, make("h3", {}, plural(each.length, "attempt")), make("ul", { class: "cot-attempts" }, ...each));
}

function changeWords(before, after) {
  if (!before?.outcome || !after?.outcome) return "";
  return `${told("outcome", before.p_yes)} → ${number(after.p_yes)}`;
}

function card(state, round, title) {
  const answer = answerOf(round);
  const heading = make("h3", {}, title);
  const painter = speaksToResearchers() ? [make("p", { class: "cot-note" }, `painted by the model “${round.model}”`)] : [];
  if (!answer) {
    const waiting = state.phase === "running" ? `${plural(round.paths.length, "attempt")} …` : "not finished";
    return make("figure", { class: "cot-card" }, heading, make("div", { class: "cot-blank" }, waiting), make("figcaption", {}, ...painter));
  }
  const picture = answer.picture
    ? make("img", { src: answer.picture, alt: `${title}: attempt ${answer.path + 1}`, class: "cot-image" })
    : make("div", { class: "cot-blank" }, "no image kept");
  const facts = [];
  if (answer.outcome) {
    const [glyph, said, kind] = outcomeWords(answer);
    facts.push(make("p", { class: "cot-judgement", title: VERDICTS.outcome.meaning }, "Judge: ", make("span", { class: "cot-mark", "data-verdict": kind }, `${glyph} `), said));
  }
  if (answer.checked) facts.push(make("p", { class: "cot-truth" }, make("strong", {}, checkerWords(answer.checked)), truthBeside(answer)));
  return make("figure", { class: "cot-card" }, heading, picture, make("figcaption", {}, ...facts, ...painter));
}
