// The Results tab: two choices, kind and rule, over all that was measured.

import { make, setText, toggle } from "./dom.js";
import { Calibration } from "./calibration.js";
import { Card } from "./card.js";
import { Costs } from "./costs.js";
import { Curves } from "./curves.js";
import { DifferenceTable } from "./differences.js";
import { LadderTable } from "./ladder.js";
import { RULES, kindWords } from "./figures.js";
import { findings } from "./findings.js";
import { families, story } from "./rows.js";

const SURE = "PARM’s answers as a run asks for them. On the dashed line 7 of 10 are right where it states .7; below it the judge is too sure, above it not sure enough. Beside a point stand the answers it counts; where they are few it is hollow.";
const FIRST = ["overall", "geneval"]; // what is shown at first

// `props.ladder` and `props.curves` are what cotdemo/ui/measured.py makes of the files; either may be {missing, command}.
export function mountResults(element, props) {
  return new Results(element, props);
}

class Results {
  constructor(element, { ladder, curves }) {
    this.root = make("div", { class: "cot cot-results" });
    [this.kind, this.rule] = FIRST;
    this.parts = [];
    const card = new Card(this.root);
    const kinds = ["overall", ...(ladder.kinds ?? [])];
    this.announcer = make("p", { class: "cot-hidden", role: "status" });
    this.root.prepend(
      make(
        "header", { class: "cot-intro" },
        make("h2", {}, "What was measured here, beside what the paper reports"),
        make("p", {}, "The embedded model repeats the paper’s comparison of methods (arXiv 2501.13926) on GenEval’s own prompts, but in drawings and read by a checker of its own; the paper’s figures are of the full-size models, by GenEval’s detector. Compare trends, not absolute values."),
      ),
      make(
        "div", { class: "cot-filters" },
        this.filter("Kind", kinds.map((kind) => [kind, kindWords(kind)]), (kind) => { this.kind = kind; }),
        this.filter("Rule", [...RULES], (rule) => { this.rule = rule; }, "GenEval counts what was asked for; strict also wants nothing else in the image"),
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
    const said = make("dl", { class: "cot-findings" });
    const first = new LadderTable(ladder, card, [{ heading: "", rows: story(ladder, ...FIRST) }]);
    const costs = new Costs(ladder, card);
    const whole = new LadderTable(ladder, card, families(ladder, ...FIRST));
    const differences = new DifferenceTable(ladder, card);
    this.parts.push({ draw: (kind, rule) => said.replaceChildren(...findings(ladder, kind, rule).map(finding)) }, first, costs, whole, differences);
    return [
      said,
      section("The paper’s rows, beside ours", "", first.element),
      section("What each method gets for its compute", "The dashed line joins those that none beats for as little compute.", costs.element),
      fold(`The whole ladder: ${whole.names.length} rows`, "Every method, model and number of attempts with the same prompts and settings. The dashed line is the plain generator of each column.", whole.element, origin(ladder)),
      fold("What each row adds", "One row minus another, on the same prompts and attempts.", differences.element, origin(ladder)),
    ];
  }

  curves(curves, card) {
    if (curves.missing) return [fold("More paths, more compute", "", empty(curves))];
    const drawn = new Curves(curves, card);
    const sure = new Calibration(card);
    const origins = [0, 1, 2, 3].map(() => make("div"));
    const calibrated = fold("Is the judge as sure as it should be?", SURE, sure.element, origins[3]);
    this.parts.push({
      draw: (_, rule) => {
        drawn.draw(rule);
        const known = Object.keys(drawn.generator.calibration).length > 0; // curves did not always tell it
        toggle(calibrated, known);
        if (known) sure.draw(drawn.generator.calibration, rule);
        for (const place of origins) place.replaceChildren(origin({ facts: [["generator", drawn.generator.model], ...curves.facts], command: drawn.generator.command }));
      },
    });
    const all = "Overall, all kinds together.";
    return [
      fold("More paths, more compute", `${all} The oracle is right where any of the N paths is.`, drawn.chooser(() => this.draw()), drawn.accuracy.element, origins[0]),
      fold("The judges, step by step", "How well a judge’s answer about an unfinished image tells the paths of a prompt apart: area under ROC.", drawn.judges.element, origins[1]),
      calibrated,
      fold("What stopping paths saves, and what it wrongly stops", `${all} PARM stops a path when its judge says that it can no longer come out right.`, drawn.stopping.element, origins[2]),
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

// What has more to it than the first look wants: closed until somebody opens it.
function fold(title, words, ...content) {
  return make("details", { class: "cot-section cot-fold" }, make("summary", {}, make("h3", {}, title)), make("p", { class: "cot-note" }, words), ...content);
}

function finding({ question, verdict, because }) {
  return make("div", {}, make("dt", {}, question), make("dd", {}, make("strong", {}, verdict), ` ${because}`));
}

function empty({ missing, command }) {
  return make("div", { class: "cot-empty" }, make("p", {}, missing), make("code", {}, command));
}

// What the figures above rest on, and the command that makes them.
function origin({ facts, command }) {
  const terms = [...facts, ["command", make("code", {}, command)]];
  return make("dl", { class: "cot-origin" }, ...terms.map(([name, words]) => make("div", {}, make("dt", {}, name), make("dd", {}, words))));
}
