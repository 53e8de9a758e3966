// Recorded runs to open: they are shown at once, without a model.

import { make } from "./dom.js";
import { METHODS } from "./words.js";

// `props.runs` are {name, prompt, method, story, date, picture}; the one that is chosen becomes `props.value`.
export function mountGallery(element, props, trigger) {
  const open = (name) => {
    props.value = name;
    trigger("select", { value: name });
  };
  element.replaceChildren(make(
    "section", { class: "cot-gallery", "aria-label": "Recorded runs", hidden: props.runs.length === 0 },
    make("h2", {}, "Recorded runs"),
    make("ul", {}, ...props.runs.map((run) => make("li", {}, card(run, open)))),
  ));
}

function card({ name, prompt, method, story, date, picture }, open) {
  return make(
    "button", { type: "button", "data-name": name, title: `${prompt}, recorded on ${date}`, onclick: () => open(name) },
    picture.startsWith("data:image/") ? make("img", { src: picture, alt: "", width: 44, height: 44 }) : null,
    make(
      "span", { class: "cot-card-words" },
      make("b", {}, prompt.replace("a photo of ", "")),
      make("span", {}, `${METHODS[method] ?? method} · ${story}`),
    ),
  );
}
