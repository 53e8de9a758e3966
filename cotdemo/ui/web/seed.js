// Whether Run draws a new seed, or keeps the one in the field beside this.

import { make } from "./dom.js";

const SEEDS = [["random", true], ["keep", false]]; // what is chosen, and whether the seed is drawn afresh

// `props.value` is true where a new one is drawn.
export function mountSeed(element, props, watch) {
  const radios = SEEDS.map(([words, fresh]) => {
    const input = make("input", { type: "radio", name: "cot-seed", onchange: () => { props.value = fresh; } });
    return { fresh, input, label: make("label", { class: "cot-method" }, input, make("span", {}, words)) };
  });
  element.replaceChildren(make(
    "div", { class: "cot-seed", role: "radiogroup", "aria-label": "Seed" },
    make("span", { "aria-hidden": "true" }, "Seed"), ...radios.map(({ label }) => label),
  ));
  const draw = () => radios.forEach(({ input, fresh }) => { input.checked = fresh === Boolean(props.value); });
  watch("value", draw);
  draw();
}
