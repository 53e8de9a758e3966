// The offer to compare another prompt than the one whose comparison is on show.

import { make, setAttribute, setText } from "./dom.js";

// `props.value` is {own, run}, the prompts of this tab and of Run; `props.compared` the prompts that are compared, none
// before that and while it is done. Its "select" event wants `props.value.chosen` compared.
export function mountAnew(element, props, trigger, watch) {
  const words = make("span", {});
  const button = make("button", { type: "button", class: "cot-follow" }, "Compare it");
  const row = make("p", { class: "cot-anew" }, words, " ", button);
  let since = props.value?.run; // what Run had when the comparison began
  const draw = () => {
    const offer = offered(props.value ?? {}, props.compared ?? [], since);
    setAttribute(row, "data-later", offer ? null : "true"); // keeps its room
    setText(words, offer ? `${offer.where} has “${offer.prompt}”, which is not what is compared below.` : "");
  };
  button.addEventListener("click", () => {
    props.value = { ...props.value, chosen: offered(props.value, props.compared, since).prompt };
    trigger("select");
  });
  watch("value", draw);
  watch("compared", () => {
    if (!props.compared.length) since = props.value?.run;
    draw();
  });
  element.replaceChildren(make("div", { class: "cot", role: "status" }, row));
  draw();
}

// The prompt that was typed last and is not compared yet, {prompt, where}: of this tab, or of Run if it is another than
// `since` the comparison. null where there is none.
export function offered({ own = "", run = "" }, compared, since) {
  const known = compared.map(plain);
  const isNew = (prompt) => known.length > 0 && plain(prompt) !== "" && !known.includes(plain(prompt));
  if (isNew(own)) return { prompt: own.trim(), where: "The form" };
  return run !== since && isNew(run) ? { prompt: run.trim(), where: "The Run tab" } : null;
}

// As far as two prompts can be told to mean the same without the model.
function plain(prompt) {
  return prompt.trim().toLowerCase().replace(/^a photo of\b\s*/, "").replace(/[.\s]+$/, "");
}
