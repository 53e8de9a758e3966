// Making elements. Everything a run brings goes in as text, never as markup.

// `make("td", {class: "cell", onclick: f}, "text", child, ...)`
export function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

// The same for SVG.
export function shape(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function toggle(element, shown) {
  element.toggleAttribute("hidden", !shown); // also of SVG, which has no such property
}

// A small image made of one path, drawn in the colour of the text around it.
export function icon(path) {
  return shape("svg", { viewBox: "0 0 16 16", "aria-hidden": "true", class: "cot-icon" }, shape("path", { d: path }));
}

export const ICONS = {
  crown: "M2 12.5 1 4.2l3.8 2.9L8 2l3.2 5.1L15 4.2l-1 8.3zM2.2 13.6h11.6V15H2.2z",
  play: "M4 2.5v11l9.5-5.5z",
  pause: "M3.5 2.5h3.2v11H3.5zM9.3 2.5h3.2v11H9.3z",
};

export const THANKS = 4000; // milliseconds that the answer to a click, such as "Copied", stands

export const STILL = "(prefers-reduced-motion: reduce)";

// Brings an element into sight where it is not; the focus stays where it is.
export function bringIntoSight(element, block = "nearest") {
  element.scrollIntoView({ block, behavior: matchMedia(STILL).matches ? "auto" : "smooth" });
}
