// Recorded runs to open: they are shown at once, without a model.

import { bringIntoSight, make, setAttribute } from "./dom.js";

// `props.runs` are {name, prompt, method, story, date, image}; `props.value` names the one on show, or is "".
export function mountGallery(element, props, trigger, watch) {
  const cards = props.runs.map((run) => card(run, () => {
    props.value = run.name;
    draw();
    trigger("select", { value: run.name });
    bringIntoSight(document.querySelector("#stage"));
  }));
  const draw = () => cards.forEach((one) => setAttribute(one, "aria-current", one.dataset.name === props.value ? "true" : null));
  element.replaceChildren(make(
    "section", { class: "cot-gallery", "aria-label": "Recorded runs", hidden: cards.length === 0 },
    make("h2", {}, "Recorded runs"),
    make("ul", {}, ...cards.map((one) => make("li", {}, one))),
  ));
  watch("value", draw);
  draw();
}

function card({ name, prompt, method, story, date, picture }, onclick) {
  return make(
    "button", { type: "button", "data-name": name, title: `${prompt}, recorded on ${date}`, onclick },
    picture.startsWith("data:image/") ? make("img", { src: picture, alt: "", width: 44, height: 44 }) : null,
    make(
      "span", { class: "cot-card-words" },
      make("b", {}, prompt.replace("a photo of ", "")),
      make("span", {}, `${method} · ${story}`),
    ),
  );
}
