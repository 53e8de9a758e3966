// The menu of what a run can be saved as, and its link. One button opens it; what the run has nothing for is left out.

import { answerOf, answerRound, reflections } from "./reducer.js";
import { THANKS, make, setAttribute, setText, toggle } from "./dom.js";

const MARGIN = 12; // pixels that the open menu keeps from the window's

// What there is of a run to be saved; rows of the menu name what they need.
export function savable(state) {
  const painted = (round) => Boolean(round && answerOf(round)?.picture);
  return {
    "": state.rounds.length > 0,
    recorded: Boolean(state.recorded?.name), // it is always there
    picture: painted(answerRound(state)),
    repair: reflections(state).some(({ before, after }) => painted(before) && painted(after)),
    steps: state.rounds.some(({ paths }) => paths.some(({ steps }) => steps.some(({ picture }) => picture))),
  };
}

export class SaveMenu {
  // `exports` are rows {name, label, about, needs} (cotdemo/ui/exports.py), which `save(name)` saves; `copyLink()` and
  // `copyFrame()` are promises of whether that could be copied.
  constructor(exports, save, copyLink, copyFrame) {
    this.said = make("p", { class: "cot-hidden", role: "status" }); // what stands in a row is heard, too
    const copying = (copy, otherwise) => async (name) => {
      const words = (await copy()) ? "Copied" : otherwise;
      setText(name, words);
      setText(this.said, words);
    };
    this.rows = [
      { needs: "", element: this.row("Copy link", "shows this run to whoever opens it", copying(copyLink, "It is the address of this page")) },
      { needs: "recorded", element: this.row("Copy figure", "an iframe for an article", copying(copyFrame, "The browser does not allow that here")) },
      ...exports.map(({ name, label, about, needs }) => ({ needs, element: this.row(label, about, () => save(name)) })),
    ];
    this.button = make("summary", { class: "cot-follow" }, "Save or share");
    this.list = make("div", { class: "cot-menu-list", role: "group", "aria-label": "Save or share this run" }, ...this.rows.map(({ element }) => element), this.said);
    this.element = make("details", { class: "cot-menu" }, this.button, this.list);
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    this.element.addEventListener("toggle", () => this.arrange());
    window.addEventListener("pointerdown", ({ target }) => this.element.contains(target) || this.close(), true);
  }

  row(label, about, act) {
    const name = make("strong", {}, label);
    const button = make("button", { type: "button", class: "cot-save" }, name, make("span", {}, about));
    button.addEventListener("click", async () => {
      button.disabled = true; // the server may take a moment
      await act(name);
      button.disabled = false;
      button.focus({ preventScroll: true });
      setTimeout(() => {
        setText(name, label);
        setText(this.said, "");
      }, THANKS);
    });
    return button;
  }

  draw(state) {
    const there = savable(state);
    for (const { needs, element } of this.rows) toggle(element, there[needs]);
  }

  // Opens upward, where all of it is in sight, else to where there is more room; what has none there is scrolled to.
  arrange() {
    if (!this.element.open) return;
    const { top, bottom } = this.button.getBoundingClientRect();
    const [above, below] = [top, innerHeight - bottom].map((room) => room - MARGIN);
    const downward = above < this.list.scrollHeight && below > above;
    setAttribute(this.list, "data-below", downward ? "true" : null);
    this.list.style.maxHeight = `${downward ? below : above}px`;
  }

  // Arrow keys go through the rows; Escape closes them.
  pressed(event) {
    const all = [this.button, ...this.list.querySelectorAll("button:not([hidden])")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && this.element.open) {
      this.close();
      this.button.focus();
    } else if (step && this.element.open) all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  close() {
    this.element.open = false;
  }
}
