// The palette below the prompt: what the embedded model can be asked for, to be clicked into the sentence or found by typing.

import { make, setText, toggle } from "./dom.js";
import { withWord } from "./phrase.js";

const KINDS = [["thing", "things", "Things"], ["colour", "colours", "Colour"], ["number", "numbers", "How many"], ["relation", "relations", "Where"]];

// `props.value` is the prompt, `props.words` what the backend's palette says (cotdemo.world.palette), `props.most` the
// longest prompt. `server.drawings` gives the SVG of each thing by name, and is asked once the palette is first opened.
export function mountPalette(element, props, trigger, watch, server) {
  const palette = new Palette(props, trigger);
  watch("value", () => palette.draw());
  element.replaceChildren(palette.element);
  palette.element.addEventListener("toggle", async () => palette.show(await server.drawings({})), { once: true });
}

class Palette {
  constructor(props, trigger) {
    Object.assign(this, { props, trigger, begun: "" });
    this.groups = KINDS.map(([what, list, title]) => this.group(what, props.words[list], title));
    this.buttons = this.groups.flatMap(({ buttons }) => buttons);
    this.search = make("input", {
      type: "search", placeholder: "dog, sofa, red …", "aria-label": "Find a word", autocomplete: "off", spellcheck: "false",
      oninput: () => this.filter(), onkeydown: (event) => this.searched(event),
    });
    this.none = make("p", { class: "cot-choice-note", hidden: true }, "Nothing here is called that.");
    this.said = make("p", { class: "cot-palette-said", "aria-hidden": "true" }); // where the prompt itself is out of sight
    this.told = make("span", { class: "cot-hidden", role: "status" });
    const { things, colours } = props.words;
    this.element = make(
      "details", { class: "cot-palette" },
      make("summary", {}, `What it paints: ${things.length} things, ${colours.length} colours`),
      make("div", { class: "cot-palette-find" }, this.search, make("button", { type: "button", onclick: () => this.say("", "") }, "Clear prompt")),
      this.said, ...this.groups.map(({ element }) => element), this.none, this.told,
    );
    this.draw();
  }

  group(what, list, title) {
    const buttons = list.map((one) => this.button(what, typeof one === "string" ? { name: one } : one));
    buttons[0].tabIndex = 0;
    const row = make("div", { role: "group", "aria-label": title, class: "cot-palette-words", "data-what": what, onkeydown: (event) => this.pressed(event, buttons) }, ...buttons);
    return { buttons, element: make("div", { class: "cot-palette-kind" }, make("span", { "aria-hidden": "true" }, title), row) };
  }

  button(what, { name, plural = "", also = "", shown = "" }) {
    const drawing = what === "thing" ? make("img", { alt: "", width: 40, height: 40 }) : null;
    const tint = shown ? make("i", { "aria-hidden": "true" }) : null;
    if (tint) tint.style.background = shown;
    const found = [name, plural, ...also.split(", ")].join(" ").toLowerCase().split(" ");
    const button = make("button", { type: "button", tabindex: -1, title: also ? `also: ${also}` : null, "data-name": name }, drawing, tint, make("span", {}, name));
    button.addEventListener("click", () => this.add(what, name));
    return Object.assign(button, { found, drawing, add: () => this.add(what, name) });
  }

  add(what, name) {
    const { prompt, begun } = withWord(this.props.value ?? "", { what, name }, this.props.words, this.begun);
    if (prompt.length <= this.props.most) this.say(prompt, begun);
  }

  say(prompt, begun) {
    this.begun = begun;
    this.props.value = prompt;
    this.trigger("select", { value: prompt });
    setText(this.told, prompt || "The prompt is empty.");
    this.draw();
  }

  draw() {
    setText(this.said, this.props.value ?? "");
  }

  show(drawings) {
    for (const button of this.buttons.filter(({ drawing }) => drawing)) {
      button.drawing.src = `data:image/svg+xml,${encodeURIComponent(drawings[button.dataset.name])}`;
    }
  }

  // Words that begin with what is typed, wherever they stand in a name.
  filter() {
    const asked = this.search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    for (const button of this.buttons) toggle(button, asked.every((word) => button.found.some((one) => one.startsWith(word))));
    for (const { buttons, element } of this.groups) {
      const left = buttons.filter((button) => !button.hidden);
      toggle(element, left.length > 0);
      reachable(buttons, left[0]);
    }
    toggle(this.none, this.buttons.every((button) => button.hidden));
  }

  // Enter takes the first that is found, the arrow goes there, Escape shows all again.
  searched(event) {
    const first = this.buttons.find((button) => !button.hidden);
    if (event.key === "Enter" && this.search.value.trim()) {
      first?.add();
      this.search.select(); // what is typed next is the next word
    } else if (event.key === "ArrowDown") first?.focus();
    else if (event.key === "Escape" && this.search.value) this.search.value = "";
    else return;
    event.preventDefault();
    this.filter();
  }

  // One stop of the tab key for a group; arrows go from word to word, up and down by rows.
  pressed(event, all) {
    const buttons = all.filter((button) => !button.hidden);
    const at = buttons.indexOf(event.target.closest("button"));
    const columns = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
    const places = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: buttons.length - 1 };
    if (at < 0 || !(event.key in places)) return;
    event.preventDefault();
    const next = buttons[Math.min(Math.max(places[event.key], 0), buttons.length - 1)];
    reachable(all, next);
    next.focus();
  }
}

function reachable(buttons, one) {
  for (const button of buttons) button.tabIndex = button === one ? 0 : -1;
}
