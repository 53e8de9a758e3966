// Files that are dropped anywhere on the page: handed on to the button that opens files, which uploads them.

import { make, toggle } from "./dom.js";

// `host` is the part of the page that shows what is opened; `most` bytes are read; `refuse(words)` says why a file is
// not opened.
export class Drop {
  constructor(host, most, refuse) {
    this.most = most;
    this.refuse = refuse;
    this.element = make("div", { class: "cot-drop", hidden: true, "aria-hidden": "true" }, make("span", {}, "Drop a trace.json or an image to open it"));
    document.body.append(this.element);
    this.depth = 0; // elements entered and not yet left
    const on = (name, act) => document.addEventListener(name, (event) => {
      if (!host.isConnected || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault(); // or the browser leaves the page for the file
      act(event);
    });
    on("dragenter", () => this.enter(1));
    on("dragleave", () => this.enter(-1));
    on("dragover", () => {});
    on("drop", (event) => {
      this.enter(-this.depth);
      this.take(event.dataTransfer.files);
    });
  }

  enter(change) {
    this.depth = Math.max(0, this.depth + change);
    toggle(this.element, this.depth > 0);
  }

  take(files) {
    const words = fault([...files], this.most);
    if (words) return this.refuse(words);
    const input = document.querySelector("input[type=file][accept*='.json']");
    input.files = files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// Why these files cannot be opened, in words, or "".
export function fault(files, most) {
  if (files.length !== 1) return "Drop one file at a time.";
  const [{ name, size }] = files;
  if (!/\.(json|png)$/i.test(name)) return "Only a trace (.json) or an image that was saved here (.png) can be opened.";
  if (size > most) return `This file is too large: at most ${Math.floor(most / 1e6)} MB are read.`;
  return "";
}
