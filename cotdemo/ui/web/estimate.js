// The lines below Run: from which seed it will paint, by what and how long, or why it cannot.

import { make, setText, toggle } from "./dom.js";

// `props.value` is the form; `props.rates` seconds for one step of one path, by kind of run; `props.refused` {prompt, words} a
// prompt that cannot be painted; `props.limits` {backend, cap, prompt, seed}: the most paths x steps, characters of a prompt,
// and the highest seed. `props.names` are what methods are called, and what follows that for models.
export function mountEstimate(element, props, watch) {
  const seed = make("p", { class: "cot-seed-words", role: "status" });
  const time = make("b", {});
  const rest = make("span", {});
  const limit = make("span", { class: "cot-limit", role: "status" });
  const instead = make("button", { type: "button", class: "cot-instead", hidden: true, onclick: () => type(suggested(props.refused.words)) });
  element.replaceChildren(seed, make("p", { class: "cot-estimate" }, time, rest, limit, instead));
  const draw = () => {
    const broken = limitWords(props.value ?? {}, props.limits) || refusedWords(props.value ?? {}, props.refused ?? {});
    const [known, words] = broken ? ["", ""] : timeWords(props.value ?? {}, props.rates, props.names);
    setText(seed, seedWords(props.value ?? {}, props.limits));
    setText(time, known);
    setText(rest, words);
    setText(limit, broken);
    const other = broken ? suggested(refusedWords(props.value ?? {}, props.refused ?? {})) : "";
    setText(instead, `Use “${other}”`);
    toggle(instead, other !== "");
  };
  watch(["value", "rates", "refused"], draw);
  draw();
}

// What Run will do about the seed; "" where what was typed is none.
export function seedWords({ seed, fresh }, limits) {
  if (fresh) return "Run draws a new seed.";
  return isSeed(seed, limits) ? `Run keeps seed ${seed}.` : "";
}

function isSeed(seed, limits) {
  return Number.isInteger(seed) && seed >= 0 && seed <= limits.seed;
}

// What these settings take, as [time, "" where it is not known; the rest of the sentence].
export function timeWords({ method, model, paths, steps, guidance }, rates, { methods, models }) {
  const work = `${methods[method]}${models[model]}, ${paths} ${paths === 1 ? "attempt" : "attempts"} × ${steps} ${steps === 1 ? "step" : "steps"}`;
  const rate = rates[`${method}/${guidance > 0 ? "guided" : "unguided"}`];
  if (!rate) return ["", `${work}. How long it takes is known after a first run.`];
  return [duration(rate * paths * steps), ` for ${work}, going by the latest runs here.`];
}

// The limit that these settings break, in words, or "".
export function limitWords({ prompt, paths, steps, seed, fresh }, limits) {
  if (paths * steps > limits.cap) {
    return `${paths} attempts × ${steps} steps is ${paths * steps}, and ${limits.backend} takes at most ${limits.cap}: choose fewer.`;
  }
  if (!fresh && !isSeed(seed, limits)) return `The seed is a whole number from 0 to ${limits.seed}.`;
  if (!prompt?.trim()) return "The prompt is empty: write what is to be painted.";
  if (prompt.length >= limits.prompt) return `The prompt is full: ${limits.prompt} characters at most.`;
  return "";
}

// Why the prompt in the form cannot be painted; "" where it can, and while the one that was asked about is another.
export function refusedWords({ prompt }, { prompt: asked, words }) {
  return (prompt === asked && words) || "";
}

// The one sentence that a refusal says would work; "" where it has none, or several.
export function suggested(words) {
  return /Try “([^”]+)”\./.exec(words)?.[1] ?? "";
}

// As if the visitor had typed it.
function type(prompt) {
  const field = document.querySelector("#prompt textarea");
  field.value = prompt;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

function duration(seconds) {
  if (seconds < 0.75) return "Under a second";
  return seconds < 100 ? `About ${Math.round(seconds)} s` : `About ${Math.round(seconds / 60)} minutes`;
}
