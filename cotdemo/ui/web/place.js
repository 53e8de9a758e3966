// The place of the stage, which the viewer fills: apart from its grid, before the form on a phone.

import { make } from "./dom.js";

// `props.value` is the form; the place has it as `asked`, and says "cot-form" when it changes. What is asked for on the
// stage bubbles to here: "cot-brush" with {tokens}, and "cot-take" for the settings of the run on show.
export function mountPlace(element, props, trigger, watch) {
  const place = make("div", { class: "cot-place-of-stage" });
  const tell = () => {
    place.asked = props.value;
    place.dispatchEvent(new CustomEvent("cot-form"));
  };
  element.addEventListener("cot-brush", ({ detail }) => trigger("select", detail));
  element.addEventListener("cot-take", () => trigger("apply"));
  watch("value", tell);
  tell();
  element.replaceChildren(place);
}
