// The Results tab: two choices, kind and rule, over all that was measured.

import { make, setText } from "./dom.js";
import { Card } from "./card.js";
import { Curves } from "./curves.js";
import { DifferenceTable } from "./differences.js";
import { LadderTable } from "./ladder.js";
import { RULES, kindWords } from "./figures.js";

// `props.ladder` and `props.curves` are what cotdemo/ui/measured.py makes of the files; either may be {missing, command}.
export function mountResults(element, props) {
  return new Results(element, props);
}

class Results {
  constructor(element, { ladder, curves }) {
    this.root = make("div", { class: "cot cot-results" });
    this.kind = "overall";
    this.rule = "geneval";
    this.parts = [];
    const card = new Card(this.root);
    const kinds = ["overall", ...(ladder.kinds ?? [])];
    this.announcer = make("p", { class: "cot-hidden", role: "status" });
    this.root.prepend(
      make(
        "header", { class: "cot-intro" },
        make("h2", {}, "What was measured here, beside what the paper reports"),
        make("p", {}, "The embedded model climbs the ladder of the paper (arXiv 2501.13926) in a world of its own: small pictures, its own prompts, an exact checker. The paper’s figures are GenEval’s, with the full-size models. Compare what rises and what falls, never the heights."),
      ),
      make(
        "div", { class: "cot-filters" },
        this.filter("Kind", kinds.map((kind) => [kind, kindWords(kind)]), (kind) => { this.kind = kind; }),
        this.filter("Rule", [...RULES], (rule) => { this.rule = rule; }, "GenEval counts what was asked for; strict also wants nothing else in the picture"),
      ),
      this.announcer,
      ...this.ladder(ladder, card), ...this.curves(curves, card),
    );
    element.replaceChildren(this.root);
    this.draw();
  }

  filter(legend, options, choose, note = "") {
    const chips = options.map(([value, words], index) => {
      const input = make("input", { type: "radio", name: `cot-${legend}`, value, checked: index === 0 });
      input.addEventListener("change", () => { choose(value); this.draw(); this.tell(); });
      return make("label", { class: "cot-chip" }, input, make("span", {}, words));
    });
    return make("fieldset", {}, make("legend", {}, legend), make("div", { class: "cot-chips" }, ...chips), note ? make("p", { class: "cot-note" }, note) : null);
  }

  ladder(ladder, card) {
    if (ladder.missing) return [section("The ladder", "", empty(ladder))];
    const table = new LadderTable(ladder, card);
    const differences = new DifferenceTable(ladder, card);
    this.parts.push(table, differences);
    return [
      section("The ladder", "Every rung with the same prompts and settings. The dashed line is the plain generator of each column.", table.element, origin(ladder)),
      section("What each rung adds", "One rung minus another, on the same prompts and paths.", differences.element, origin(ladder)),
    ];
  }

  curves(curves, card) {
    if (curves.missing) return [section("More paths, more compute", "", empty(curves))];
    const drawn = new Curves(curves, card);
    const origins = [0, 1, 2].map(() => make("div"));
    this.parts.push({
      draw: (_, rule) => {
        drawn.draw(rule);
        for (const place of origins) place.replaceChildren(origin({ facts: [["generator", drawn.generator.model], ...curves.facts], command: drawn.generator.command }));
      },
    });
    const all = "Overall, all kinds together.";
    return [
      section("More paths, more compute", `${all} The oracle is right where any of the N paths is.`, drawn.chooser(() => this.draw()), drawn.accuracy.element, origins[0]),
      section("The judges, step by step", "How well a judge’s answer about an unfinished picture tells the paths of a prompt apart: area under ROC.", drawn.judges.element, origins[1]),
      section("What stopping paths saves, and what it wrongly stops", `${all} PARM stops a path when its judge says that it can no longer come out right.`, drawn.stopping.element, origins[2]),
    ];
  }

  draw() {
    for (const part of this.parts) part.draw(this.kind, this.rule);
  }

  tell() {
    setText(this.announcer, `Showing ${kindWords(this.kind)}, ${RULES.get(this.rule)}.`);
  }
}

function section(title, words, ...content) {
  return make("section", { class: "cot-section" }, make("h3", {}, title), words ? make("p", { class: "cot-note" }, words) : null, ...content);
}

function empty({ missing, command }) {
  return make("div", { class: "cot-empty" }, make("p", {}, missing), make("code", {}, command));
}

// What the figures above rest on, and the command that makes them.
function origin({ facts, command }) {
  const terms = [...facts, ["command", make("code", {}, command)]];
  return make("dl", { class: "cot-origin" }, ...terms.map(([name, words]) => make("div", {}, make("dt", {}, name), make("dd", {}, words))));
}
