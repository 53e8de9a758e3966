// Words that may be long: what comes first in sight, the rest folded below it.

import { make, setText, toggle } from "./dom.js";

const LONG = 160; // letters that stand unfolded

export class Saying {
  constructor(name, attributes = {}) {
    this.line = make("p", { class: name, ...attributes });
    this.rest = make("p", {});
    this.more = make("details", { class: "cot-more", hidden: true }, make("summary", {}, "More"), this.rest);
    this.element = make("div", { class: "cot-saying" }, this.line, this.more);
  }

  // `long` is whether it may be, as what is refused with its reasons.
  say(text, long) {
    const [first, rest] = long ? folded(text) : [text, ""];
    if (this.rest.textContent !== rest) this.more.open = false;
    setText(this.line, first);
    setText(this.rest, rest);
    toggle(this.more, rest !== "");
  }
}

// [what comes first, the rest]: the first line of several; of one that is long, its first sentence.
export function folded(text) {
  const [line, ...lines] = text.trim().split(/\s*\n\s*/);
  if (lines.length) return [line, lines.join(" ")];
  const sentence = text.length > LONG ? /^(.+?[.?!][”"')]?)\s+(?=\p{Lu})/u.exec(text) : null;
  return sentence ? [sentence[1], text.slice(sentence[0].length)] : [text, ""];
}
