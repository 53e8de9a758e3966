// A path that stays in sight beside the selected one, at the same step. There may be several.

import { QUESTIONS, lastStep, tokenState } from "./reducer.js";
import { make, setAttribute, setText, toggle } from "./dom.js";
import { canvasSide, drawGuess, drawKept } from "./canvas.js";
import { VERDICTS, attempt, number, pathWords, sentence, term } from "./words.js";

const PINNED_SIDE = 320; // canvas pixels per side, about

// What the judge said of a guess, in glyphs and numbers.
export function saidOf(step) {
  return QUESTIONS.filter((question) => step.verdicts[question]).map((question) => {
    const verdict = step.verdicts[question];
    return `${sentence(term(question))} ${VERDICTS[question][verdict.answer][0]} ${number(verdict.p_yes)}`;
  });
}

export class Pinned {
  // `onRemove(path)` where it is no longer wanted.
  constructor(onRemove) {
    this.unpin = make("button", { type: "button", class: "cot-follow", onclick: () => onRemove(this.path) }, "Unpin");
    this.title = make("h3", { class: "cot-pinned-title" });
    this.said = make("p", { class: "cot-note" });
    this.canvases = [0, 1].map(() => make("canvas", { width: PINNED_SIDE, height: PINNED_SIDE, role: "img" }));
    this.element = make(
      "section", { class: "cot-pinned", hidden: true, "aria-label": "Pinned attempt" },
      make("div", { class: "cot-focus-head" }, this.title, this.unpin),
      make("div", { class: "cot-pinned-pair" }, ...this.canvases), this.said,
    );
  }

  // `path` is null where none is pinned; `wanted` is the step that is selected.
  draw(state, round, path, wanted, colours) {
    const at = path ? Math.min(wanted, lastStep(path)) : -1;
    toggle(this.element, at >= 0);
    if (at < 0) return;
    this.path = path.path;
    setAttribute(this.unpin, "aria-label", `Unpin attempt ${path.path + 1}`);
    const { grid } = state.started;
    const step = path.steps[at];
    const early = at < wanted ? `, its last step ${at + 1}` : "";
    setText(this.title, `${attempt(path.path)}, pinned · ${pathWords(round, path)[0]}${early}`);
    setText(this.said, saidOf(step).join(" · ") || "Not asked at this step.");
    const side = canvasSide(PINNED_SIDE, grid[1]);
    for (const canvas of this.canvases) if (canvas.width !== side) canvas.width = canvas.height = side;
    const [kept, guess] = this.canvases;
    setAttribute(kept, "aria-label", `Tokens kept so far, attempt ${path.path + 1}, step ${at + 1}`);
    setAttribute(guess, "aria-label", `Decoded guess of all tokens, attempt ${path.path + 1}, step ${at + 1}`);
    const fresh = step.masked.map((_, token) => (tokenState(path, at, token) === "new" ? 1 : 0));
    drawKept(kept, step.picture, step.masked, fresh, step.confidence, grid, colours);
    drawGuess(guess, step.picture, null, grid, colours);
  }
}
