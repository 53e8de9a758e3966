// The page as a figure in somebody's article, ?view=run&compact=1 in an iframe: the stage alone. Its style sheets hide the
// rest by a class of the document; cotdemo/ui/page.py sees to it before anything is drawn, too.

import { make } from "./dom.js";

const COMPACT = "cot-compact";
const SIZE = { width: 760, height: 470 }; // pixels, which the stage of a repaired image has room in

// Whether the address wants the figure; then the document is one from now on.
export function asFigure(search) {
  const asked = new URLSearchParams(search);
  const wanted = asked.get("view") === "run" && asked.get("compact") === "1";
  if (wanted) document.documentElement.classList.add(COMPACT);
  return wanted;
}

// What an article holds to show the run of an address.
export function frameOf(address, title) {
  const url = new URL(address);
  url.searchParams.set("view", "run");
  url.searchParams.set("compact", "1");
  return make("iframe", { src: url.href, title, ...SIZE, loading: "lazy" }).outerHTML;
}
