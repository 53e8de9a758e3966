// The card that tells more about what is pointed at, focused or tapped. One for all parts of the tab; what is not under
// the pointer alone is pinned. Escape closes it, and so does a press anywhere else.

import { make, setAttribute, toggle } from "./dom.js";

const GAP = 10;

export class Card {
  constructor(root) {
    this.root = root;
    this.owner = null;
    this.pinned = false;
    this.element = make("div", { class: "cot-about", role: "status", hidden: true });
    root.append(this.element);
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    window.addEventListener("pointerdown", (event) => this.element.contains(event.target) || this.close(), true);
  }

  // Beside `box` (of the viewport), below it or, where there is no room, above. A pinned one lets the pointer in.
  show(owner, box, pinned, ...content) {
    if (this.pinned && !pinned) return;
    Object.assign(this, { owner, pinned });
    this.element.replaceChildren(...content);
    setAttribute(this.element, "data-pinned", pinned ? "true" : null);
    toggle(this.element, true);
    const room = this.root.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.min(Math.max(0, box.left - room.left), room.width - width);
    const below = box.bottom + GAP + height <= window.innerHeight || box.top - GAP - height < 0;
    const top = below ? box.bottom + GAP : box.top - GAP - height;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top - room.top)}px)`;
  }

  // The pointer has left what `owner` showed; `hide`: so has the focus.
  leave(owner) {
    if (!this.pinned) this.hide(owner);
  }

  hide(owner) {
    if (owner === this.owner) this.close();
  }

  close() {
    Object.assign(this, { owner: null, pinned: false });
    toggle(this.element, false);
  }
}
