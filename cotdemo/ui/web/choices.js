// Method and model: what the backend does not offer cannot be chosen, and says why.

import { make, setAttribute } from "./dom.js";

// `props.value` is {method, model}; `props.offers` the table [{method, model, reason}]; `props.methods` and
// `props.models` are lists of [name, label, words].
export function mountChoices(element, props, watch) {
  const choices = new Choices(element, props);
  watch("value", () => choices.draw());
}

class Choices {
  constructor(element, props) {
    this.props = props;
    this.methods = props.methods.map(([name, label]) => this.method(name, label));
    this.options = props.models.map(([name, label]) => make("option", { value: name }, label));
    this.select = make("select", { onchange: () => this.choose({ model: this.select.value }) }, ...this.options);
    this.methodNotes = make("div", { "aria-live": "polite" });
    this.modelNotes = make("div", {});
    element.replaceChildren(make(
      "div", { class: "cot-choices" },
      make(
        "fieldset", {},
        make("legend", {}, "Method"),
        make("div", { class: "cot-methods" }, ...this.methods.map((method) => method.element)),
        this.methodNotes,
      ),
      make("div", { class: "cot-model" }, make("label", {}, make("span", {}, "Model"), this.select), this.modelNotes),
    ));
    this.draw();
  }

  method(name, label) {
    const input = make("input", { type: "radio", name: "cot-method", value: name, onchange: () => this.choose({ method: name }) });
    return { name, label, input, element: make("label", { class: "cot-method" }, input, make("span", {}, label)) };
  }

  choose(change) {
    this.props.value = { ...this.value(), ...change };
    this.draw();
  }

  value() {
    const { method, model } = this.props.value ?? {};
    return { method, model };
  }

  draw() {
    const { method, model } = this.value();
    for (const { name, input, element } of this.methods) {
      const reason = this.reason(name, model);
      input.checked = name === method;
      input.disabled = Boolean(reason);
      setAttribute(element, "data-off", reason ? "true" : null);
      setAttribute(element, "title", reason || null);
    }
    this.options.forEach((option, index) => { option.disabled = Boolean(this.reason(method, this.props.models[index][0])); });
    this.select.value = model;
    const words = (list, name) => list.find(([one]) => one === name)?.[2] ?? "";
    this.methodNotes.replaceChildren(...notes(words(this.props.methods, method), this.props.methods, (name) => this.reason(name, model)));
    this.modelNotes.replaceChildren(...notes(words(this.props.models, model), this.props.models, (name) => this.reason(method, name)));
  }

  reason(method, model) {
    return this.props.offers.find((offer) => offer.method === method && offer.model === model)?.reason ?? "";
  }
}

// What the choice means, then, folded, what cannot be chosen and why; what has the same reason is said together.
function notes(words, list, reasonOf) {
  const reasons = new Map();
  for (const [name, label] of list) {
    const reason = reasonOf(name);
    if (reason) reasons.set(reason, [...(reasons.get(reason) ?? []), label.replace("Show-o, ", "")]);
  }
  const note = (text) => make("span", { class: "cot-choice-note" }, text);
  const refused = [...reasons].map(([reason, labels]) => note(`${labels.join(", ")}: ${reason}.`));
  const count = [...reasons.values()].flat().length;
  const others = refused.length ? [make("details", { class: "cot-choice-note" }, make("summary", {}, `${count} not offered with it`), ...refused)] : [];
  return [...(words ? [note(words)] : []), ...others];
}
