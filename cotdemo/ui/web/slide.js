// Two images one over the other, with a slider between them, and the tokens in which they differ.

import { make, shape, toggle } from "./dom.js";
import { changedTokens } from "./reducer.js";

// Tokens of an image on a grid of [rows, columns], to lie over it.
export function markTokens(tokens, [rows, columns], attributes = {}) {
  const marks = tokens.map((place) => shape("rect", { x: place % columns, y: Math.floor(place / columns), width: 1, height: 1 }));
  return shape("svg", { viewBox: `0 0 ${columns} ${rows}`, "aria-hidden": "true", class: "cot-changes", ...attributes }, ...marks);
}

// `before` and `after` are {image, codes}; `grid` is [rows, columns]; `at` is where the slider begins, in percent.
export function slide(before, after, grid, at = 50) {
  const changed = changedTokens(before.codes, after.codes);
  const marks = markTokens(changed ?? [], grid, { hidden: true });
  const stage = make(
    "div", { class: "cot-pane" },
    make("img", { src: before.picture, alt: "" }), make("img", { src: after.picture, alt: "", class: "cot-over" }), marks, make("i", { "aria-hidden": "true" }),
  );
  const move = (value) => {
    stage.style.setProperty("--at", `${value}%`);
    stage.classList.toggle("cot-at-edge", Number(value) === 0 || Number(value) === 100); // nothing is divided there
  };
  const slider = make("input", { type: "range", min: 0, max: 100, value: at, class: "cot-slider", "aria-label": "From the image painted again, to the one before", oninput: () => move(slider.value) });
  move(at);
  const box = make("input", { type: "checkbox", onchange: () => toggle(marks, box.checked) });
  return make(
    "div", { class: "cot-slide" }, stage,
    make("div", { class: "cot-slide-ends" }, make("span", {}, "after"), slider, make("span", {}, "before")),
    changed ? make("label", {}, box, ` Show what changed: ${changed.length} of ${after.codes.length} tokens`) : null,
  );
}
